"""``capledger entries``: the ledger of one customer, or of a group."""

import asyncio
import sys
from typing import Final

from attrs import define

from capledger.cli import options
from capledger.cli.connection import open_session
from capledger.cli.exit_codes import reported, say, tell_warnings
from capledger.cli.helptexts import epilog
from capledger.cli.keywords import ledger_query
from capledger.cli.output import Writer, writer_for
from capledger.cli.tables import Column
from capledger.cli.texts import amount, amounts, moment, plain
from capledger.models import LedgerEntry, WalkReport
from capledger.queries import LedgerQuery
from capledger.session import LedgerSession
from capledger.walk import LedgerWalk

EPILOG = epilog(
    "capledger entries mobile 917406401004 --from 2026-01-01 --to 2026-07-01",
    "capledger entries externalId HB-0001 --order desc --limit 20",
    "capledger entries mobile 917406401004 --json | jq -r .net_points_on_event",
    connected=True,
)

#: Entries written at a time where they are counted one by one.
_BATCH: Final = 100
_SINGULAR: Final = {"entries": "entry", "requests": "request", "pages": "page"}


def entries(
    *,
    identifier_name: options.IdentifierName,
    identifier_value: options.IdentifierValue,
    start: options.Start = None,
    end: options.End = None,
    order: options.Order = "asc",
    limit: options.Limit = None,
    resume: options.Resume = None,
    source: options.Source = "INSTORE",
    account_id: options.AccountId = None,
    group: options.Group = False,
    include_alternate_currencies: options.AllCurrencies = None,
    alternate_currency_names: options.CurrencyNames = None,
    exclude_point_categories: options.NoPoints = None,
    till_ids: options.TillIds = None,
    store_id: options.StoreId = None,
    store_code: options.StoreCode = None,
    program_id: options.ProgramId = None,
    ledger_entry_type: options.EntryType = None,
    point_category_type: options.CategoryType = None,
    event_filter: options.EventFilter = None,
    roles: options.Roles = None,
    scope: options.Scope = None,
    details: options.Details = False,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
    page_size: options.PageSize = 100,
    rate: options.Rate = None,
) -> None:
    """Print a customer's ledger: every entry with --from <= date < --to, each once, in order.

    Dates are ISO 8601: 2026-01-31 or 2026-01-31T18:00:00, in the server's time
    unless they state an offset. Pages are printed as they come, and let go.
    A --resume needs the same customer, dates, order and filters again; --csv
    writes no header then.
    """
    given = dict(locals())
    reading = Reading(limit, details=details)
    with reported(reading.cursor):
        query = ledger_query(given, group=group)
        writer = writer_for(LedgerEntry, columns(query), as_json=as_json, as_csv=as_csv, header=resume is None)
        asyncio.run(reading.run(open_session(rate=rate), query, writer, resume))


def columns(query: LedgerQuery) -> list[Column[LedgerEntry]]:
    """What the table shows: alternate currencies if asked for, and as much else as there is room for."""
    currencies: Column[LedgerEntry] = Column(
        title="Currencies", cell=lambda entry: amounts(entry.net_alternate_currencies_on_event), narrowest=12
    )
    asked = query.include_alternate_currencies or query.alternate_currency_names
    return [
        Column(title="Entry", cell=lambda entry: str(entry.event_log_id)),
        Column(title="Date", cell=lambda entry: moment(entry.ledger_created_date)),
        Column(title="Event", cell=lambda entry: plain(entry.event_name), narrowest=12),
        Column(title="Points", cell=lambda entry: amount(entry.net_points_on_event), justify="right"),
        *([currencies] if asked else []),
        Column(title="Programme", cell=lambda entry: plain(entry.source_program_name), optional=True),
        Column(title="Store", cell=lambda entry: plain(entry.store), optional=True),
        Column(title="Bill", cell=_bill, optional=True),
    ]


def _bill(entry: LedgerEntry) -> str:
    return plain(entry.transaction_details.transaction_number if entry.transaction_details else None)


@define
class Reading:
    """One walk on its way to stdout; it knows where to go on when that ends early."""

    limit: int | None
    #: Whether each entry's event is to be fetched too.
    details: bool = False
    walk: LedgerWalk | None = None

    def cursor(self) -> str | None:
        """The place after the last entry written; None where there is none yet."""
        return self.walk.cursor if self.walk is not None and self.walk.report.rows_yielded else None

    async def run(
        self, session: LedgerSession, query: LedgerQuery, writer: Writer[LedgerEntry], resume: str | None
    ) -> None:
        """Walk, write, and say on stderr what there is to say."""
        async with session:
            pages = 4 if self.limit is None else min(4, -(-self.limit // query.page_size))
            self.walk = session.entries(query, prefetch=pages, resume_from=resume, details=self.details)
            if self.limit is None:
                async for page in self.walk.pages():
                    writer.write(page.entries)
            else:
                await self._write_some(self.walk, writer, self.limit)
            writer.write([])
        self._tell(self.walk)

    async def _write_some(self, walk: LedgerWalk, writer: Writer[LedgerEntry], limit: int) -> None:
        """Write up to the limit; whatever was taken from the walk is written, however this ends."""
        batch: list[LedgerEntry] = []
        try:
            async for entry in walk:
                batch.append(entry)
                if walk.report.rows_yielded == limit:
                    break
                if len(batch) == _BATCH:
                    writer.write(batch)
                    batch = []
        finally:
            writer.write(batch)

    def _tell(self, walk: LedgerWalk) -> None:
        tell_warnings(walk.report)
        if self.limit is not None and walk.report.rows_yielded == self.limit:
            say(f"stopped at --limit {self.limit}; go on with --resume {walk.cursor}")
        elif sys.stdout.isatty():
            say(summary(walk.report))


def summary(report: WalkReport) -> str:
    """What a walk took, in one line."""
    counts = [(report.rows_yielded, "entries"), (report.requests, "requests"), (report.pages, "pages")]
    texts = [f"{count:,} {name if count != 1 else _SINGULAR[name]}" for count, name in counts]
    return ", ".join([*texts, "complete" if report.complete else "not known to be complete"])
