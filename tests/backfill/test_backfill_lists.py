"""Lists of customers that change between runs, and lists that are fed back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from support.jobs import backfill, customer, entries_in, expected, mobile, queries, sandbox

from capledger import ConfigurationError, CustomerLedgerQuery, InvalidQueryError
from capledger.backfill import PlanSummary, read_customers

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_list_that_grew_continues_the_job(tmp_path: Path) -> None:
    """New customers are added and fetched, and those who were fetched are not requested again."""
    plans: list[PlanSummary] = []
    async with sandbox([3, 7, 2]) as box:
        await backfill(box, queries(2), tmp_path / "out", on_plan=plans.append)
        sent = len(box.requests)
        manifest = await backfill(box, [*queries(3), *queries(1)], tmp_path / "out", on_plan=plans.append)

    assert len(box.requests) == sent + 1
    assert (manifest.customers, manifest.duplicates, manifest.complete) == (3, 1, True)
    assert entries_in(tmp_path / "out") == expected([3, 7, 2])
    found = [(plan.queries, plan.duplicates, plan.customers, plan.added, plan.missing) for plan in plans]
    assert found == [(2, 0, 2, 2, 0), (4, 1, 3, 1, 0)]
    assert [(plan.to_fetch, plan.continued) for plan in plans] == [(2, False), (1, True)]


async def test_a_list_that_shrank_continues_the_job(tmp_path: Path) -> None:
    """Customers who are not in the list any more stay in the job as they are, and are counted."""
    plans: list[PlanSummary] = []
    async with sandbox([3, 7]) as box:
        await backfill(box, queries(2), tmp_path / "out")
        manifest = await backfill(box, queries(2)[1:], tmp_path / "out", on_plan=plans.append)

    assert (plans[0].missing, plans[0].to_fetch) == (1, 0)
    assert (manifest.customers, manifest.complete) == (2, True)
    assert entries_in(tmp_path / "out") == expected([3, 7])


async def test_a_refused_list_changes_nothing(tmp_path: Path) -> None:
    """A list with other filters, or another one where it must be exact, adds nobody to the job."""
    async with sandbox([3] * 4) as box:
        await backfill(box, queries(2), tmp_path / "out")
        with pytest.raises(InvalidQueryError, match="customers 2 there and 4 here"):
            await backfill(box, queries(4), tmp_path / "out", exact=True)
        with pytest.raises(InvalidQueryError, match="filters"):
            await backfill(box, queries(4, page_size=50), tmp_path / "out")
        manifest = await backfill(box, queries(2), tmp_path / "out", exact=True)

    assert manifest.customers == 2


async def test_tables_of_another_release_are_refused(tmp_path: Path) -> None:
    """A job.sqlite with tables of another version is refused, and left as it is."""
    async with sandbox([3]) as box:
        await backfill(box, queries(1), tmp_path / "out")
        path = tmp_path / "out" / "job.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version=99")
        with pytest.raises(ConfigurationError, match="started by another release: finish it there"):
            await backfill(box, queries(1), tmp_path / "out")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version=1")
        manifest = await backfill(box, queries(1), tmp_path / "out")

    assert manifest.complete


async def test_an_exact_list_has_all_customers_of_the_job(tmp_path: Path) -> None:
    """A list that had shrunk in the last run is not that of the job, even though it is the last list."""
    async with sandbox([3] * 3) as box:
        await backfill(box, queries(3), tmp_path / "out")
        await backfill(box, queries(1), tmp_path / "out")
        with pytest.raises(InvalidQueryError, match="2 customers of the job are not in it"):
            await backfill(box, queries(1), tmp_path / "out", exact=True)


async def test_an_empty_list_is_refused(tmp_path: Path) -> None:
    """A list without customers, such as an iterator that was used up, does not continue a job."""
    async with sandbox([3]) as box:
        await backfill(box, queries(1), tmp_path / "out")
        with pytest.raises(InvalidQueryError, match="the list of customers is empty"):
            await backfill(box, iter(()), tmp_path / "out")


async def test_set_aside_can_be_fed_back(tmp_path: Path) -> None:
    """set-aside.csv has the source and the account of each customer, and is a list of customers as it is."""
    unknown = CustomerLedgerQuery.mobile(mobile(1), source="WEB_ENGAGE", account_id="7")
    async with sandbox([3]) as box:
        first = await backfill(box, [*queries(1), unknown], tmp_path / "out")
        reader = read_customers(tmp_path / "out" / "set-aside.csv")
        fed_back = list(reader)
        second = await backfill(box, fed_back, tmp_path / "again")

    assert (first.set_aside, second.set_aside) == (1, 1)
    assert fed_back == [unknown]
    assert reader.report.ignored_columns == ()
    header, line = (tmp_path / "out" / "set-aside.csv").read_text().splitlines()
    assert header == "identifier_name,identifier_value,source,account_id,state,code,error"
    assert line.startswith(f'"mobile","{mobile(1)}","WEB_ENGAGE","7","set_aside",')


async def test_a_customer_added_later_has_the_range_of_the_job(tmp_path: Path) -> None:
    """The end of ranges without one stays that of the start of the job."""
    async with sandbox([3]) as box:
        first = await backfill(box, queries(1), tmp_path / "out")
        box.add(customer(1, 3))
        second = await backfill(box, queries(2), tmp_path / "out")

    assert second.end == first.end
    assert second.ranges == first.ranges
