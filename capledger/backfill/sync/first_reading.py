"""Reads the ledger of a customer of whom nothing is held; each page is staged as it comes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from attrs import define, field

from capledger.backfill.reader import Effort, staged_page
from capledger.backfill.state import CustomerResult, PlannedCustomer
from capledger.backfill.sync.comparison import NEWEST_ROWS
from capledger.backfill.sync.context import RunContext, shows_full_pages, stated_total
from capledger.backfill.sync.keys import HeldRow
from capledger.backfill.sync.ledgers import LedgerStart, LedgerState, LedgerUpdate
from capledger.errors import IncompleteLedgerError
from capledger.models.counting import has_pending_events

if TYPE_CHECKING:
    from capledger.backfill.state import CustomerState
    from capledger.models import LedgerPage
    from capledger.walk import LedgerWalk


@define
class FirstReading:
    """One reading of a ledger; it continues where a process ended."""

    context: RunContext
    customer: PlannedCustomer
    state: LedgerState
    effort: Effort
    start: datetime | None = field(init=False)
    newest: list[HeldRow] = field(init=False)
    first_total: int | None = field(init=False)
    total: int | None = None
    at_start: bool = False
    """Whether all entries from the start on have come."""
    proves: bool = True
    """Whether the service returned all that it stated."""
    pending: bool = False
    """Whether the service has pending events, so that more entries may come."""

    def __attrs_post_init__(self) -> None:
        continued = self.customer.cursor is not None
        self.start = self.context.start_of(self.customer.query)
        self.newest = self.state.newest if continued else []
        self.first_total = self.total = self.state.first_total if continued else None

    async def read(self, *, prefetch: int) -> CustomerResult:
        """Read from the newest entry to the start.

        Raises:
            IncompleteLedgerError: the ledger was not returned as stated, or changed meanwhile.
        """
        customer = self.customer
        async with self.context.walk(customer.query, self.effort, prefetch=prefetch, cursor=customer.cursor) as walk:
            try:
                await self._read_pages(walk)
            except IncompleteLedgerError:
                if not customer.failures and self.state.trusts_totals:
                    raise
                self.proves = False
            self.pending = has_pending_events(walk.report)
        return self._result()

    async def _read_pages(self, walk: LedgerWalk) -> None:
        pages = 0
        async for page in walk.pages():
            pages += 1
            await self._stage(page, walk.cursor)
            if self.at_start and shows_full_pages(walk.report, page, self.customer.query):
                return
        if not pages and self.customer.cursor is None:
            self.first_total = self.total = walk.report.rows_expected or 0

    async def _stage(self, page: LedgerPage, cursor: str) -> None:
        start, total = self.start, stated_total(page)
        self.total = self.total if total is None else total  # an empty page behind the last one states none
        entries = [entry for entry in page.entries if start is None or entry.ledger_created_date >= start]
        self.at_start = len(entries) < len(page.entries)
        self.effort.responded = True
        self.effort.rows += len(entries)
        changes = []
        self.first_total = self.total if self.first_total is None else self.first_total
        if len(self.newest) < NEWEST_ROWS:
            self.newest += self.context.keys.rows(entries)
            changes.append(LedgerStart(self.customer.id, self.newest, self.first_total))
        page_to_stage = staged_page(self.customer.id, entries[::-1], cursor, run=self.context.run)
        await self.context.put(*changes, page_to_stage)

    def _result(self) -> CustomerResult:
        """Return what has become of the customer, with the change of the ledger's state."""
        rows, effort = self.effort.rows, self.effort
        earlier = 0 if self.start is None else (self.total or 0) - rows
        is_stable = self.total == self.first_total
        counted = rows in {self.first_total, self.total} if self.start is None else is_stable and earlier >= 0
        counted = counted and self.proves and self.total is not None
        if self.proves and not counted and not (is_stable and self.customer.failures):
            raise IncompleteLedgerError("the ledger changed while it was read")
        effort.changes.append(
            LedgerUpdate(
                customer=self.customer.id,
                run=self.context.run,
                newest=self.newest,
                earlier=max(0, earlier),
                distrusted=0 if counted else self.state.distrusted + 1,
                added=rows,
            )
        )
        state: CustomerState = "unproven"
        if counted and not self.pending:
            state = "done" if rows else "empty"
        return CustomerResult(self.customer.id, state, rows=rows, requests=effort.requests, retries=effort.retries)
