"""What became of one query among many."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field

from capledger.errors import CapledgerError
from capledger.models import LedgerEntry, WalkReport
from capledger.queries import LedgerQuery
from capledger.walk import Cursor

if TYPE_CHECKING:
    from collections.abc import Sized


def _shown(query: object) -> str:
    return repr(query) if isinstance(query, LedgerQuery) else f"<{type(query).__name__}, no ledger query>"


def _counted(entries: Sized) -> str:
    return f"<{len(entries)} entries>"


@define
class LedgerOutcome:
    """One customer's or group's part of ``fetch_many`` or ``stream_many``."""

    #: The query as it was drawn; the object itself where something else than a ledger query was.
    query: LedgerQuery = field(repr=_shown)
    #: What came, in the query's order: all of it if ``error`` is None, else what came before the error. Empty where
    #: the pages were streamed.
    entries: list[LedgerEntry] = field(repr=_counted)
    #: Why it is not whole; None if it is.
    error: CapledgerError | None
    #: What the walk has cost and how far it came.
    report: WalkReport
    _position: Cursor | None = field(repr=False)

    @property
    def cursor(self) -> str | None:
        """The place after the last entry, for ``session.entries(query, resume_from=...)``.

        Of a failed one, what is missing comes from there. None if the query could not be asked at all.
        """
        return None if self._position is None else self._position.encode(self.query)
