"""Comparing and ordering rows as they came, before anybody sees them."""

from __future__ import annotations

from itertools import islice
from operator import attrgetter, ge, le
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from capledger.models import LedgerEntry

#: "flat": all of one moment, so nothing can be said; "mixed": neither ascending nor descending.
Shape = Literal["asc", "desc", "flat", "mixed"]

#: In C, as is the comparing below: every page is gone through.
_created = attrgetter("ledger_created_date")


def shape_of(entries: Sequence[LedgerEntry]) -> Shape:
    """Tell in which order rows came, by their dates."""
    return _shape(list(map(_created, entries)))


def shape_by_age(entries: Sequence[LedgerEntry]) -> Shape:
    """Tell in which order rows came, by their dates and within the same moment by their ids."""
    return _shape(list(map(age_of, entries)))


def _shape(keys: Sequence[Any]) -> Shape:
    if not keys or keys[0] == keys[-1]:
        return "flat" if all(key == keys[0] for key in keys) else "mixed"
    if keys[0] < keys[-1]:
        return "asc" if all(map(le, keys, islice(keys, 1, None))) else "mixed"
    return "desc" if all(map(ge, keys, islice(keys, 1, None))) else "mixed"


def age_of(entry: LedgerEntry) -> tuple[datetime, int]:
    """Give what rows are put in order by, where the server's order cannot be kept."""
    return entry.ledger_created_date, entry.event_log_id


def same_row(one: LedgerEntry, other: LedgerEntry) -> bool:
    """Tell whether two rows are one and the same."""
    return one.event_log_id == other.event_log_id and one == other


def row_key(entry: LedgerEntry) -> int:
    """Give a number that differs for different rows."""
    return hash((entry.event_log_id, entry.event_name, entry.ledger_created_date, entry.customer_id, entry.till_code))
