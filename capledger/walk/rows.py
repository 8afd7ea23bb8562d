"""Comparing and ordering rows as they came, before anybody sees them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from capledger.models import LedgerEntry

#: "flat": all of one moment, so nothing can be said; "mixed": neither ascending nor descending.
Shape = Literal["asc", "desc", "flat", "mixed"]


def shape_of(entries: Sequence[LedgerEntry]) -> Shape:
    """Tell in which order rows came."""
    moments = [entry.ledger_created_date for entry in entries]
    if not moments or moments[0] == moments[-1]:
        return "flat" if all(moment == moments[0] for moment in moments) else "mixed"
    if moments[0] < moments[-1]:
        return "asc" if all(a <= b for a, b in pairwise(moments)) else "mixed"
    return "desc" if all(a >= b for a, b in pairwise(moments)) else "mixed"


def age_of(entry: LedgerEntry) -> tuple[datetime, int]:
    """Give what rows are put in order by, where the server's order cannot be kept."""
    return entry.ledger_created_date, entry.event_log_id


def same_row(one: LedgerEntry, other: LedgerEntry) -> bool:
    """Tell whether two rows are one and the same."""
    return one.event_log_id == other.event_log_id and one == other


def row_key(entry: LedgerEntry) -> int:
    """Give a number that differs for different rows."""
    return hash((entry.event_log_id, entry.event_name, entry.ledger_created_date, entry.customer_id, entry.till_code))
