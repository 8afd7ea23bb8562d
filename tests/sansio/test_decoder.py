"""Responses decoded into pages, or refused with the path of each problem."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bodies import EVENTS, LEDGER, SUBJECT, body, decode, events_request, ledger_request

from capledger import (
    CapledgerError,
    ConfigurationError,
    DecodeError,
    RateLimitedError,
    ServerError,
)
from capledger._sansio.decoder import Decoder
from capledger._sansio.response import Response
from capledger.models import LedgerPage, Notice

NOW = datetime(2026, 1, 5, 12, 0, 0, tzinfo=UTC)
HTML = b"<html><body>One moment please</body></html>"
JAVA = {"eventLogId": 1, "eventName": "x", "ledgerCreatedDate": "Fri Aug 30 11:17:57 GMT 2024"}
NOTHING_THERE = {"status": False, "code": 11003, "message": "There are no ledger entries present"}


def refused(document: object, status: int = 200, **headers: str) -> CapledgerError:
    with pytest.raises(CapledgerError) as caught:
        decode(ledger_request(), document, status, **headers)
    return caught.value


def test_a_ledger_response_becomes_a_page() -> None:
    """Entries, details, customer and warnings are there, and the body beside them."""
    page = decode(ledger_request(), LEDGER)

    assert [entry.event_log_id for entry in page.entries] == [900000002, 900000001]
    assert page.details is not None
    assert page.details.total_entries == 2
    assert page.customer_details is not None
    assert page.warnings == [Notice(9018, "alternate currency not found, name: Pearl", status=False)]
    assert page.raw == body(LEDGER)


def test_an_events_response_becomes_a_page() -> None:
    """The same for event details."""
    page = decode(events_request(), EVENTS)

    assert [event and event.event_log_id for event in page.events] == [900000002, 900000004]
    assert [notice.code for notice in page.warnings] == [9004]
    assert page.raw == body(EVENTS)


def test_an_uncommon_response_becomes_a_page_too() -> None:
    """A date as Java prints it takes the tolerant decoder to the same kind of page."""
    page = decode(ledger_request(), {"ledgerEntries": [JAVA]})

    assert page.entries[0].ledger_created_date == datetime(2024, 8, 30, 11, 17, 57, tzinfo=UTC)


def test_dates_without_a_zone_need_the_sessions() -> None:
    """The error says what to give; a response whose dates are complete does not need it."""
    decoder = Decoder(None)

    with pytest.raises(ConfigurationError, match=r"LedgerSession\(timezone="):
        decoder.decode(ledger_request(), Response(200, {}, body(LEDGER)))
    assert decoder.decode(ledger_request(), Response(200, {}, body({"ledgerEntries": [JAVA]}))).entries


@pytest.mark.parametrize("content", [HTML, b"", b'{"ledgerEntries": [{"eventLo'])
@pytest.mark.parametrize("status", [200, 204])
def test_success_without_json_is_a_failure_of_the_service(content: bytes, status: int) -> None:
    """A gateway's page or a body that was cut off is no response of the API's."""
    error = refused(content, status)

    assert type(error) is ServerError
    assert error.status == status


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry_After": "30"}, 30.0),
        ({"Retry_After": "0"}, 0.0),
        ({"retry_after": "30"}, 30.0),
        ({"Retry_After": "Mon, 05 Jan 2026 12:00:45 GMT"}, 45.0),
        ({"Retry_After": "Mon, 05 Jan 2026 11:00:00 GMT"}, 0.0),
        ({"Retry_After": "Mon, 05 Jan 2026 13:00:45 GMT", "Date": "Mon, 05 Jan 2026 13:00:00 GMT"}, 45.0),
        ({"Retry_After": "-5"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "nan"}, None),
        ({"Retry_After": "Mon, 45 Jan 2026 12:00:45 GMT"}, None),
    ],
)
def test_a_429_states_when_to_retry(headers: dict[str, str], expected: float | None) -> None:
    """``Retry-After`` is seconds or a date, the date by the response's own clock where it shows one."""
    answer = Response(429, {name.replace("_", "-"): value for name, value in headers.items()}, HTML)

    with pytest.raises(RateLimitedError) as caught:
        Decoder(UTC, now=lambda: NOW).decode(ledger_request(), answer)

    assert caught.value.retry_after == expected


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"errors": [NOTHING_THERE]}, 400),
        ({"errors": [NOTHING_THERE], "warnings": []}, 200),
        ({"warnings": [NOTHING_THERE]}, 200),
        ({"ledgerEntries": None, "ledgerDetails": None, "warnings": [NOTHING_THERE]}, 200),
    ],
)
def test_no_entries_is_an_empty_page(document: object, status: int) -> None:
    """11003 is a response, as an error or as a warning, with HTTP 400 or 200."""
    page = decode(ledger_request(), document, status)

    assert page == LedgerPage(
        warnings=[Notice(11003, "There are no ledger entries present", status=False)], raw=body(document)
    )


