"""Walks over sandboxes that misbehave, in virtual time, and their results."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from attrs import define

from capledger import BasicAuth, CapledgerError, CustomerLedgerQuery, LedgerSession, WalkReport
from capledger.sandbox import FaultScript, Rules, Sandbox, SandboxCustomer, seed_rows
from capledger.sandbox.rows import read_date
from support.clock import LoopClock, VirtualTimeLoop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine

    from capledger import LedgerWalk

MOBILE = "917400000001"
START, END = datetime(2024, 1, 1), datetime(2024, 3, 1)
ROWS = seed_rows(7, 47, START, END)
DATES = {row["eventLogId"]: read_date(row["ledgerCreatedDate"]) for row in ROWS}


def run(main: Coroutine[Any, Any, Came]) -> Came:
    """Run in virtual time, without asyncio's debug mode, which would take most of the time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


@define
class Came:
    """What a walk yielded until it ended, regularly or by an error."""

    ids: list[int]
    expected: list[int]
    error: CapledgerError | None
    report: WalkReport
    cursor: str
    requests: int

    @property
    def exact(self) -> bool:
        """Whether it yielded everything and ended without an error."""
        return self.error is None and len(self.ids) == len(self.expected) and self.begins_well

    @property
    def begins_well(self) -> bool:
        """Whether the yielded entries are a correct beginning; entries of one instant may be in any order."""
        right = self.expected[: len(self.ids)]
        return len(set(self.ids)) == len(self.ids) and [DATES[number] for number in self.ids] == [
            DATES[number] for number in right
        ]


def expected(*, order: str = "asc", dated: bool = False) -> list[int]:
    """Return the ids that a walk must yield, computed from the rows alone."""
    dates = sorted((date, number) for number, date in DATES.items())
    ids = [number for date, number in dates if not dated or START <= date < END]
    return ids if order == "asc" else ids[::-1]


def query(*, order: Any = "asc", page_size: int = 10, dated: bool = False, **options: Any) -> CustomerLedgerQuery:
    span: dict[str, Any] = {"start": START, "end": END} if dated else {}
    return CustomerLedgerQuery.mobile(
        MOBILE, order=order, page_size=page_size, include_alternate_currencies=True, **span, **options
    )


@asynccontextmanager
async def opened(
    faults: FaultScript | None = None, rules: Rules | None = None, **options: Any
) -> AsyncIterator[tuple[Sandbox, LedgerSession]]:
    """Yield a sandbox with one customer and a session, both in the time of the running loop."""
    time = asyncio.get_running_loop().time
    async with Sandbox([SandboxCustomer(MOBILE, ROWS)], faults=faults, rules=rules, clock=time) as box:
        settings = {"timezone": UTC, "clock": LoopClock(), **options}
        async with LedgerSession(box.url, BasicAuth("store.server", "server123"), **settings) as session:
            yield box, session


async def drain(walk: LedgerWalk) -> tuple[list[int], CapledgerError | None]:
    """Return the ids of all entries until the walk ends, and its error."""
    ids: list[int] = []
    try:
        async for entry in walk:
            ids.append(entry.event_log_id)  # noqa: PERF401 - the ids before an error count
    except CapledgerError as error:
        return ids, error
    return ids, None


async def came_of(
    faults: FaultScript | None = None,
    rules: Rules | None = None,
    *,
    on_incomplete: Any = "raise",
    prefetch: int = 4,
    session: dict[str, Any] | None = None,
    order: Any = "asc",
    dated: bool = False,
    **options: Any,
) -> Came:
    async with opened(faults, rules, **(session or {})) as (box, ledger):
        walk = ledger.entries(
            query(order=order, dated=dated, **options), prefetch=prefetch, on_incomplete=on_incomplete
        )
        ids, error = await drain(walk)
        return Came(ids, expected(order=order, dated=dated), error, walk.report, walk.cursor, len(box.requests))
