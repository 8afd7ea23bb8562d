"""``capledger events``: what is behind the entries of a ledger."""

import asyncio
from typing import Final

from capledger.cli import options
from capledger.cli.connection import open_session
from capledger.cli.exit_codes import reported, say, tell_warnings
from capledger.cli.helptexts import epilog
from capledger.cli.keywords import given_keywords
from capledger.cli.output import Writer, writer_for
from capledger.cli.tables import Column
from capledger.cli.texts import moment, money, plain
from capledger.models import LedgerEvent
from capledger.queries import EventDetailsQuery
from capledger.session import LedgerSession
from capledger.walk import EventWalk

EPILOG = epilog(
    "capledger events mobile 917406401004 --id 5000640 --id 5000639 --bill",
    "capledger events mobile 917406401004 --event-name TransactionAdd --reference 805000640",
    "capledger events mobile 917406401004 --id 5000640 --bill --json | jq .bill_details",
    connected=True,
)

#: Events written at a time: as many as one request brings.
_BATCH: Final = 10


def events(
    *,
    identifier_name: options.IdentifierName,
    identifier_value: options.IdentifierValue,
    event_ids: options.EventIds = None,
    event_name: options.EventName = None,
    event_reference_ids: options.References = None,
    source: options.Source = "INSTORE",
    account_id: options.AccountId = None,
    type: options.Type = None,  # noqa: A002  (the query's keyword)
    include_alternate_currencies: options.AllCurrencies = None,
    alternate_currency_names: options.CurrencyNames = None,
    scope: options.Scope = None,
    get_bill_details: options.Bill = None,
    get_points_earned_breakup: options.Earned = None,
    get_custom_fields: options.CustomFields = None,
    get_extended_fields: options.ExtendedFields = None,
    get_max_conversion_details: options.MaxConversion = None,
    get_payment_modes: options.Payment = None,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
    rate: options.Rate = None,
) -> None:
    """Print events in full: by the ids that a ledger's entries state, or by name and references.

    Any number of them, in the order given. What the service has no details of is
    named on stderr.
    """
    given = dict(locals())
    with reported():
        query = EventDetailsQuery(**given_keywords(given, EventDetailsQuery))
        writer = writer_for(LedgerEvent, columns(), as_json=as_json, as_csv=as_csv)
        asyncio.run(_run(open_session(rate=rate), query, writer))


def columns() -> list[Column[LedgerEvent]]:
    """What the table shows; --json has all of it."""
    return [
        Column(title="Event", cell=lambda event: str(event.event_log_id)),
        Column(
            title="Date", cell=lambda event: moment(event.event_details.event_time if event.event_details else None)
        ),
        Column(title="Kind", cell=lambda event: plain(event.event_name), narrowest=12),
        Column(title="Bill", cell=lambda event: plain(event.bill_details and event.bill_details.bill_number)),
        Column(
            title="Amount",
            cell=lambda event: money(event.bill_details.bill_amount if event.bill_details else None),
            justify="right",
        ),
        Column(title="Notes", cell=lambda event: plain(event.notes), narrowest=5, optional=True),
    ]


async def _run(session: LedgerSession, query: EventDetailsQuery, writer: Writer[LedgerEvent]) -> None:
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
    _tell(walk)


def _tell(walk: EventWalk) -> None:
    tell_warnings(walk.report)
    numbers = [str(key) for key in walk.missing if isinstance(key, int)]
    if numbers:
        say(f"no details of {', '.join(numbers)}")
    elif walk.missing:
        say(f"no details of {len(walk.missing)} of the references")
