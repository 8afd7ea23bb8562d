"""What real servers may do and no document forbids: walks stay right, or say that they are not sure."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest
from support.ledgers import GROUP, MOBILE, customer, expected_ids, group, ids, sandbox, session, take
from support.walks import drain

from capledger import BasicAuth, IncompleteLedgerError, LedgerSession, PaginationError
from capledger.sandbox import LoggedRequest, Rules, Sandbox, SandboxCustomer, SandboxGroup, faults, make_row

START = datetime(2025, 1, 1)
NEWEST_FIRST = Rules(order_parameters=())

Order = Literal["asc", "desc"]


def hourly(count: int) -> list[dict[str, Any]]:
    return [make_row(1_000 + rank, START + timedelta(hours=rank)) for rank in range(count)]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("rules", [Rules(), NEWEST_FIRST], ids=["honours order", "newest first"])
async def test_a_total_that_is_lower_after_resuming_doubles_nothing(rules: Rules, order: Order) -> None:
    """An entry that was taken out of the ledger since is an error, or leaves the rest as it was: never a new start."""
    rows = hourly(251)
    async with sandbox(rows, rules) as box, session(box) as ledger:
        walk = ledger.entries(customer(order=order))
        first = await take(walk, 60)
    async with sandbox(rows[:-1], rules) as box, session(box) as ledger:
        rest = ledger.entries(customer(order=order), resume_from=walk.cursor)
        second, error = await drain(rest)

    assert not set(first) & set(second)
    assert set(first) | set(second) <= {row["eventLogId"] for row in rows}
    assert isinstance(error, PaginationError | IncompleteLedgerError | None)
    if not isinstance(error, PaginationError):
        assert set(first) | set(second) >= {row["eventLogId"] for row in rows[:-1]}


@pytest.mark.parametrize("rules", [Rules(), NEWEST_FIRST, Rules(offset="index")])
@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_the_first_page_may_come_last(order: Order, rules: Rules) -> None:
    """Pages fetched ahead that overtake the first one are judged when it has come."""
    rows = hourly(400)
    others = asyncio.Event()

    async def hold_first(box: Sandbox, logged: LoggedRequest) -> None:
        if len(box.requests) == 4:
            others.set()
        if logged.query["offset"] == "0":
            await others.wait()
            for _ in range(20):
                await asyncio.sleep(0)  # turns of the loop, for the others to be answered in

    async with sandbox(rows, rules, on_request=hold_first) as box, session(box) as ledger:
        came = ids(await ledger.entries(customer(order=order), prefetch=8).collect())

    assert came == expected_ids(rows, None, None, order)


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_the_hour_that_comes_twice_is_walked(order: Order) -> None:
    """Where clocks are set back, naive dates run backwards for an hour; no entry is lost for it."""
    zone = ZoneInfo("America/New_York")
    moments = [datetime(2025, 11, 2, 4, 30, tzinfo=ZoneInfo("UTC")) + timedelta(minutes=7 * rank) for rank in range(60)]
    rows = [make_row(rank, moment.astimezone(zone).replace(tzinfo=None)) for rank, moment in enumerate(moments)]

    for size in (3, 10, 100):
        async with (
            Sandbox([SandboxCustomer(MOBILE, rows)], rules=Rules(default_order="ASC", order_parameters=())) as box,
            LedgerSession(box.url, BasicAuth("store.server", "server123"), timezone=zone) as ledger,
        ):
            came = ids(await ledger.entries(customer(order=order, page_size=size)).collect())

        assert sorted(came) == list(range(60))


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("rules", [Rules(), NEWEST_FIRST], ids=["honours order", "newest first"])
async def test_a_first_total_that_was_too_low_hides_nothing(rules: Rules, order: Order) -> None:
    """Rows beyond the total first stated are rows like the others."""
    rows = hourly(250)
    script = faults.nth(1, faults.wrong_total(-30))
    async with sandbox(rows, rules, faults=script) as box, session(box) as ledger:
        walk = ledger.entries(customer(order=order))
        came = ids(await walk.collect())

    assert came == expected_ids(rows, None, None, order)
    assert walk.report.complete


async def test_many_groups_are_right_while_the_offset_rule_is_found_out() -> None:
    """Pages under way in one walk are not taken for another rule's when a second walk has proven it."""
    groups = [SandboxGroup(f"{GROUP}{number}", hourly(350)) for number in range(20)]
    async with Sandbox(groups=groups, rules=Rules(group_offset="index")) as box, session(box) as ledger:
        queries = [group(identifier_value=f"{GROUP}{number}", order="desc") for number in range(20)]
        outcomes = [outcome async for outcome in ledger.fetch_many(queries, max_in_flight=20)]

    for outcome in outcomes:
        assert outcome.error is None
        assert ids(outcome.entries) == expected_ids(hourly(350), None, None, "desc")


