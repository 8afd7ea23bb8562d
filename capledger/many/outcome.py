"""The outcome of one query among many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from capledger.errors import CapledgerError
from capledger.models import LedgerEntry, WalkReport
from capledger.queries import LedgerQuery
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
