"""``capledger entries``: the ledger of one customer, or of a group."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from attrs import define

from capledger.cli import options
from capledger.cli.connection import make_session
from capledger.cli.exit_codes import UsageError, exit_on_error, print_message, print_warnings
from capledger.cli.output import ResultWriter, make_writer
from capledger.cli.tables import TableColumn, format_count, format_currencies, format_date, format_points, printable
from capledger.errors import InvalidQueryError
from capledger.models import LedgerEntry, WalkReport
from capledger.queries import LedgerQuery
from capledger.session import LedgerSession
from capledger.walk import LedgerWalk

EPILOG = options.epilog(
    "capledger entries mobile 917406401004 --from 2026-01-01 --to 2026-07-01",
    "capledger entries externalId HB-0001 --order desc --limit 20",
    "capledger entries mobile 917406401004 --json | jq -r .net_points_on_event",
    connected=True,
)

#: Entries written together where they are counted one by one.
_BATCH: Final = 100
_PREFETCH: Final = 4


@options.accepts(options.LedgerOptions)
def entries(
    *,
    identifier_name: options.IdentifierName,
    identifier_value: options.IdentifierValue,
    start: options.Start = None,
    end: options.End = None,
    order: options.EntryOrder = "asc",
    limit: options.MaxEntries = None,
    resume: options.Resume = None,
    group: options.Group = False,
    details: options.WithEvents = False,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
    page_size: options.PageSize = 100,
    rate: options.Rate = None,
    **filters: Any,  # noqa: ANN401 - options of any type
) -> None:
    """Print a customer's ledger: every entry with --from <= date < --to, each once, in order.

    Dates are ISO 8601: 2026-01-31 or 2026-01-31T18:00:00, in the server's time
    unless they have an offset. Pages are printed as they arrive.
    --resume needs the same customer, dates, order and filters again; --csv
    writes no header then.
    """
    printer = EntryPrinter(limit, details=details)
    with exit_on_error(printer.hint):
        query = options.make_ledger_query(
            group=group,
            identifier_name=identifier_name,
            identifier_value=identifier_value,
            start=start,
            end=end,
            order=order,
            page_size=page_size,
            **filters,
        )
        writer = make_writer(LedgerEntry, entry_columns(query), as_json=as_json, as_csv=as_csv, header=resume is None)
        asyncio.run(printer.run(make_session(rate=rate), query, writer, resume))


def entry_columns(query: LedgerQuery) -> list[TableColumn[LedgerEntry]]:
    """Return the columns of the table: alternate currencies if the query includes them, others where they fit."""
    currencies: TableColumn[LedgerEntry] = TableColumn(
        title="Currencies", cell=lambda entry: format_currencies(entry.net_alternate_currencies_on_event)
    )
    included = query.include_alternate_currencies or query.alternate_currency_names
    return [
        TableColumn(title="Entry", cell=lambda entry: str(entry.event_log_id)),
        TableColumn(title="Date", cell=lambda entry: format_date(entry.ledger_created_date)),
        TableColumn(title="Event", cell=lambda entry: printable(entry.event_name), narrowest=12),
        TableColumn(title="Points", cell=lambda entry: format_points(entry.net_points_on_event), justify="right"),
        *([currencies] if included else []),
        TableColumn(title="Programme", cell=lambda entry: printable(entry.source_program_name), expendable=1),
        TableColumn(title="Store", cell=lambda entry: printable(entry.store), expendable=2),
        TableColumn(title="Bill", cell=_bill_number, expendable=3),
    ]


def _bill_number(entry: LedgerEntry) -> str:
    return printable(entry.transaction_details.transaction_number if entry.transaction_details else None)


@define
class EntryPrinter:
    """Writes one walk to stdout, and knows the position to resume from."""

    limit: int | None
    """Most entries to write; None for all of them."""
    details: bool = False
    """Whether to fetch each entry's event too."""
    written: tuple[str, int] | None = None
    """Cursor after the last entry written, and that entry's id."""
    interrupted_write: bool = False
    """Whether writing failed, so that part of an entry may have been written."""

    def hint(self) -> str | None:
        """Return how to go on after the last entry written, or None before the first."""
        if self.written is None:
            return None
        cursor, last = self.written
        repair = f"remove what follows entry {last} from the output and " if self.interrupted_write else ""
        return f"{repair}go on with --resume {cursor}"

    async def run(
        self, session: LedgerSession, query: LedgerQuery, writer: ResultWriter[LedgerEntry], resume: str | None
    ) -> None:
        """Walk and write, then print warnings and a summary on stderr."""
        async with session:
            pages = _PREFETCH if self.limit is None else min(_PREFETCH, -(-self.limit // query.page_size))
            walk = self._walk(session, query, pages, resume)
            if self.limit is None:
                async for page in walk.pages():
                    self._write(walk, writer, page.entries)
            else:
                await self._write_limited(walk, writer, self.limit)
            writer.write([])
        self._print_summary(walk)

    def _walk(self, session: LedgerSession, query: LedgerQuery, pages: int, resume: str | None) -> LedgerWalk:
        try:
            return session.entries(query, prefetch=pages, resume_from=resume, details=self.details)
        except InvalidQueryError as error:
            if "resume_from" not in error.message:
                raise
            raise UsageError(
                "--resume is not a cursor of this command: pass the one that it printed, with the same customer, "
                "dates, order and filters"
            ) from None

    async def _write_limited(self, walk: LedgerWalk, writer: ResultWriter[LedgerEntry], limit: int) -> None:
        """Write up to the limit; every entry taken from the walk is written, also after an error."""
        batch: list[LedgerEntry] = []
        try:
            async for entry in walk:
                batch.append(entry)
                if walk.report.rows_yielded == limit:
                    break
                if len(batch) == _BATCH:
                    self._write(walk, writer, batch)
                    batch = []
        finally:
            self._write(walk, writer, batch)

    def _write(self, walk: LedgerWalk, writer: ResultWriter[LedgerEntry], entries: Sequence[LedgerEntry]) -> None:
        if self.interrupted_write or not entries:
            return
        self.interrupted_write = True
        writer.write(entries)
        self.interrupted_write = False
        self.written = walk.cursor, entries[-1].event_log_id

    def _print_summary(self, walk: LedgerWalk) -> None:
        print_warnings(walk.report)
        if self.limit is not None and walk.report.rows_yielded == self.limit:
            print_message(f"stopped at --limit {self.limit}; go on with --resume {walk.cursor}")
        else:
            print_message(format_report(walk.report))


def format_report(report: WalkReport) -> str:
    """Return the counts of a walk in one line."""
    counts = [
        format_count(report.rows_yielded, "entry", "entries"),
        format_count(report.requests, "request"),
        format_count(report.pages, "page"),
    ]
    return ", ".join([*counts, "complete" if report.complete else "not known to be complete"])
