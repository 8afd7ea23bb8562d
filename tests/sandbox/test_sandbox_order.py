"""The order of rows: ties, precision, replicas and no order at all."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from support.sandbox_client import opened

from capledger.sandbox import (
    Rules,
    SandboxCustomer,
    SandboxGroup,
    add_twins,
    faults,
    make_row,
    seed_rows,
    synthetic_rows,
)

if TYPE_CHECKING:
    from support.sandbox_client import Client

START = datetime(2024, 1, 1)
SECOND = timedelta(seconds=1)


def tied(count: int = 12, *, each: int = 4) -> SandboxCustomer:
    """Return a customer with rows 1 to ``count``, so many of them in each second."""
    return SandboxCustomer("1", [make_row(n, START + (n - 1) // each * SECOND) for n in range(1, count + 1)])


async def pages(client: Client, limit: int, **query: Any) -> list[list[int]]:
    """Return the ids of every page."""
    found: list[list[int]] = []
    while True:
        page = await client.ledger(query, limit=limit, offset=len(found))
        if page.status != 200:
            return found
        found.append(page.ids)


@pytest.mark.parametrize(
    ("tie_order", "ascending", "descending"),
    [
        ("same", [1, 2, 3, 4, 5, 6], [6, 5, 4, 3, 2, 1]),
        ("opposite", [3, 2, 1, 6, 5, 4], [4, 5, 6, 1, 2, 3]),
        ("ascending", [1, 2, 3, 4, 5, 6], [4, 5, 6, 1, 2, 3]),
        ("descending", [3, 2, 1, 6, 5, 4], [6, 5, 4, 3, 2, 1]),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 4, 6])
async def test_ties_are_sorted_by_id(tie_order: Any, ascending: list[int], descending: list[int], limit: int) -> None:
    """Each direction of the id, whatever the size of the pages is."""
    async with opened(tied(6, each=3), rules=Rules(tie_order=tie_order)) as client:
        found = [sum(await pages(client, limit, order=order), []) for order in ("ASC", "DESC")]  # noqa: RUF017 - short

    assert found == [ascending, descending]


@pytest.mark.parametrize("order", ["ASC", "DESC"])
async def test_random_ties_differ_with_every_request(order: str) -> None:
    """The rows of a second are always the same, in another order each time, so pages repeat and lack rows."""
    async with opened(tied(), rules=Rules(tie_order="random")) as client:
        whole = [(await client.ledger(limit=100, order=order)).ids for _ in range(10)]
        in_pages = [sum(await pages(client, 3, order=order), []) for _ in range(10)]  # noqa: RUF017 - short lists

    seconds = [{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}]
    expected = seconds if order == "ASC" else seconds[::-1]
    assert all([set(ids[0:4]), set(ids[4:8]), set(ids[8:12])] == expected for ids in whole)
    assert len(set(map(tuple, whole))) == 10
    assert any(len(set(ids)) < 12 for ids in in_pages)


async def test_random_ties_are_the_same_for_the_same_seed() -> None:
    """The order depends on the seed and on the number of the request."""
    found = []
    for seed in (1, 1, 2):
        async with opened(tied(), rules=Rules(tie_order="random", seed=seed)) as client:
            found.append([(await client.ledger(limit=100)).ids for _ in range(3)])

    assert found[0] == found[1] != found[2]


async def test_replicas_sort_ties_differently() -> None:
    """Requests go to the replicas in turn, and each of them has an order of its own."""
    async with opened(tied(), rules=Rules(tie_order="replica", replicas=3)) as client:
        found = [(await client.ledger(limit=100)).ids for _ in range(6)]

    assert found[:3] == found[3:]
    assert len(set(map(tuple, found))) == 3


async def test_replicas_shuffle_differently() -> None:
    """With "SHUFFLED" each replica has its own random order."""
    async with opened(tied(), rules=Rules(default_order="SHUFFLED", replicas=2)) as client:
        found = [(await client.ledger(limit=100)).ids for _ in range(4)]

    assert found[:2] == found[2:]
    assert found[0] != found[1]


async def test_there_may_be_no_order_at_all() -> None:
    """With "RANDOM" every request has another order, and an order that is requested is ignored by the rules."""
    async with opened(tied(), rules=Rules(default_order="RANDOM", order_parameters=())) as client:
        found = [(await client.ledger(limit=100, order="ASC")).ids for _ in range(5)]

    assert all(sorted(ids) == list(range(1, 13)) for ids in found)
    assert len(set(map(tuple, found))) == 5


@pytest.mark.parametrize(("order", "ids"), [("ASC", [2, 3, 1, 4]), ("DESC", [4, 1, 3, 2])])
async def test_rows_can_be_sorted_by_whole_seconds(order: str, ids: list[int]) -> None:
    """Milliseconds are printed, and rows of a second are sorted by id."""
    moments = {1: 1.1, 2: 0.9, 3: 0.95, 4: 1.0}
    rows = [make_row(number, START + timedelta(seconds=seconds)) for number, seconds in moments.items()]
    rules = Rules(sort_precision="second")
    async with opened(SandboxCustomer("1", rows), rules=rules) as client:
        page = await client.ledger(order=order)
        split = await pages(client, 1, order=order)

    assert page.ids == ids
    assert sum(split, []) == ids  # noqa: RUF017 - a short list
    assert page.body["ledgerEntries"][ids.index(1)]["ledgerCreatedDate"] == "2024-01-01 00:00:01.1"


async def test_twins_lie_on_both_sides_of_a_page() -> None:
    """Two rows of one event, date and till are two rows, whether their details are equal or not."""
    rows = [make_row(number, START) for number in (1, 2)]
    twin = make_row(1, START, points="7.00")
    async with opened(SandboxCustomer("1", [*rows, rows[0], twin])) as client:
        found = await pages(client, 2, order="ASC")
        page = await client.ledger()

    assert found == [[1, 1], [1, 2]]
    assert page.body["ledgerDetails"]["totalEntries"] == 4


def test_twins_are_added_to_any_rows() -> None:
    """The same for the same seed; some twins are equal, others have other details of the same event and till."""
    rows = seed_rows(1, 200, START, START + timedelta(days=90))
    with_twins = add_twins(rows, 3)
    twins = with_twins[200:]
    originals = {row["eventLogId"]: row for row in rows}

    assert with_twins == add_twins(rows, 3)
    assert with_twins[:200] == rows
    assert 20 < len(twins) < 60
    same = ("ledgerCreatedDate", "tillCode", "eventName")
    assert all(twin[key] == originals[twin["eventLogId"]][key] for twin in twins for key in same)
    equal = Counter(twin == originals[twin["eventLogId"]] for twin in twins)
    assert min(equal[True], equal[False]) >= 5


async def test_a_lagging_replica_has_not_seen_the_latest_changes() -> None:
    """Every second request is served by a replica two changes behind, added and removed rows alike."""
    async with opened(tied(4), rules=Rules(lag=2)) as client:
        client.box.append("1", make_row(5, START + 5 * SECOND))
        client.box.append("1", make_row(6, START + 6 * SECOND))
        client.box.remove("1", 1)
        found = [await client.ledger(order="ASC") for _ in range(4)]

    assert [page.ids for page in found] == [[2, 3, 4, 5, 6], [1, 2, 3, 4, 5]] * 2
    assert [page.body["ledgerDetails"]["totalEntries"] for page in found] == [5, 5, 5, 5]


@pytest.mark.parametrize("ledger", [tied(4).rows, synthetic_rows(4, START, SECOND, first_id=1)])
async def test_a_lagging_replica_lacks_the_newest_rows(ledger: Any) -> None:
    """Without any change it lacks the newest rows; ``lag_every`` says which requests it serves."""
    async with opened(SandboxCustomer("1", ledger), rules=Rules(lag=1, lag_every=3)) as client:
        found = [(await client.ledger()).ids for _ in range(6)]
        client.box.rules = Rules(lag=10, lag_every=1)
        emptied = await client.ledger()

    assert found == [[4, 3, 2, 1], [4, 3, 2, 1], [3, 2, 1]] * 2
    assert emptied.code == 11003


async def test_two_organisations_lag_together() -> None:
    """A ledger of several organisations lacks the latest changes of each."""
    other = SandboxCustomer("1", [make_row(100, START)], org_id=70002)
    async with opened(tied(4), other, rules=Rules(lag=1, lag_every=2)) as client:
        client.box.append("1", make_row(5, START + 5 * SECOND))
        found = [await client.scoped({"DATA-SCOPE": "ALL"}, order="ASC") for _ in range(2)]

    assert [page.ids for page in found] == [[1, 2, 3, 4, 100, 5], [1, 2, 3, 4]]


async def test_unstable_orders_hold_for_groups_too() -> None:
    """A group's page is a slice of the same order, by index."""
    group = SandboxGroup("900", tied().rows)
    async with opened(groups=[group], rules=Rules(tie_order="opposite")) as client:
        page = await client.group("900", limit=3, offset=2, order="ASC")

    assert page.ids == [2, 1, 8]


