"""Entries and pages of a ledger as a decoder returns them, without a service."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from capledger._sansio.requests import LedgerRequests
from capledger.models import EntryDetail, LedgerDetails, LedgerEntry, LedgerPage
from capledger.walk.listing import Listing
from capledger.windows import Span, Window
from support.ledgers import customer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import tzinfo

    from capledger.walk.ordering import ListingOrder

START = datetime(2025, 1, 1, tzinfo=UTC)


def entry(second: float, number: int | None = None, *, zone: tzinfo = UTC, **fields: Any) -> LedgerEntry:
    """Return an entry written so many seconds after the start; without a number, it is that of its second."""
    number = int(second) if number is None else number
    detail = EntryDetail("CREDIT", Decimal(10), "Main", "Rewards", 469)
    settings: dict[str, Any] = {"event_name": "PointsAwarded", "entry_details": [detail], **fields}
    moment = (START + timedelta(seconds=second)).astimezone(zone)
    return LedgerEntry(event_log_id=number, ledger_created_date=moment, **settings)


def entries(*seconds: float) -> list[LedgerEntry]:
    """Return an entry for each second; those of one second are told apart by their numbers."""
    return [entry(second, 1_000 * place + int(second)) for place, second in enumerate(seconds)]


def page(rows: Iterable[LedgerEntry], total: int | None = None, **details: Any) -> LedgerPage:
    """Return a page that states a total; None: it has no details."""
    return LedgerPage(list(rows), None if total is None else LedgerDetails(total_entries=total, **details))


def listing(order: ListingOrder = "asc", window: Window | None = None) -> Listing:
    """Return the ledger of a customer, whole or in a window."""
    span = Span(None, START + timedelta(days=365), UTC)
    return Listing(LedgerRequests(customer(order=order)), order, window, span.within(window))


def seconds_of(rows: Sequence[LedgerEntry]) -> list[float]:
    """Return the seconds after the start of entries."""
    return [(row.ledger_created_date - START).total_seconds() for row in rows]
