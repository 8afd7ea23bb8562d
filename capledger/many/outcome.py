"""The outcome of one query among many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from attrs import AttrsInstance, asdict, define, field

from capledger.cursor import Cursor, CursorOfOnePage
from capledger.errors import CapledgerError
from capledger.models import Balance, LedgerEntry, WalkReport
from capledger.models._serializable import Exportable
from capledger.queries import BalanceQuery, LedgerQuery

if TYPE_CHECKING:
    from collections.abc import Sized


def _query_repr(query: object) -> str:
    return repr(query) if isinstance(query, LedgerQuery) else f"<{type(query).__name__}, not a ledger query>"


def _entries_repr(entries: Sized) -> str:
    return f"<{len(entries)} entries>"


def _query_to_dict(query: AttrsInstance) -> dict[str, Any] | None:
    """Return the keywords of a query, without those that have their default; None for an item that is no query."""
    if not isinstance(query, LedgerQuery | BalanceQuery):
        return None
    changed = asdict(query, filter=lambda attribute, value: value != attribute.default)
    keywords: dict[str, Any] = msgspec.to_builtins(changed)
    return keywords


@define
class LedgerOutcome(Exportable):
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
    _position: Cursor | CursorOfOnePage | None = field(repr=False)

    @property
    def cursor(self) -> str | None:
        """Position after the last entry, for ``session.entries(query, resume_from=...)``.

        After an error, the missing entries follow it. None if the query could not be sent at all.
        """
        return None if self._position is None else self._position.encode(self.query)

    def to_dict(self) -> dict[str, Any]:
        """Return query, entries, error, report and cursor as values that any JSON library can write.

        The query has the identifier.
        """
        return {
            "query": _query_to_dict(self.query),
            "entries": [entry.to_dict() for entry in self.entries],
            "error": self.error and self.error.to_dict(),
            "report": self.report.to_dict(),
            "cursor": self.cursor,
        }


def _balances_repr(balances: Sized) -> str:
    return f"<{len(balances)} balances>"


@define
class BalanceOutcome(Exportable):
    """The outcome of one :class:`~capledger.BalanceQuery` of ``fetch_many``."""

    query: BalanceQuery
    """The query as it was drawn."""
    balances: list[Balance] = field(repr=_balances_repr)
    """All balances in the order of the server; empty after an error."""
    error: CapledgerError | None
    """Why there are no balances; None if there are."""
    report: WalkReport
    """What the walk has cost."""

    def to_dict(self) -> dict[str, Any]:
        """Return query, balances, error and report as values that any JSON library can write.

        The query has the identifier.
        """
        return {
            "query": _query_to_dict(self.query),
            "balances": [balance.to_dict() for balance in self.balances],
            "error": self.error and self.error.to_dict(),
            "report": self.report.to_dict(),
        }
