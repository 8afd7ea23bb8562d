"""Counting the pages of a walk in its report."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from capledger.models.ledger import Notice

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, tzinfo

    from capledger.models.page import LedgerPage
    from capledger.models.report import WalkReport

#: The service works on events of the customer, so the ledger may be incomplete.
_PENDING_EVENTS: Final = 11002
#: Entries dated so far ahead of this machine's clock show that a clock or a zone is wrong.
_CLOCK_TOLERANCE: Final = timedelta(minutes=1)
_DATED_LATER: Final = Notice(
    message="the ledger has entries dated later than now: check this machine's clock, and the session's timezone"
)


def count_page(
    report: WalkReport,
    now: Callable[[tzinfo], datetime],
    zone: tzinfo,
    page: LedgerPage,
    *,
    since: datetime | None = None,
) -> None:
    """Count a page, and collect what the service warns of; ``since`` is a moment that is past."""
    report.pages += 1
    report.rows_received += len(page.entries)
    if page.entries:
        latest = max(page.entries[0].ledger_created_date, page.entries[-1].ledger_created_date)
        if (since is None or latest > since) and latest > now(zone) + _CLOCK_TOLERANCE:
            page.warnings.append(_DATED_LATER)
    if page.warnings:
        report.warnings += [notice for notice in page.warnings if notice not in report.warnings]


def has_pending_events(report: WalkReport) -> bool:
    """Return whether the service warned that it still works on events of the customer."""
    return bool(report.warnings) and _PENDING_EVENTS in [notice.code for notice in report.warnings]
