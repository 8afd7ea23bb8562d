"""Ledgers that change: rows written and removed at chosen moments, and faults combined."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from support.sandbox_client import ABOUT, LEDGER, basic, opened

from capledger.sandbox import Sandbox, SandboxCustomer, faults, make_row, synthetic_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.sandbox_client import Client

    from capledger.sandbox import Fault

START = datetime(2024, 1, 1)
HOUR = timedelta(hours=1)
PAST = make_row(99, START + 1.5 * HOUR)


def six() -> SandboxCustomer:
    """Return a customer with rows 1 to 6, one an hour."""
    return SandboxCustomer("1", [make_row(number, START + number * HOUR) for number in range(1, 7)])


async def test_rows_are_removed_at_any_time() -> None:
    """They are gone from every view and from event details, and the total falls."""
    async with opened(six()) as client:
        before = await client.ledger(includeAlternateCurrencies="true")
        removed = client.box.remove("1", 3)
        pages = [await client.ledger(), await client.ledger(includeAlternateCurrencies="true")]
        event = await client.events(eventIds=3)

    assert (len(before.ids), removed) == (6, 1)
    assert [page.ids for page in pages] == [[6, 5, 4, 2, 1]] * 2
    assert pages[0].body["ledgerDetails"]["totalEntries"] == 5
    assert event.code == 9021


async def test_all_rows_of_an_event_are_removed() -> None:
    """Twins go together; an unknown id removes nothing."""
    async with opened(six()) as client:
        client.box.append("1", make_row(2, START + 2 * HOUR, points="1.00"))
        removed = [client.box.remove("1", number) for number in (2, 2, 1000)]
        page = await client.ledger(order="ASC")

    assert removed == [2, 0, 0]
    assert page.ids == [1, 3, 4, 5, 6]


async def test_removing_and_appending_shows_in_a_merged_ledger() -> None:
    """A ledger of two organisations follows changes that do not alter its length."""
    other = SandboxCustomer("1", [make_row(100, START)], org_id=70002)
    async with opened(six(), other) as client:
        await client.scoped({"DATA-SCOPE": "ALL"})
        client.box.remove("1", 1)
        client.box.append("1", PAST)
        page = await client.scoped({"DATA-SCOPE": "ALL"}, order="ASC")

    assert page.ids == [100, 99, 2, 3, 4, 5, 6]


def test_a_synthetic_ledger_cannot_change() -> None:
    """Removing is an error as appending is, and so is an unknown identifier."""
    box = Sandbox([SandboxCustomer("1", synthetic_rows(3, START, HOUR))])

    with pytest.raises(TypeError, match="synthetic ledger cannot change"):
        box.remove("1", 1)
    with pytest.raises(LookupError):
        box.remove("2", 1)


@pytest.mark.parametrize(
    ("make", "second", "third", "totals"),
    [
        (lambda: faults.append_row("1", PAST), [2, 3], [4, 5], [6, 7, 7]),
        (lambda: faults.append_row("1", PAST, after=True), [3, 4], [4, 5], [6, 6, 7]),
        (lambda: faults.remove_rows("1", 1), [4, 5], [6], [6, 5, 5]),
        (lambda: faults.remove_rows("1", 1, after=True), [3, 4], [6], [6, 6, 5]),
        (lambda: faults.write(lambda box: box.append("1", PAST)), [2, 3], [4, 5], [6, 7, 7]),
    ],
)
async def test_a_ledger_changes_between_two_pages(
    make: Callable[[], Fault], second: list[int], third: list[int], totals: list[int]
) -> None:
    """When the second request arrives, or after its response was made, rows move across the edge of a page."""
    async with opened(six(), faults=faults.nth(2, make())) as client:
        pages = [await client.ledger(limit=2, offset=number, order="ASC") for number in range(3)]

    assert [page.ids for page in pages] == [[1, 2], second, third]
    assert [page.body["ledgerDetails"]["totalEntries"] for page in pages] == totals


async def test_a_change_may_be_a_coroutine() -> None:
    """``write`` awaits what it calls."""

    async def change(box: Sandbox) -> None:
        box.append("1", PAST)

    async with opened(six(), faults=faults.nth(1, faults.write(change))) as client:
        page = await client.ledger()

    assert 99 in page.ids


async def test_faults_are_chained() -> None:
    """Each changes the response of the one before: other rules, another page, fewer rows, another total."""
    chained = faults.chain(
        faults.remove_rows("1", 6),
        faults.other_rules(total="page"),
        faults.repeat_page(),
        faults.short_page(),
        faults.wrong_total(10),
    )
    async with opened(six(), faults=faults.nth(1, chained)) as client:
        page = await client.ledger(limit=3, offset=1, order="ASC")
        regular = await client.ledger(limit=3, offset=1, order="ASC")

    assert page.ids == [1, 2]
    assert page.body["ledgerDetails"] == {"pageNumber": 1, "pageSize": 3, "totalEntries": 13, "pageCount": 1}
    assert regular.ids == [4, 5]
    assert client.box.requests[0].fault == "remove_rows, other_rules total, repeat_page, short_page, wrong_total"


async def test_rules_of_a_chain_add_up() -> None:
    """Two of them change different fields, and the last fault may stream its response."""
    both = faults.chain(faults.other_rules(max_limit=2), faults.other_rules(cap_silently=True))
    dripped = faults.chain(faults.short_page(), faults.drip(0, chunk=100))
    async with opened(six(), faults=faults.numbered({1: both, 2: dripped})) as client:
        capped, shortened = await client.ledger(limit=50), await client.ledger()

    assert (capped.ids, shortened.ids) == ([6, 5], [6, 5, 4, 3, 2])


async def test_a_lone_surrogate_is_an_escape() -> None:
    """A string of a row ends in half of a pair, which JSON can escape and UTF-8 cannot encode."""
    row = make_row(1, START, store="Quay \udc00", storeCode="\ud83d\ude00")
    async with opened(SandboxCustomer("1", [row])) as client:
        stored = await body(client)
        client.box.faults = faults.always(faults.lone_surrogate("eventName"))
        faulty = await body(client)

    assert b'"store":"Quay \\udc00"' in stored
    assert json.loads(stored)["ledgerEntries"][0]["store"] == "Quay \udc00"
    assert b'"eventName":"TransactionAdd\\ud83d"' in faulty


async def body(client: Client) -> bytes:
    """Return the body of a page as sent."""
    async with client.http.get(f"{client.box.url}/v2/{LEDGER}", params=ABOUT, headers=basic()) as response:
        return await response.read()


async def test_a_date_of_a_page_can_be_any_string() -> None:
    """``with_date`` replaces the creation date of one row."""
    async with opened(six(), faults=faults.always(faults.with_date("10000-01-01 00:00:00.0", row=1))) as client:
        page = await client.ledger(order="ASC")

    dates = [entry["ledgerCreatedDate"] for entry in page.body["ledgerEntries"]]
    assert dates[:3] == ["2024-01-01 01:00:00.0", "10000-01-01 00:00:00.0", "2024-01-01 03:00:00.0"]


async def test_rows_can_be_renamed_between_two_pages() -> None:
    """Names of programs, the scale of amounts and the fields of a row differ with each request; values do not."""
    async with opened(six(), faults=faults.always(faults.renamed())) as client:
        first, second = [(await client.ledger(limit=1)).body["ledgerEntries"][0] for _ in range(2)]

    details = [entry["entryDetails"][0] for entry in (first, second)]
    assert [detail["programName"] for detail in details] == ["Harbour Rewards 1", "Harbour Rewards 2"]
    assert [detail["points"] for detail in details] == ["100.00000", "100.00000"]
    assert [entry["releaseNumber"] for entry in (first, second)] == [1, 2]
