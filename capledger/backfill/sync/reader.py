"""Reads what is new in the ledger of a customer, until it is proven that nothing is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from capledger.backfill.reader import Effort
from capledger.backfill.sync.first_reading import FirstReading
from capledger.backfill.sync.later_reading import LaterReading

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from capledger.backfill.state import CustomerResult, PlannedCustomer
    from capledger.backfill.sync.context import RunContext
    from capledger.backfill.sync.ledgers import LedgerState


class NewestFirstReader:
    """Reads ledgers for a sync, the newest entries first.

    Args:
        context: of the run.
        read_state: returns what is known of the ledger of a customer.
    """

    def __init__(self, context: RunContext, read_state: Callable[[int], Awaitable[LedgerState]]) -> None:
        self._context = context
        self._read_state = read_state

    async def read(self, customer: PlannedCustomer, effort: Effort, *, prefetch: int) -> CustomerResult:
        """Read from the newest entry on as far as it takes."""
        state = await self._read_state(customer.id)
        if not state.rows_in_files:
            return await FirstReading(self._context, customer, state, effort).read(prefetch=prefetch)
        return await LaterReading(self._context, customer, state, effort).read()

    async def probe(self, customer: PlannedCustomer) -> None:
        """Request the newest page of a ledger."""
        async with self._context.walk(customer.query, Effort(), prefetch=1) as walk:
            async for _ in walk.pages():
                break