@pytest.mark.parametrize(
    "document", [{"ledgerEntries": []}, {"ledgerEntries": None, "ledgerDetails": LEDGER["ledgerDetails"]}]
)
def test_an_empty_list_is_a_response(document: dict[str, Any]) -> None:
    """A page past the end may hold no rows; null stands for none where the details say which page it is."""
    page = decode(ledger_request(), document)

    assert page.entries == []
    assert (page.details is None) == ("ledgerDetails" not in document)


def test_pending_events_are_not_swallowed() -> None:
    """11002 as a warning stays on the page: the ledger may be incomplete."""
    page = decode(ledger_request(), LEDGER | {"warnings": [{"code": 11002, "message": "pending"}]})

    assert page.warnings == [Notice(11002, "pending")]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({}, "$.ledgerEntries: missing"),
        ({"ledgerEntries": None, "ledgerDetails": None}, "$.ledgerEntries: missing"),
        ({"ledgerDetails": {}}, "$.ledgerEntries: missing"),
        ({"warnings": [{"code": 11002, "message": "pending"}]}, "$.ledgerEntries: missing"),
        ({"data": {"accessToken": "x"}, "errors": None}, "$.ledgerEntries: missing"),
        ([], "$: expected an object, got a list"),
        ("ok", "$: expected an object, got a string"),
        (7, "$: expected an object, got an integer"),
        (None, "$: expected an object, got null"),
        ({"ledgerEntries": {}}, "$.ledgerEntries: expected a list, got an object"),
        ({"ledgerEntries": [None]}, "$.ledgerEntries[0]: expected an object, got null"),
        (b'{"ledgerEntries": [{"eventName": "\xff"}]}', "$: not UTF-8"),
        (b'{"ledgerEntries": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "$: nested too deeply"),
        (b'{"x": ' + b"9" * 5000 + b"}", "$: a number with too many digits"),
    ],
)
def test_json_of_another_shape_is_reported_by_path(document: object, path: str) -> None:
    """A response that is not one is never taken for an empty ledger."""
    error = refused(document, X_Cap_Requestid="abc-3")

    assert isinstance(error, DecodeError)
    assert error.paths == (path,)
    assert path in str(error)
    assert error.request_id == "abc-3"


@pytest.mark.parametrize(
    ("document", "events"), [({"events": None}, []), ({"events": []}, []), ({"events": [None]}, [None])]
)
def test_events_may_be_none(document: object, events: list[None]) -> None:
    """A service that knows none of the ids says so with an empty list, null, or nulls."""
    assert decode(events_request(), document).events == events


def test_no_entries_is_no_events() -> None:
    """11003 means the same to a request for event details."""
    page = decode(events_request(), {"errors": [NOTHING_THERE]}, 400)

    assert page.events == []
    assert page.warnings[0].code == 11003


def test_events_have_to_be_there() -> None:
    """A body without ``events`` says nothing about the ids that were asked for."""
    with pytest.raises(DecodeError, match="events: missing"):
        decode(events_request(), {"warnings": []})


