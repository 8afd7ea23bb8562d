"""The order of rows: by which second they are sorted.

Services sort by date, many of them by whole seconds, and leave open how rows of one second follow one another. So rows
are compared by *second*, and told apart within a second by their key (see ``models/identity``).
"""

from __future__ import annotations

from operator import attrgetter, ge, gt, le, lt
from typing import TYPE_CHECKING, Final, Literal

from capledger.moments import is_same_second, second_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from capledger.models import LedgerEntry

#: "asc": oldest first; "desc": newest first.
ListingOrder = Literal["asc", "desc"]

date_of: Final[Callable[[LedgerEntry], datetime]] = attrgetter("ledger_created_date")
_date_and_id = attrgetter("ledger_created_date", "event_log_id")


def is_past(second: int, edge: int, order: ListingOrder) -> bool:
    """Return whether a second lies behind another one in the order of reading."""
    return second > edge if order == "asc" else second < edge


def is_in_order(rows: Sequence[LedgerEntry], order: ListingOrder) -> bool:
    """Return whether rows are in the order of their seconds."""
    moments = list(map(date_of, rows))
    if all(map(le if order == "asc" else ge, moments, moments[1:])):
        return True
    seconds = list(map(second_of, moments))
    return seconds == sorted(seconds, reverse=order == "desc")


def start_of_last_second(rows: Sequence[LedgerEntry]) -> int:
    """Return where the rows of the last second begin."""
    start = max(0, len(rows) - 1)
    while start and is_same_second(rows[start - 1].ledger_created_date, rows[-1].ledger_created_date):
        start -= 1
    return start


def by_date(rows: list[LedgerEntry], order: ListingOrder) -> list[LedgerEntry]:
    """Return rows in the order of their dates, those of one moment in the order of their event log ids."""
    moments = list(map(date_of, rows))
    if all(map(lt if order == "asc" else gt, moments, moments[1:])):
        return rows
    return sorted(rows, key=_date_and_id, reverse=order == "desc")