async def test_a_page_of_new_entries_at_once_is_not_taken_for_the_other_rule() -> None:
    """Exactly a page of entries between the first two pages moves the first page's rows on by a page."""
    rows = hourly(71)

    def write(box: Sandbox, _: LoggedRequest) -> None:
        if len(box.requests) == 2:
            for number in range(10):
                box.append(MOBILE, make_row(9_000 + number, START + timedelta(days=30, minutes=number)))

    async with sandbox(rows, NEWEST_FIRST, on_request=write) as box, session(box) as ledger:
        came = ids(await ledger.entries(customer(page_size=10, order="desc")).collect())
        again = ids(await ledger.entries(customer(page_size=7)).collect())

    assert came == expected_ids(rows[:71], None, None, "desc")
    assert again == [*expected_ids(rows, None, None, "asc"), *range(9_000, 9_010)]


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("size", [1, 2, 3])
async def test_entries_of_one_moment_keep_their_places_while_others_are_written(order: Order, size: int) -> None:
    """Nothing but a row that came again shows that the newest come first; it is enough."""
    rows = [make_row(1_000 + rank, START) for rank in range(4)]
    later = START + timedelta(days=1)

    def write(box: Sandbox, _: LoggedRequest) -> None:
        if len(box.requests) in {4, 6, 8}:
            box.append(MOBILE, make_row(2_000 + len(box.requests), later))

    async with sandbox(rows, NEWEST_FIRST, on_request=write) as box, session(box) as ledger:
        walk = ledger.entries(customer(end=later, order=order, page_size=size), prefetch=1)
        came = ids(await walk.collect())

    assert came == expected_ids(rows, None, later, order)


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("rows", [3, 13, 23])
async def test_a_row_doubled_by_accident_costs_one_request(order: Order, rows: int) -> None:
    """One row more than the server states is no lasting doubt about its total when that row is a copy."""
    ledger = hourly(rows)
    script = faults.when(lambda logged: logged.query["offset"] == "0", faults.first(1, faults.doubled_row()))
    async with sandbox(ledger, faults=script) as box, session(box) as opened:
        walk = opened.entries(customer(order=order, page_size=10))

        assert ids(await walk.collect()) == expected_ids(ledger, None, None, order)
        assert walk.report.complete
        assert walk.report.requests == -(-rows // 10) + 1


@pytest.mark.parametrize("added", [4, 10, 16])
async def test_rows_added_while_it_is_found_out_what_offset_counts(added: int) -> None:
    """A page that came twice, since pages are counted from 1, was not read twice: rows behind it are not skipped."""
    rows = hourly(14 + added)

    def add(box: Sandbox, _: LoggedRequest) -> None:
        if len(box.requests) == 2:
            for row in rows[14:]:
                box.append(MOBILE, row)

    async with sandbox(rows[:14], Rules(first_page=1)) as box, session(box) as ledger:
        box.on_request = add
        walk = ledger.entries(customer(page_size=10))
        came = ids(await walk.collect())

    assert came == [row["eventLogId"] for row in rows]
    assert walk.report.complete
