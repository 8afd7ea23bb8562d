"""Reads the ledger of a customer of whom entries are held, as far as it takes to prove that none is missing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from attrs import define, evolve, field

from capledger.backfill.reader import Effort, staged_page
from capledger.backfill.state import CustomerResult, PlannedCustomer
from capledger.backfill.sync.comparison import Comparison, Differences, HeldLedger, find_differences
from capledger.backfill.sync.context import RunContext, shows_full_pages, stated_total
from capledger.backfill.sync.ledgers import LedgerState, LedgerUpdate, RowDifference, merged_newest, updated_differences
from capledger.errors import IncompleteLedgerError
from capledger.models.counting import has_pending_events

if TYPE_CHECKING:
    from typing import Literal

    from capledger.backfill.sync.keys import HeldRow
    from capledger.models import LedgerEntry
    from capledger.walk import LedgerWalk

#: How often a ledger is read that changes meanwhile.
_ATTEMPTS: Final = 3
#: Entries staged together.
_ROWS_AT_ONCE: Final = 1_000


@define
class LaterReading:
    """The reading of one ledger in one run."""

    context: RunContext
    customer: PlannedCustomer
    state: LedgerState
    effort: Effort
    held: HeldLedger = field(init=False)
    start: datetime | None = field(init=False)
    pending: bool = False
    """Whether the service has pending events, so that more entries may come."""

    def __attrs_post_init__(self) -> None:
        self.effort.rows = 0
        self.start = self.context.start_of(self.customer.query)
        self.held = self.state.held(self.context.keys)
        if self.start is None:
            self.held.earlier = 0

    async def read(self) -> CustomerResult:
        """Read from the newest entry on, a page at a time, since each may be the last that is needed.

        Raises:
            IncompleteLedgerError: the ledger was not returned as stated, or changes faster than it is read.
        """
        comparison = None
        for _ in range(_ATTEMPTS):
            comparison, proves = await self._compare()
            if self._needs_entries(comparison):
                return self._deferred()
            result = self._result_of(comparison, proves=proves)
            if result is not None:
                return result
        if comparison is None or comparison.total != comparison.first_total:
            raise IncompleteLedgerError("the ledger changes faster than it is read")
        return self._without_proof(comparison)

    async def _compare(self) -> tuple[Comparison, bool]:
        """Return the comparison, and whether the service returned all that it stated."""
        comparison = Comparison(self.held, self.context.keys, self.start)
        async with self.context.walk(self.customer.query, self.effort, prefetch=1) as walk:
            try:
                await self._compare_pages(comparison, walk)
            except IncompleteLedgerError:
                if not self.customer.failures and self.state.trusts_totals and comparison.total is not None:
                    raise
                return comparison, False
            self.pending = has_pending_events(walk.report)
            return comparison, True

    async def _compare_pages(self, comparison: Comparison, walk: LedgerWalk) -> None:
        async for page in walk.pages():
            self.effort.responded = True
            comparison.add(page.entries, stated_total(page))
            full = shows_full_pages(walk.report, page, self.customer.query)
            if self._is_decided(comparison) or (comparison.at_start and full):
                return
        comparison.end(walk.report.rows_expected or 0)

    # What a comparison says

    def _is_decided(self, comparison: Comparison) -> bool:
        return comparison.is_proven or self._is_past_overlap(comparison) or self._needs_entries(comparison)

    def _needs_entries(self, comparison: Comparison) -> bool:
        """Return whether the data set must be asked: which rows are held further back, or which rows are missing."""
        if self.held.entries is not None or comparison.is_proven:
            return False
        if self._is_past_overlap(comparison):
            return bool(comparison.missing and comparison.unknown)
        return comparison.is_at_floor or (bool(comparison.missing) and not self._by_overlap(comparison))

    def _by_overlap(self, comparison: Comparison) -> bool:
        """Return whether totals do not count the entries, so that dates decide how far the ledger is read."""
        return not self.state.trusts_totals or comparison.total is None

    def _is_past_overlap(self, comparison: Comparison) -> bool:
        newest, floor, reached = self.held.newest, self.held.floor, comparison.reached
        if not self._by_overlap(comparison) or newest is None or reached is None:
            return False
        limit = newest - self.context.overlap.total_seconds()
        return reached < limit and (floor is None or floor < limit)

    def _result_of(self, comparison: Comparison, *, proves: bool) -> CustomerResult | None:
        """Return what has become of the customer; None where the ledger changed while it was read."""
        if comparison.is_proven:
            found = Differences(added=comparison.unknown)
            return self._result(found, "done", self.held.earlier)
        if self._is_past_overlap(comparison) or not proves:
            return self._without_proof(comparison)
        found = find_differences(comparison)
        count = self.held.count + len(found.added) - len(found.vanished)
        totals = {comparison.first_total, comparison.total}
        if self.start is None and count in totals:
            return self._result(found, "done", 0)
        if self.start is not None and len(totals) == 1 and comparison.total is not None:
            return self._result(found, "done", comparison.total - count)
        return None

    def _without_proof(self, comparison: Comparison) -> CustomerResult:
        """Keep the entries that are new; what seems to have vanished may be there."""
        found = find_differences(comparison)
        found.vanished = []
        return self._result(found, "unproven", self.held.earlier, distrusted=self.state.distrusted + 1)

    # Results

    def _deferred(self) -> CustomerResult:
        effort = self.effort
        return CustomerResult(
            self.customer.id, "planned", requests=effort.requests, retries=effort.retries, deferred=True
        )

    def _result(
        self, found: Differences, state: Literal["done", "unproven"], earlier: int | None, *, distrusted: int = 0
    ) -> CustomerResult:
        """Return the result, and stage the entries that are new."""
        differences, added = updated_differences(self.state.differences, found, self.context.keys)
        added.sort(key=lambda entry: entry.ledger_created_date)
        self._stage(added)
        changed = found.added or differences != self.state.differences
        if changed or (earlier, distrusted) != (self.state.earlier, self.state.distrusted):
            update = self._update(added, self._newest_after(found), earlier, differences)
            self.effort.changes.append(evolve(update, distrusted=distrusted))
        return CustomerResult(
            self.customer.id,
            "unproven" if self.pending else state,
            rows=len(added),
            held=self.state.rows_in_files,
            requests=self.effort.requests,
            retries=self.effort.retries,
        )

    def _stage(self, added: list[LedgerEntry]) -> None:
        for first in range(0, len(added), _ROWS_AT_ONCE):
            some = added[first : first + _ROWS_AT_ONCE]
            self.effort.changes.append(staged_page(self.customer.id, some, None, run=self.context.run))

    def _update(
        self,
        added: list[LedgerEntry],
        newest: list[HeldRow],
        earlier: int | None,
        differences: list[RowDifference],
    ) -> LedgerUpdate:
        before = self.held.newest
        seconds = [row.second for row in self.context.keys.rows(added)]
        return LedgerUpdate(
            customer=self.customer.id,
            run=self.context.run,
            newest=newest,
            earlier=earlier,
            added=len(added),
            late=sum(before is not None and second < before for second in seconds),
            differences=None if differences == self.state.differences else differences,
        )

    def _newest_after(self, found: Differences) -> list[HeldRow]:
        """Return the newest rows as the service has them now."""
        keys = self.context.keys
        gone = [*found.vanished, *(stored for stored, _ in found.amended)]
        came = [*found.added, *(entry for _, entry in found.amended)]
        rows = list(self.held.rows)
        for row in keys.rows(gone):
            rows.remove(row)
        return merged_newest(rows, keys.rows(came), self.held)
