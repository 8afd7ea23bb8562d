"""Reads what is new in the ledger of a customer, until it is proven that nothing is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

from capledger.backfill.reader import BalanceFetcher, Effort
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
        balances: fetches balances after the entries; None where they are not fetched.
    """

    def __init__(
        self,
        context: RunContext,
        read_state: Callable[[int], Awaitable[LedgerState]],
        balances: BalanceFetcher | None = None,
    ) -> None:
        self._context = context
        self._read_state = read_state
        self._balances = balances

    async def read(self, customer: PlannedCustomer, effort: Effort, *, prefetch: int) -> CustomerResult:
        """Read from the newest entry on as far as it takes, and the balances at the start of the run."""
        state = await self._read_state(customer.id)
        if state.rows_in_files:
            result = await LaterReading(self._context, customer, state, effort).read()
        else:
            result = await FirstReading(self._context, customer, state, effort).read(prefetch=prefetch)
        if self._balances is None or result.state == "planned":
            return result
        start = self._context.start_of(customer.query)  # an entry may come late, before the start
        balances, complete = await self._balances.fetch(customer.query, start, self._context.started, effort)
        return evolve(
            result,
            state=result.state if complete else "unproven",
            balances=balances,
            requests=effort.requests,
            retries=effort.retries,
        )

    async def probe(self, customer: PlannedCustomer) -> None:
        """Request the newest page of a ledger, and balances where they are fetched."""
        async with self._context.walk(customer.query, Effort(), prefetch=1) as walk:
            async for _ in walk.pages():
                break
        if self._balances is not None:
            await self._balances.fetch(customer.query, None, self._context.started, Effort())
