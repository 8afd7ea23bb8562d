"""``capledger statement``: a customer's statement for a period, for a terminal, a program or a browser."""

import asyncio
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from attrs import evolve, frozen

from capledger.books import Statement, check_books
from capledger.books import statement as make_statement
from capledger.cli import options
from capledger.cli.connection import make_session
from capledger.cli.exit_codes import UsageError, exit_on_error, print_message, print_warnings
from capledger.cli.output import CsvWriter, JsonWriter
from capledger.cli.statement_html import write_html
from capledger.cli.statement_plot import check_plot, write_plot
from capledger.cli.statement_tables import StatementLine, print_statement, statement_lines
from capledger.cli.tables import format_count, printable
from capledger.errors import CapledgerError
from capledger.models import Balance, CustomerDetails, LedgerEntry
from capledger.queries import BalanceQuery, CustomerLedgerQuery
from capledger.session import LedgerSession

EPILOG = options.epilog(
    "capledger statement mobile 917406401004 --month 2026-06",
    "capledger statement mobile 917406401004 --month 2026-06 --html statement.html",
    "capledger statement mobile 917406401004 --from 2026-01-01 --to 2026-07-01 --csv",
    connected=True,
)

_MONTH = re.compile(r"(\d{4})-(\d\d)", re.ASCII)
_DECEMBER = 12
#: Fetched after the end too: balances of the service may include this second or not, which is not documented.
_EDGE = timedelta(seconds=1)


def parse_month(text: str) -> datetime:
    """Return the first instant of a month."""
    found = _MONTH.fullmatch(text)
    try:
        year, month = (int(part) for part in found.groups()) if found else (0, 0)
        first = datetime(year, month, 1)
        _next_month(first)
    except ValueError:
        raise typer.BadParameter("not a month: such as 2026-06") from None
    return first


def _next_month(month: datetime) -> datetime:
    return datetime(month.year + month.month // _DECEMBER, month.month % _DECEMBER + 1, 1)


Month = Annotated[
    datetime | None,
    typer.Option(
        "--month", parser=parse_month, metavar="MONTH", rich_help_panel="Range", help="A month, such as 2026-06."
    ),
]
Html = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", rich_help_panel="How", help="Write a page for a browser or a printer."),
]
Plot = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", rich_help_panel="How", help="Write a picture: FILE.svg or FILE.png."),
]


@options.accepts(options.SubjectOptions)
def statement(
    *,
    identifier_name: options.IdentifierName,
    identifier_value: options.IdentifierValue,
    month: Month = None,
    start: options.Start = None,
    end: options.End = None,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
    html: Html = None,
    plot: Plot = None,
    rate: options.Rate = None,
    **filters: Any,  # noqa: ANN401 - options of any type
) -> None:
    """Print a customer's statement: balances and movements of a period.

    Opening balances follow from the whole ledger before the period. The balances
    at its end are compared with the service's own. --json prints the statement as
    one object, --csv a row per movement. Without a range, the whole ledger.
    """
    with exit_on_error():
        first, last = _period(month, start, end)
        _check_outputs(as_json=as_json, as_csv=as_csv, html=html, plot=plot)
        subject = {"identifier_name": identifier_name, "identifier_value": identifier_value}
        keywords = subject | options.customer_keywords(**filters)
        query = CustomerLedgerQuery(start=first, end=last, **keywords)
        ledger = asyncio.run(_fetch(make_session(rate=rate), query, BalanceQuery(at=last, **keywords)))
        found = make_statement(ledger.entries, first, last)
        _write(found, as_json=as_json, as_csv=as_csv, silent=html is not None)
        if html is not None:
            write_html(html, found, ledger.customer)
        if plot is not None:
            write_plot(plot, found)
        print_message(ledger.remark)


def _period(
    month: datetime | None, start: datetime | None, end: datetime | None
) -> tuple[datetime | None, datetime | None]:
    if month is None:
        return start, end
    if start is not None or end is not None:
        raise UsageError("--month and --from or --to are two ways to name a period: give one of them")
    return month, _next_month(month)


def _check_outputs(*, as_json: bool, as_csv: bool, html: Path | None, plot: Path | None) -> None:
    if as_json and as_csv:
        raise UsageError("--json and --csv are two output formats: give one of them")
    for path in (html, plot):
        if path is not None and path.is_dir():
            raise UsageError(f"{path} is a directory: name a file in it")
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"the directory of {path} does not exist")
    if html is not None and html == plot:
        raise UsageError("--html and --plot name the same file: name two")
    if plot is not None:
        check_plot(plot)


@frozen
class FetchedLedger:
    """The entries up to the end of a statement, and whether they agree with the service's balances."""

    entries: list[LedgerEntry]
    customer: CustomerDetails | None
    remark: str


async def _fetch(session: LedgerSession, query: CustomerLedgerQuery, balances: BalanceQuery) -> FetchedLedger:
    """Fetch the entries up to the end of a period, and a second longer, and the balances at its end."""
    entries: list[LedgerEntry] = []
    customer = None
    async with session:
        session.entries(query)  # refuses a period that cannot be
        walk = session.entries(evolve(query, start=None, end=None if query.end is None else query.end + _EDGE))
        async for page in walk.pages():
            entries += page.entries
            customer = customer or page.customer_details
        print_warnings(walk.report)
        try:
            closing: list[Balance] | CapledgerError = await session.balances(balances).collect()
        except CapledgerError as error:
            closing = error
    return FetchedLedger(entries, customer, format_check(entries, closing, balances.at))


def format_check(entries: list[LedgerEntry], closing: list[Balance] | CapledgerError, end: datetime | None) -> str:
    """Return in one line whether a ledger agrees with balances of the service."""
    if isinstance(closing, CapledgerError):
        return f"not compared with the service's balances: {closing}"
    found = check_books(entries, closing, at=end)
    if not found:
        return f"the books add up: {format_count(len(closing), 'balance')} of the service agree with the entries"
    first = found[0]
    account = "several accounts" if first.account is None else printable(first.account.program_name)
    return (
        f"the books do not add up: {format_count(len(found), 'discrepancy', 'discrepancies')}, first the "
        f"{first.check.replace('_', ' ')} of {account}: expected {first.expected:f}, found {first.found:f}"
    )


def _write(found: Statement, *, as_json: bool, as_csv: bool, silent: bool) -> None:
    if as_json:
        JsonWriter().write([found])
    elif as_csv:
        CsvWriter(StatementLine).write(statement_lines(found))
    elif not silent:
        print_statement(found)
