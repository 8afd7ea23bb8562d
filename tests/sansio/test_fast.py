from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from attrs import NOTHING, AttrsInstance, has
from hypothesis import given
from hypothesis import strategies as st
from support.bodies import EVENTS, GROUP_LEDGER, LEDGER, body

from capledger._sansio import fast
from capledger._sansio.fast.copying import CopySource
from capledger._sansio.json import parse_json
from capledger._sansio.tolerant import TolerantDecoder
from capledger.models import EventsPage, LedgerEntry, LedgerPage
from capledger.models._fields import ISO_SUFFIX, container_and_item, json_keys, response_fields

if TYPE_CHECKING:
    from attrs import Attribute

ZONE = ZoneInfo("America/New_York")
TOLERANT = TolerantDecoder(ZONE)
#: Strings without other scripts' digits and spaces, which are left to the tolerant decoder.
STRINGS = st.text(st.characters(exclude_categories=["Cs", "Nd", "Zs", "Zl", "Zp", "Cc"])) | st.text('aZ _\n"')
AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False)


def tolerant(document: object, model: type[Any]) -> Any:
    page, problems = TOLERANT.decode(model, document)
    assert not problems
    return page


def number(digits: object) -> str:
    """A mark that :func:`encode` turns into a JSON number with just these digits."""
    return f"\ue000{digits}\ue000"


def encode(document: object) -> bytes:
    return re.sub(r'"\\ue000([-+.E\d]+)\\ue000"', r"\1", json.dumps(document)).encode()


def dates(*, aware: bool) -> st.SearchStrategy[str]:
    moments = st.datetimes(timezones=st.just(UTC) if aware else st.none())
    forms = st.sampled_from([(" ", "milliseconds"), ("T", "seconds"), (" ", "microseconds")])
    return st.builds(lambda moment, form: moment.isoformat(*form), moments, forms)


def scalars(attribute: Attribute[Any]) -> st.SearchStrategy[Any]:
    """Usual values of a field that holds no model."""
    item = container_and_item(attribute.type)[1]
    if item is datetime:
        return dates(aware=attribute.name.endswith(ISO_SUFFIX))
    if item is Decimal:
        return AMOUNTS.map(str) | st.integers() | AMOUNTS.map(number)
    return {int: st.integers(-(2**70), 2**70), bool: st.booleans()}.get(item, STRINGS)


def values(attribute: Attribute[Any]) -> st.SearchStrategy[Any]:
    container, item = container_and_item(attribute.type)
    inner = objects(item) if has(item) else scalars(attribute)
    if container is list:
        return st.lists(inner, max_size=2)
    return inner if container is None else st.dictionaries(STRINGS, inner, max_size=2)


def objects(model: type[AttrsInstance]) -> st.SearchStrategy[dict[str, Any]]:
    """JSON objects of a model as usual responses have them: keys may be missing or null, unless they are needed."""
    needed: dict[str, st.SearchStrategy[Any]] = {}
    free: dict[str, st.SearchStrategy[Any]] = {"aNewKey": STRINGS}
    for attribute in response_fields(model):
        for key in json_keys(attribute):
            if attribute.default is NOTHING:
                needed[key] = values(attribute)
            else:
                free[key] = st.none() | values(attribute)
    return st.fixed_dictionaries(needed, optional=free)


@pytest.mark.parametrize(
    ("document", "model"), [(LEDGER, LedgerPage), (GROUP_LEDGER, LedgerPage), (EVENTS, EventsPage)]
)
def test_common_responses_use_the_fast_decoder(document: object, model: type[AttrsInstance]) -> None:
    """The documented shapes do not need the tolerant decoder, and both roads make the same of them."""
    quick = fast.decode(model, body(document), ZONE)

    assert quick is not None
    assert quick == tolerant(parse_json(body(document)), model)
    assert repr(quick) == repr(tolerant(parse_json(body(document)), model))


