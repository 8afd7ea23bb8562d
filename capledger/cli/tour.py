"""What the demo does and shows: a walk, and a comparison with what the sandbox has in its own books."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from attrs import define, field
from rich.table import Table
from rich.text import Text

from capledger.auth import BasicAuth
from capledger.cli.entries import columns
from capledger.cli.showcase import demo_rows, demo_sandbox
from capledger.cli.tables import FlowingTable, StdoutConsole
from capledger.cli.texts import amount
from capledger.models import LedgerEntry, WalkReport
from capledger.queries import CustomerLedgerQuery
from capledger.sandbox import DEMO_END, DEMO_MOBILE, DEMO_START
from capledger.session import LedgerSession

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from capledger.models import EntryDetail
    from capledger.sandbox import Sandbox
    from capledger.sandbox.rows import Row

_NEWEST: Final = 8
_POINTS: Final = "points"
_QUERY: Final = CustomerLedgerQuery.mobile(
    DEMO_MOBILE, start=DEMO_START, end=DEMO_END, include_alternate_currencies=True
)
_BARS: Final = "▁▂▃▄▅▆▇█"


@define
class Total:
    """What one currency of one programme has come to."""

    movements: int = 0
    credited: Decimal = Decimal(0)
    debited: Decimal = Decimal(0)

    @property
    def net(self) -> Decimal:
        """Credits less debits."""
        return self.credited - self.debited

    def add(self, detail: EntryDetail) -> None:
        """Count one movement."""
        self.movements += 1
        if detail.ledger_entry_type == "DEBIT":
            self.debited += detail.points or 0
        else:
            self.credited += detail.points or 0


@define
class Tour:
    """What was seen on the way; of the entries themselves only the newest are kept."""

    url: str
    report: WalkReport
    seconds: float = 0.0
    newest: deque[LedgerEntry] = field(factory=lambda: deque(maxlen=_NEWEST))
    totals: dict[tuple[str, str], Total] = field(factory=dict)
    #: Entries in each window asked for, oldest first.
    windows: list[int] = field(factory=list)
    #: Whether each entry was the next one of the sandbox's own books, to the last digit, and none was left.
    exact: bool = True

    def see(self, entry: LedgerEntry) -> None:
        """Take note of the next entry."""
        self.newest.append(entry)
        for detail in entry.entry_details:
            key = detail.program_name or "", detail.alternate_currency_name or _POINTS
            self.totals.setdefault(key, Total()).add(detail)


async def take() -> Tour:
    """Start the sandbox and walk the three years."""
    rows = demo_rows()
    async with demo_sandbox(rows=rows) as box:
        began = time.perf_counter()
        async with LedgerSession(box.url, BasicAuth("store.server", "server123"), timezone=UTC) as session:
            walk = session.entries(_QUERY)
            tour, books, days = Tour(box.url, walk.report), _books(rows), []
            async for entry in walk:
                tour.see(entry)
                tour.exact = tour.exact and _told(entry) == next(books, None)
                days.append(entry.ledger_created_date.replace(tzinfo=None))
            tour.report, tour.seconds = walk.report, time.perf_counter() - began
        tour.exact = tour.exact and next(books, None) is None
        tour.windows = _by_window(box, days)
    return tour


def _told(entry: LedgerEntry) -> tuple[int, str, dict[str, str]]:
    nets = entry.net_alternate_currencies_on_event
    return entry.event_log_id, str(entry.net_points_on_event), {name: str(nets[name]) for name in nets}


def _books(rows: Iterable[Row]) -> Iterator[tuple[int, str, dict[str, str]]]:
    """What should come, from the rows themselves: written down without any of the code that is shown here."""
    dated = sorted((datetime.fromisoformat(row["ledgerCreatedDate"]), row["eventLogId"], row) for row in rows)
    return (
        (number, row["netPointsOnEvent"], row["netAlternateCurrenciesOnEvent"])
        for created, number, row in dated
        if DEMO_START <= created < DEMO_END
    )


def _by_window(box: Sandbox, days: Sequence[datetime]) -> list[int]:
    """Entries between the dates that the server was asked for."""
    starts = sorted({request.query["startDate"] for request in box.requests if "startDate" in request.query})
    edges = [bisect_left(days, datetime.fromisoformat(start)) for start in starts]
    return [later - edge for edge, later in pairwise([*edges, len(days)])]


def show(tour: Tour) -> None:
    """Print the tour: plain text where nobody sees colours."""
    console = StdoutConsole()
    console.print(f"A points ledger on {tour.url}, walked over real HTTP\n", style="bold")
    _show_newest(console, tour)
    _show_totals(console, tour)
    for title, line in _remarks(tour):
        console.print(Text.assemble((f"{title:<11}", "bold"), line))
    console.print(f"\n{_took(tour)}")


def _show_newest(console: Console, tour: Tour) -> None:
    console.print(f"The newest {len(tour.newest)} of {tour.report.rows_yielded:,} entries, times in UTC", style="cyan")
    FlowingTable(console, columns(_QUERY)).add(list(tour.newest)[::-1])
    console.print()


def _show_totals(console: Console, tour: Tour) -> None:
    console.print("Totals by programme and currency, to the last digit", style="cyan")
    rows = sorted(tour.totals.items(), key=lambda item: (item[0][0], item[0][1] != _POINTS, item[0][1]))
    titles = ("Programme", "Currency", "Movements", "Credited", "Debited", "Net")
    cells = [
        (program, currency, f"{total.movements:,}", f"{total.credited:,f}", f"{total.debited:,f}", total.net)
        for (program, currency), total in rows
    ]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for index, title in enumerate(titles):
        table.add_column(title, justify="right" if index > 1 else "left")
    for *texts, net in cells:
        table.add_row(*texts, amount(net))
    console.print(table)
    console.print()


def _remarks(tour: Tour) -> Iterator[tuple[str, str]]:
    most = max(tour.windows, default=0) or 1
    bars = "".join(_BARS[(len(_BARS) - 1) * count // most] for count in tour.windows)
    yield "Windows", f"{DEMO_START:%Y-%m-%d} {bars} {DEMO_END:%Y-%m-%d}, entries in each"
    latest = next((entry for entry in reversed(tour.newest) if entry.net_alternate_currencies_on_event), None)
    if latest is not None:
        nets = latest.net_alternate_currencies_on_event
        yield "Currencies", f"{nets} is the net of entry {latest.event_log_id}"
    verdict = "each entry once, in order, every digit as in the sandbox's own books"
    yield "Checked", verdict if tour.exact else "NOT what the sandbox has in its books"


def _took(tour: Tour) -> str:
    report = tour.report
    asked = f"{report.requests} requests, {len(tour.windows)} windows, {report.pages} pages"
    return f"{asked}, {report.rows_yielded:,} entries, {tour.seconds:.2f} seconds"