async def test_an_order_can_be_unstable_once() -> None:
    """``other_rules`` plays any reading for one request."""
    async with opened(tied(), faults=faults.nth(2, faults.other_rules(tie_order="opposite"))) as client:
        found = [(await client.ledger(order="ASC", limit=4)).ids for _ in range(3)]

    assert found == [[1, 2, 3, 4], [4, 3, 2, 1], [1, 2, 3, 4]]
    assert client.box.requests[1].fault == "other_rules tie_order"


@pytest.mark.parametrize(("sort_by", "ascending"), [("instant", [0, 1, 2, 3, 4, 5]), ("local", [0, 1, 3, 2, 4, 5])])
async def test_rows_can_be_sorted_by_the_date_as_printed(sort_by: Any, ascending: list[int]) -> None:
    """In the hour that comes twice, the local dates of two instants are equal, and rows of both are mixed."""
    rows = [make_row(number, datetime(2022, 10, 29, 23, 30) + number * timedelta(minutes=30)) for number in range(6)]
    rules = Rules(response_zone=ZoneInfo("Europe/Berlin"), sort_by=sort_by)
    async with opened(SandboxCustomer("1", rows), rules=rules) as client:
        page = await client.ledger(order="ASC")
        split = await pages(client, 1, order="ASC")
        reverse = await client.ledger(order="DESC")

    assert (page.ids, reverse.ids) == (ascending, ascending[::-1])
    assert sum(split, []) == ascending  # noqa: RUF017 - a short list


async def test_the_last_page_can_be_repeated_beyond_the_end() -> None:
    """A page beyond the last one has the rows of the last one, and its own number."""
    async with opened(tied(5), rules=Rules(beyond="last_page")) as client:
        found = [await client.ledger(limit=2, offset=number, order="ASC") for number in (1, 2, 3, 9)]
        empty = await client.ledger(ledgerEntryType="DEBIT")

    assert [page.ids for page in found] == [[3, 4], [5], [5], [5]]
    assert [page.body["ledgerDetails"]["pageNumber"] for page in found] == [1, 2, 3, 9]
    assert empty.code == 11003
