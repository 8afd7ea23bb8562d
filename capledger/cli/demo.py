"""``capledger demo``: three years of a ledger from a server on this machine, printed and compared with its own data."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import deque
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import typer
from attrs import define, field
from rich.text import Text

from capledger.auth import BasicAuth
from capledger.books import Discrepancy, Statement, check_books, statement
from capledger.cli.entries import entry_columns
from capledger.cli.exit_codes import FAILED, exit_on_error, writing_to_stdout
from capledger.cli.options import epilog
from capledger.cli.statement_tables import format_period, print_accounts
from capledger.cli.tables import StdoutConsole, StreamingTable, TableColumn, format_count, format_points
from capledger.models import LedgerEntry, WalkReport
from capledger.queries import BalanceQuery, CustomerLedgerQuery
from capledger.session import LedgerSession

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from capledger.models import EntryDetail
    from capledger.sandbox import Sandbox
    from capledger.sandbox.rows import LedgerRow

EPILOG = epilog("capledger demo", "capledger demo | less", connected=False)

#: A start for those who want less than the whole ledger, naive server time.
NEWEST_YEAR: Final = datetime(2026, 1, 1)
_NEWEST: Final = 8
_LAST_MONTH: Final = datetime(2026, 6, 1)
_POINTS: Final = "points"
_BARS: Final = "▁▂▃▄▅▆▇█"


def demo() -> None:
    """Walk a customer's three years from a sandbox on this machine, over real HTTP.

    Prints the newest entries, totals by programme and currency, whether each entry
    equals the sandbox's own data, the number of requests, and the statement of the
    last month.
    Needs no credentials and no network.
    """
    with exit_on_error():
        run = asyncio.run(run_demo())
        with writing_to_stdout():
            print_demo(run)
    if not run.exact or run.discrepancies:
        raise typer.Exit(FAILED)


@define
class CurrencyTotal:
    """Totals of one currency of one programme."""

    movements: int = 0
    credited: Decimal = Decimal(0)
    debited: Decimal = Decimal(0)

    @property
    def net(self) -> Decimal:
        """Credits minus debits."""
        return self.credited - self.debited

    def add(self, detail: EntryDetail) -> None:
        """Add one movement."""
        self.movements += 1
        if detail.ledger_entry_type == "DEBIT":
            self.debited += detail.points or 0
        else:
            self.credited += detail.points or 0


@define
class DemoRun:
    """Results of the demo's walk; of the entries, only the newest are kept."""

    url: str
    query: CustomerLedgerQuery
    report: WalkReport
    seconds: float = 0.0
    newest: deque[LedgerEntry] = field(factory=lambda: deque(maxlen=_NEWEST))
    totals: dict[tuple[str, str], CurrencyTotal] = field(factory=dict)
    """By names of programme and currency."""
    windows: list[int] = field(factory=list)
    """Number of entries in each window requested, oldest first."""
    statement: Statement | None = None
    """Statement of the last month."""
    balances: int = 0
    """Number of balances of the service, which the whole ledger is compared with."""
    discrepancies: list[Discrepancy] = field(factory=list)
    """What does not add up: nets, and balances of the service."""
    exact: bool = True
    """Whether the entries equal the sandbox's rows, in order, to the last digit, with none left over."""

    def add(self, entry: LedgerEntry) -> None:
        """Add the next entry."""
        self.newest.append(entry)
        for detail in entry.entry_details:
            key = detail.program_name or "", detail.alternate_currency_name or _POINTS
            self.totals.setdefault(key, CurrencyTotal()).add(detail)


async def run_demo() -> DemoRun:
    """Start the sandbox and walk the three years."""
    from capledger.sandbox import DEMO_END, DEMO_MOBILE, DEMO_START, Sandbox  # noqa: PLC0415 - slow to import
    from capledger.sandbox.demo import demo_rows  # noqa: PLC0415 - slow to import

    query = CustomerLedgerQuery.mobile(DEMO_MOBILE, start=DEMO_START, end=DEMO_END, include_alternate_currencies=True)
    async with Sandbox() as box:
        began = time.perf_counter()
        async with LedgerSession(box.url, BasicAuth("store.server", "server123"), timezone=UTC) as session:
            walk = session.entries(query)
            run, expected, dates = (
                DemoRun(box.url, query, walk.report),
                _expected(demo_rows(), DEMO_START, DEMO_END),
                [],
            )
            async for entry in walk:
                run.add(entry)
                run.exact = run.exact and _received(entry) == next(expected, None)
                dates.append(entry.ledger_created_date.replace(tzinfo=None))
            run.report, run.seconds = walk.report, time.perf_counter() - began
            run.exact = run.exact and next(expected, None) is None
            run.windows = _count_by_window(box, dates)
            await _check_books(session, run)
    return run