def test_only_a_few_problems_are_in_the_message() -> None:
    """All of them are in ``paths``."""
    error = refused({"ledgerEntries": [None] * 9})

    assert isinstance(error, DecodeError)
    assert len(error.paths) == 9
    assert str(error).endswith("and 6 more")


def test_paths_show_no_values() -> None:
    """A decode failure shows where and what kind, never what; and no error stands behind it that does."""
    error = refused({"ledgerEntries": [JAVA | {"customerId": SUBJECT, "entryDetails": {SUBJECT: SUBJECT}}]})

    assert SUBJECT not in repr(error) + str(error)
    assert error.__context__ is None
    assert error.__cause__ is None


@given(st.binary() | st.text().map(str.encode), st.sampled_from([200, 201, 302, 400, 401, 404, 429, 500]))
def test_any_bytes_give_a_page_or_an_error_of_ours(content: bytes, status: int) -> None:
    """Nothing but a CapledgerError comes out, whatever came in."""
    try:
        page = decode(ledger_request(), content, status)
    except CapledgerError:
        return
    assert isinstance(page, LedgerPage)


KEYS = st.sampled_from(
    [
        "errors",
        "code",
        "message",
        "warnings",
        "response",
        "status",
        "ledgerEntries",
        "ledgerDetails",
        "events",
        "eventLogId",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([11003, 8015, "11003"]),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS | st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, JSON), st.sampled_from([200, 400, 500]))
def test_any_json_is_a_page_or_a_capledger_error(document: dict[str, Any], status: int) -> None:
    """The same for JSON with the keys that matter in the wrong places."""
    requests: list[Any] = [ledger_request(), events_request()]
    for request in requests:
        try:
            page = decode(request, document, status)
        except CapledgerError:
            continue
        assert isinstance(page, request.response_type)


@given(st.integers(0, 4000), st.binary(max_size=3))
def test_a_damaged_page_is_a_page_or_a_capledger_error(place: int, damage: bytes) -> None:
    """A usual page with some bytes struck out or overwritten."""
    content = body(LEDGER)
    try:
        decode(ledger_request(), content[:place] + damage + content[place + 2 :])
    except CapledgerError as error:
        assert "Quay" not in str(error)  # noqa: PT017 - the page may as well still be one


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (rb"half \ud800", "half \ufffd"),
        (rb"\uDC00 half", "\ufffd half"),
        (b"half \xed\xa0\x80", "half \ufffd"),
        (b"a pair \xed\xa0\xbd\xed\xb8\x80 and half \\ud83d", "a pair \U0001f600 and half \ufffd"),
        (rb"\ud83d\ude00 \ud83d", "\U0001f600 \ufffd"),
        (rb"\\ud800 \ud800", "\\ud800 \ufffd"),
    ],
)
def test_half_of_a_surrogate_pair_costs_no_entry(name: bytes, expected: str) -> None:
    """The string comes with a replacement character, and one warning stands for all strings of the response."""
    entry = b'{"eventLogId": 1, "eventName": "%b", "ledgerCreatedDate": "2026-01-01 00:00:00.0"}' % name
    content = b'{"ledgerEntries": [' + b", ".join([entry, entry]) + b"]}"

    page = decode(ledger_request(), content)

    assert [entry.event_name for entry in page.entries] == [expected, expected]
    (warning,) = page.warnings
    assert "surrogate" in warning.message
    assert page.raw == content


@pytest.mark.parametrize("name", [rb"\\ud800", rb"\ud83d\ude00", "\ud55c\uae00".encode()])
def test_whole_characters_warn_of_nothing(name: bytes) -> None:
    """An escaped backslash, a pair and a Korean name are no half of a pair."""
    entry = b'{"eventLogId": "1", "eventName": "%b", "ledgerCreatedDate": "2026-01-01 00:00:00.0"}' % name

    assert decode(ledger_request(), b'{"ledgerEntries": [%b]}' % entry).warnings == []
