"""``capledger events``: details of the events behind a ledger's entries."""

import asyncio
from typing import Any, Final

from capledger.cli import options
from capledger.cli.connection import make_session
from capledger.cli.exit_codes import UsageError, exit_on_error, print_message, print_warnings
from capledger.cli.output import ResultWriter, make_writer
from capledger.cli.tables import TableColumn, format_date, format_money, printable
from capledger.events import EventWalk
from capledger.models import LedgerEvent
from capledger.queries import EventDetailsQuery
from capledger.session import LedgerSession

EPILOG = options.epilog(
    "capledger events mobile 917406401004 --id 5000640 --id 5000639 --bill",
    "capledger events mobile 917406401004 --event-name TransactionAdd --reference 805000640",
    "capledger events mobile 917406401004 --id 5000640 --bill --json | jq .bill_details",
    connected=True,
)

#: Events written together: as many as one response holds.
_BATCH: Final = 10


@options.accepts(options.EventOptions)
def events(
    *,
    identifier_name: options.IdentifierName,
    identifier_value: options.IdentifierValue,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
    rate: options.Rate = None,
    **choice: Any,  # noqa: ANN401 - options of any type
) -> None:
    """Print events in full: by the ids in a ledger's entries, or by name and references.

    Any number of them, in the order given. Those that the service has no details
    of are named on stderr.
    """
    with exit_on_error():
        if not choice.keys() & {"event_ids", "event_name", "event_reference_ids"}:
            raise UsageError("no event is named: give --id, or --event-name with --reference")
        query = EventDetailsQuery(identifier_name=identifier_name, identifier_value=identifier_value, **choice)
        writer = make_writer(LedgerEvent, event_columns(), as_json=as_json, as_csv=as_csv)
        asyncio.run(_run(make_session(rate=rate), query, writer))


def event_columns() -> list[TableColumn[LedgerEvent]]:
    """Return the columns of the table; --json has all fields."""
    return [
        TableColumn(title="Event", cell=lambda event: str(event.event_log_id)),
        TableColumn(title="Date", cell=_event_date),
        TableColumn(title="Kind", cell=lambda event: printable(event.event_name), narrowest=12),
        TableColumn(title="Bill", cell=lambda event: printable(event.bill_details and event.bill_details.bill_number)),
        TableColumn(title="Amount", cell=_bill_amount, justify="right"),
        TableColumn(title="Notes", cell=lambda event: printable(event.notes), narrowest=5, expendable=1),
    ]


def _event_date(event: LedgerEvent) -> str:
    return format_date(event.event_details.event_time if event.event_details else None)


def _bill_amount(event: LedgerEvent) -> str:
    return format_money(event.bill_details.bill_amount if event.bill_details else None)


async def _run(session: LedgerSession, query: EventDetailsQuery, writer: ResultWriter[LedgerEvent]) -> None:
    async with session:
        walk = session.events(query)
        batch: list[LedgerEvent] = []
        try:
            async for event in walk:
                batch.append(event)
                if len(batch) == _BATCH:
                    writer.write(batch)
                    batch = []
        finally:
            writer.write(batch)
        writer.write([])
    print_warnings(walk.report)
    _print_missing(walk)


def _print_missing(walk: EventWalk) -> None:
    numbers = [str(key) for key in walk.missing if isinstance(key, int)]
    if numbers:
        print_message(f"no details of {', '.join(numbers)}")
    elif walk.missing:
        print_message(f"no details of {len(walk.missing)} of the references")