async def _check_books(session: LedgerSession, run: DemoRun) -> None:
    """Make the statement of the last month, and compare the whole ledger with the balances of the service."""
    from capledger.sandbox import DEMO_END, DEMO_MOBILE  # noqa: PLC0415 - slow to import

    query = CustomerLedgerQuery.mobile(DEMO_MOBILE, include_alternate_currencies=True)
    entries = await session.entries(query).collect()
    balances = await session.balances(
        BalanceQuery(
            identifier_name="mobile", identifier_value=DEMO_MOBILE, at=DEMO_END, include_alternate_currencies=True
        )
    ).collect()
    run.balances = len(balances)
    run.discrepancies = check_books(entries, balances, at=DEMO_END)
    run.statement = statement(entries, _LAST_MONTH, DEMO_END)


def _received(entry: LedgerEntry) -> tuple[int, str, dict[str, str]]:
    nets = entry.net_alternate_currencies_on_event
    return entry.event_log_id, str(entry.net_points_on_event), {name: str(nets[name]) for name in nets}


def _expected(rows: Iterable[LedgerRow], start: datetime, end: datetime) -> Iterator[tuple[int, str, dict[str, str]]]:
    """Return what the walk should yield, from the rows themselves and without the code that is demonstrated."""
    dated = sorted((datetime.fromisoformat(row["ledgerCreatedDate"]), row["eventLogId"], row) for row in rows)
    return (
        (number, row["netPointsOnEvent"], row["netAlternateCurrenciesOnEvent"])
        for created, number, row in dated
        if start <= created < end
    )


def _count_by_window(box: Sandbox, dates: Sequence[datetime]) -> list[int]:
    starts = sorted({request.query["startDate"] for request in box.requests if "startDate" in request.query})
    edges = [bisect_left(dates, datetime.fromisoformat(start)) for start in starts]
    return [later - edge for edge, later in pairwise([*edges, len(dates)])]


def print_demo(run: DemoRun) -> None:
    """Print the results, in plain text where stdout is not a terminal."""
    console = StdoutConsole()
    console.print(f"A points ledger on {run.url}, walked over real HTTP\n", style="bold")
    _print_newest(console, run)
    _print_totals(console, run)
    for title, line in _remarks(run):
        console.print(Text.assemble((f"{title:<11}", "bold"), line))
    console.print(f"\n{_format_cost(run)}\n")
    if run.statement is not None:
        _print_statement(console, run.statement)
    console.print(_format_check(run))


def _print_newest(console: Console, run: DemoRun) -> None:
    console.print(f"The newest {len(run.newest)} of {run.report.rows_yielded:,} entries, times in UTC", style="cyan")
    StreamingTable(console, entry_columns(run.query)).add(list(run.newest)[::-1])
    console.print()


def _print_totals(console: Console, run: DemoRun) -> None:
    console.print("Totals by programme and currency, to the last digit", style="cyan")
    rows = sorted(run.totals.items(), key=lambda item: (item[0][0], item[0][1] != _POINTS, item[0][1]))
    StreamingTable(console, _total_columns()).add(rows)
    console.print()


def _print_statement(console: Console, month: Statement) -> None:
    console.print(f"The customer's statement, {format_period(month)}", style="cyan")
    print_accounts(console, month, sparklines=1)
    console.print()


def _format_check(run: DemoRun) -> str:
    if run.discrepancies:
        return f"The books do NOT add up: {format_count(len(run.discrepancies), 'discrepancy', 'discrepancies')}"
    count = format_count(run.balances, "balance")
    return f"The books add up: {count} of the service agree with ten years of entries"


def _total_columns() -> list[TableColumn[tuple[tuple[str, str], CurrencyTotal]]]:
    return [
        TableColumn(title="Programme", cell=lambda item: item[0][0], narrowest=9),
        TableColumn(title="Currency", cell=lambda item: item[0][1]),
        TableColumn(title="Movements", cell=lambda item: f"{item[1].movements:,}", justify="right", expendable=2),
        TableColumn(title="Credited", cell=lambda item: f"{item[1].credited:,f}", justify="right", expendable=1),
        TableColumn(title="Debited", cell=lambda item: f"{item[1].debited:,f}", justify="right", expendable=1),
        TableColumn(title="Net", cell=lambda item: format_points(item[1].net), justify="right"),
    ]


def _remarks(run: DemoRun) -> Iterator[tuple[str, str]]:
    most = max(run.windows, default=0) or 1
    bars = "".join(_BARS[(len(_BARS) - 1) * count // most] for count in run.windows)
    yield "Windows", f"{run.query.start:%Y-%m-%d} {bars} {run.query.end:%Y-%m-%d}, entries in each"
    latest = next((entry for entry in reversed(run.newest) if entry.net_alternate_currencies_on_event), None)
    if latest is not None:
        nets = latest.net_alternate_currencies_on_event
        yield "Currencies", f"{nets} is the net of entry {latest.event_log_id}"
    success = "each entry once, in order, every digit as in the sandbox's own data"
    yield "Checked", success if run.exact else "NOT equal to the sandbox's own data"


def _format_cost(run: DemoRun) -> str:
    report = run.report
    counts = [
        format_count(report.requests, "request"),
        format_count(len(run.windows), "window"),
        format_count(report.pages, "page"),
        format_count(report.rows_yielded, "entry", "entries"),
    ]
    return f"{', '.join(counts)}, {run.seconds:.2f} seconds"
