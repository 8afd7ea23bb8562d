"""Comparing and ordering rows as they came, before anybody sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from capledger.models import LedgerEntry

#: "flat": all of one moment, so nothing can be said; "mixed": neither ascending nor descending.
Shape = Literal["asc", "desc", "flat", "mixed"]


def shape_of(entries: Sequence[LedgerEntry]) -> Shape:
    """Tell in which order rows came, by their dates."""
    return _shape([entry.ledger_created_date for entry in entries])


def shape_by_age(entries: Sequence[LedgerEntry]) -> Shape:
    """Tell in which order rows came, by their dates and within the same moment by their ids."""
    return _shape([age_of(entry) for entry in entries])


def _shape(keys: list[Any]) -> Shape:
    """Compare by sorting: every page is gone through, and what is in order already is sorted in C in no time."""
    if not keys or keys[0] == keys[-1]:
        return "flat" if all(key == keys[0] for key in keys) else "mixed"
    ascending = keys[0] < keys[-1]
    if keys == sorted(keys, reverse=not ascending):
        return "asc" if ascending else "desc"
    return "mixed"


def age_of(entry: LedgerEntry) -> tuple[datetime, int]:
    """Give what rows are put in order by, where the server's order cannot be kept."""
    return entry.ledger_created_date, entry.event_log_id


def same_row(one: LedgerEntry, other: LedgerEntry) -> bool:
    """Tell whether two rows are one and the same."""
    return one.event_log_id == other.event_log_id and one == other


def row_key(entry: LedgerEntry) -> int:
    """Give a number that differs for different rows."""
    return hash((entry.event_log_id, entry.event_name, entry.ledger_created_date, entry.customer_id, entry.till_code))


def holds_repeats(rows: Iterable[LedgerEntry]) -> bool:
    """Tell whether a row is among them twice."""
    seen: dict[int, list[LedgerEntry]] = {}
    for row in rows:
        alike = seen.setdefault(row_key(row), [])
        if row in alike:
            return True
        alike.append(row)
    return False
