"""The outcome of one query among many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from capledger.errors import CapledgerError
from capledger.models import Balance, LedgerEntry, WalkReport
from capledger.queries import BalanceQuery, LedgerQuery
from capledger.walk import Cursor

if TYPE_CHECKING:
    from collections.abc import Sized


def _query_repr(query: object) -> str:
    return repr(query) if isinstance(query, LedgerQuery) else f"<{type(query).__name__}, not a ledger query>"


def _entries_repr(entries: Sized) -> str:
    return f"<{len(entries)} entries>"


@define
class LedgerOutcome:
    """The outcome of one query of ``fetch_many`` or ``stream_many``."""

    query: LedgerQuery = field(repr=_query_repr)
    """The query as it was drawn; the item itself where that is not a ledger query."""
    entries: list[LedgerEntry] = field(repr=_entries_repr)
    """The entries received, in the query's order: all of them if ``error`` is None, else those before the error.
    Empty where pages were streamed."""
    error: CapledgerError | None
    """Why the ledger is not complete; None if it is."""
    report: WalkReport
    """What the walk has cost and how far it got."""
    _position: Cursor | None = field(repr=False)

    @property
    def cursor(self) -> str | None:
        """Position after the last entry, for ``session.entries(query, resume_from=...)``.

        After an error, the missing entries follow it. None if the query could not be sent at all.
        """
        return None if self._position is None else self._position.encode(self.query)


def _balances_repr(balances: Sized) -> str:
    return f"<{len(balances)} balances>"


@define
class BalanceOutcome:
    """The outcome of one :class:`~capledger.BalanceQuery` of ``fetch_many``."""

    query: BalanceQuery
    """The query as it was drawn."""
    balances: list[Balance] = field(repr=_balances_repr)
    """All balances in the order of the server; empty after an error."""
    error: CapledgerError | None
    """Why there are no balances; None if there are."""
    report: WalkReport
    """What the walk has cost."""