@given(objects(LedgerPage))
def test_both_decoders_agree_on_ledgers(document: dict[str, Any]) -> None:
    """Whatever usual values a page holds, the fast decoder reads it, and to what the tolerant decoder makes of it."""
    content = encode(document)

    quick = fast.decode(LedgerPage, content, ZONE)

    assert quick is not None
    assert quick == tolerant(parse_json(content), LedgerPage)
    assert scales(quick) == scales(tolerant(parse_json(content), LedgerPage))


@given(objects(EventsPage))
def test_both_decoders_agree_on_events(document: dict[str, Any]) -> None:
    """The same for event details, which nest deeper."""
    content = encode(document)

    quick = fast.decode(EventsPage, content, ZONE)

    assert quick is not None
    assert quick == tolerant(parse_json(content), EventsPage)


def scales(page: LedgerPage) -> list[Any]:
    amounts = [entry.net_points_on_event for entry in page.entries]
    amounts += [detail.points for entry in page.entries for detail in entry.entry_details]
    return [amount and amount.as_tuple().exponent for amount in amounts]


def mutations(model: type[AttrsInstance]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of a model with one value of another kind in them."""
    strange = st.sampled_from(
        [True, "NaN", "-inf", "12", 12, 12.5, "", [], {}, [None], "2024-02-30", "Fri Aug 30 11:17:57 GMT 2024"]
    )
    keys = st.sampled_from([key for attribute in response_fields(model) for key in json_keys(attribute)])
    return st.builds(lambda document, key, value: document | {key: value}, objects(model), keys, strange)


@given(mutations(LedgerEntry))
def test_the_fast_decoder_accepts_nothing_that_the_tolerant_one_refuses(entry: dict[str, Any]) -> None:
    """With a value of another kind, the fast decoder gives up or makes the same of it."""
    content = encode({"ledgerEntries": [entry]})

    quick = fast.decode(LedgerPage, content, ZONE)

    assert quick is None or quick == tolerant(parse_json(content), LedgerPage)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"ledgerEntries": [null]}',
        b'{"ledgerEntries": [{"eventLogId": 1, "eventName": "x"}]}',
        b'{"ledgerEntries": [{"eventLogId": 1, "eventName": "x", "ledgerCreatedDate": null}]}',
        b'{"errors": [{"code": 8015}]}',
        b'{"errors": "no"}',
        b'{"customerDetails": {"firstName": "\xff"}}',
        b'{"customerDetails": {"userId": ' + b"9" * 5000 + b"}}",
        b'{"ledgerDetails": {"ledgerClosingBalance": [{"closingBalance": 1e99999999999999999999}]}}',
        b'{"ledgerDetails": {"ledgerClosingBalance": [{"closingBalance": "Infinity"}]}}',
        b'{"ledgerEntries": [{"eventLogId": 1, "eventName": "x", "ledgerCreatedDate": "2026-01-01 00:00:00.0"}, 1]}',
        b'{"warnings": [{"code": 1.5}]}',
    ],
)
def test_uncommon_responses_are_left_to_the_tolerant_decoder(content: bytes) -> None:
    """Nothing raises here: the tolerant decoder has the last word, and the words."""
    assert fast.decode(LedgerPage, content, ZONE) is None


def test_no_depth_raises() -> None:
    """Deep brackets are left to the tolerant decoder, or skipped, as Python 3.14 has room for them."""
    page = fast.decode(LedgerPage, b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", ZONE)

    assert page is None or page.entries == []


def test_no_amount_is_infinite_or_nothing() -> None:
    """Msgspec would take "NaN" for a Decimal; the copying does not, in dicts neither."""
    for nets in ({"Shell": "NaN"}, {"Shell": "1", "Pearl": "-Infinity"}):
        entry = LEDGER["ledgerEntries"][0] | {"netAlternateCurrenciesOnEvent": nets}

        assert fast.decode(LedgerPage, body({"ledgerEntries": [entry]}), ZONE) is None


@pytest.mark.parametrize("amount", ["1_000", "\u0661\u0662", "\uff11\uff12", "\u0967", "\U0001d7d0", "\xa012"])
@pytest.mark.parametrize("escaped", [True, False])
def test_amounts_are_digits_of_ascii(amount: str, *, escaped: bool) -> None:
    """``Decimal`` would take underscores and other scripts; a body with them is left to the tolerant decoder."""
    entry = LEDGER["ledgerEntries"][0] | {"netAlternateCurrenciesOnEvent": {"Shell": amount}}
    content = json.dumps({"ledgerEntries": [entry]}, ensure_ascii=escaped).encode()

    assert fast.decode(LedgerPage, content, ZONE) is None


@pytest.mark.parametrize("escaped", [True, False])
def test_letters_of_any_script_are_decoded_fast(*, escaped: bool) -> None:
    """A name in another script is common."""
    entry = LEDGER["ledgerEntries"][0] | {"eventName": "\u0645\u062d\u0645\u062f \u5f20 \U0001f600 TXN_12"}
    content = json.dumps({"ledgerEntries": [entry]}, ensure_ascii=escaped).encode()

    assert fast.decode(LedgerPage, content, ZONE) is not None


def test_without_a_zone_only_complete_dates_are_read() -> None:
    """A date of its own zone needs no other; one without is left to the tolerant decoder, which says what to do."""
    aware = {"eventLogId": 1, "eventName": "x", "ledgerCreatedDateISO": "2026-01-01T00:00:00Z"}
    naive = {"eventLogId": 1, "eventName": "x", "ledgerCreatedDate": "2026-01-01 00:00:00.0"}

    page = fast.decode(LedgerPage, body({"ledgerEntries": [aware]}), None)

    moment = datetime(2026, 1, 1, tzinfo=UTC)
    assert page == LedgerPage([LedgerEntry(1, "x", moment, ledger_created_date_iso=moment)])
    assert fast.decode(LedgerPage, body({"ledgerEntries": [naive]}), None) is None


def test_copied_pages_share_nothing() -> None:
    """Two readings of the same bytes have lists and dicts of their own."""
    first, second = (fast.decode(LedgerPage, body(LEDGER), ZONE) for _ in range(2))
    assert first is not None
    first.entries[1].entry_details.clear()
    first.entries[1].net_alternate_currencies_on_event["Shell"] = Decimal(1)
    first.warnings.clear()

    assert second == fast.decode(LedgerPage, body(LEDGER), ZONE)


def test_the_source_is_plain_python() -> None:
    """What is compiled sets one attribute after the other, in the model's order."""
    source = CopySource(LedgerEntry).text

    head, body = source.split("\n", 1)

    assert head.startswith("def copy(wire, zoned, *, ORIGIN=ORIGIN, new_LedgerEntry=new_LedgerEntry, ")
    assert body.startswith(
        "    seen = aware = None\n    made = new_LedgerEntry()\n    made.event_log_id = wire.eventLogId\n"
    )
    assert source.endswith("    made.event = None\n    return made")


@pytest.mark.parametrize("hours", [(0, 0, 0), (0, 1, 0), (0, 1, 1), (1, 0, 2)])
def test_dates_that_repeat_are_not_mistaken_for_each_other(hours: tuple[int, int, int]) -> None:
    """The zone is attached once to dates that follow each other and are equal, within an entry and beyond."""
    created, billed, happened = (f"2026-03-29 0{hour}:30:00.0" for hour in hours)
    entry = {
        "eventLogId": 1,
        "eventName": "x",
        "ledgerCreatedDate": created,
        "transactionDetails": {"date": billed},
        "eventDetails": {"eventDate": happened},
    }
    document = {"ledgerEntries": [entry, entry | {"ledgerCreatedDate": happened}]}

    assert fast.decode(LedgerPage, body(document), ZONE) == tolerant(document, LedgerPage)
