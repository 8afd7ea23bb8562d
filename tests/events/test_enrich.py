from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.clock import virtual_time
from support.explode import (
    BARE,
    CHILD_ORG,
    KNOWN,
    ME,
    START,
    about,
    asked,
    explodes,
    sandbox,
    session_at,
)

from capledger import (
    CustomerLedgerQuery,
    EventFlags,
    FeatureDisabledError,
    GroupLedgerQuery,
    InvalidQueryError,
    OrgScope,
    ServerError,
)
from capledger.sandbox import Rules, Sandbox, SandboxGroup, faults, make_row


@pytest.mark.parametrize("order", ["asc", "desc"])
async def test_entries_are_yielded_with_their_events(order: Any) -> None:
    """Each entry of a ledger has its event; event names without details have none, and are requested at most once."""
    async with session_at(box := sandbox()) as session:
        query = CustomerLedgerQuery.mobile(ME, order=order, page_size=50)
        walk = session.entries(query, details=True, prefetch=1)
        entries = await walk.collect()
        before = len(explodes(box))
        again = await session.entries(query, details=True).collect()

        numbers = [*KNOWN, *BARE]
        assert [entry.event_log_id for entry in entries] == (numbers if order == "asc" else numbers[::-1])
        assert all((entry.event is None) == (entry.event_log_id in BARE) for entry in entries)
        assert all(entry.event.event_log_id == entry.event_log_id for entry in entries if entry.event)
        assert (walk.report.complete, walk.report.rows_received, walk.report.rows_yielded) == (True, 110, 110)
        assert (before, len(explodes(box)) - before) == (12, 11)  # the last entry of a page comes with the next one
        assert again == entries


async def test_details_are_requested_from_the_same_version() -> None:
    """Without a scope both endpoints are v2's, with one v2.1's; subject and flags are sent along."""
    flags = EventFlags(get_bill_details=True, get_payment_modes=True)
    async with session_at(box := sandbox()) as session:
        for scope in (None, OrgScope.other(CHILD_ORG)):
            query = CustomerLedgerQuery.mobile(
                ME, scope=scope, source="ALL", account_id="A", include_alternate_currencies=True
            )
            entries = await session.entries(query, details=flags).collect()
            assert entries[0].event is not None
            assert entries[0].event.bill_details is not None
            assert entries[0].event.payment_modes == ["UPI", "CASH"]

        old, new = explodes(box)[0], explodes(box)[-1]
        assert (old.path[:4], new.path[:6]) == ("/v2/", "/v2.1/")
        assert (old.query["getPaymentModes"], new.query["getPaymentMode"]) == ("true", "true")
        assert new.headers["data-scope-org"] == str(CHILD_ORG)
        expected = {"identifierName": "mobile", "identifierValue": ME, "source": "ALL", "accountId": "A"}
        expected |= {"includeAlternateCurrencies": "true", "getBillDetails": "true"}
        assert expected.items() <= old.query.items()


async def test_events_of_a_group() -> None:
    """Details of a group's entries are requested for the group."""
    rows = [make_row(number, START + timedelta(hours=number), customerId=-44) for number in KNOWN[:12]]
    async with session_at(box := Sandbox(groups=[SandboxGroup("44", rows)])) as session:
        entries = await session.entries(GroupLedgerQuery(identifier_value=44), details=True).collect()

        assert all(entry.event is not None for entry in entries)
        assert len(entries) == 12
        assert {logged.query["type"] for logged in explodes(box)} == {"USERGROUP2"}


@virtual_time
async def test_pages_and_details_share_the_prefetch() -> None:
    """Pages and details together never have more requests under way than ``prefetch``, and do have as many."""
    async with session_at(box := sandbox(Rules(latency=1.0))) as session:
        await session.entries(CustomerLedgerQuery.mobile(ME, page_size=20), details=True, prefetch=3).collect()

        assert box.max_in_flight == 3


async def test_after_an_error_in_details_the_same_page_continues() -> None:
    """Details that failed are retried by the next iteration; no entry is lost and none is without its event."""
    script = faults.on_events(faults.nth(3, faults.status(500)))
    async with session_at(box := sandbox(faults=script)) as session:
        walk = session.entries(CustomerLedgerQuery.mobile(ME, page_size=50), details=True, prefetch=1)
        with pytest.raises(ServerError) as raised:
            await walk.collect()
        entries = await walk.collect()

        assert raised.value.cursor is not None
        assert [entry.event_log_id for entry in entries] == [*KNOWN, *BARE]
        assert all(entry.event is not None for entry in entries[:100])
        assert asked(box)[2] == asked(box)[3]
        assert len(asked(box)) == 13


async def test_a_refusal_of_details_raises() -> None:
    """A refusal that is not about single events is not taken for missing details."""
    async with session_at(sandbox(Rules(source_values_recorded=False))) as session:
        walk = session.entries(CustomerLedgerQuery.mobile(ME), details=EventFlags(get_points_earned_breakup=True))

        with pytest.raises(FeatureDisabledError):
            await walk.collect()


async def test_arguments_are_checked_before_anything_is_sent() -> None:
    """What cannot work is refused where it is written."""
    async with session_at(box := sandbox()) as session:
        with pytest.raises(InvalidQueryError, match="prefetch"):
            session.events(about([1001]), prefetch=0)
        with pytest.raises(InvalidQueryError, match="details"):
            session.entries(CustomerLedgerQuery.mobile(ME), details="bills")  # type: ignore[arg-type]  # a mistake
        with pytest.raises(InvalidQueryError, match="get_bill_details"):
            EventFlags(get_bill_details="yes")  # type: ignore[arg-type]  # a mistake

        assert box.requests == []
