"""``capledger balance``: the balances of a customer, now or at a moment."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

import typer

from capledger.cli import options
from capledger.cli.connection import make_session
from capledger.cli.exit_codes import exit_on_error, print_message, print_warnings
from capledger.cli.output import ResultWriter, make_writer
from capledger.cli.tables import TableColumn, format_balance, printable
from capledger.models import Balance
from capledger.queries import BalanceQuery
from capledger.session import LedgerSession

EPILOG = options.epilog(
    "capledger balance mobile 917406401004",
    "capledger balance mobile 917406401004 --at 2026-07-01 --json | jq -r .closing_balance",
    connected=True,
)

At = Annotated[
    datetime | None,
    typer.Option("--at", parser=options.parse_date, metavar="DATE", help="At this moment; a day is its midnight."),
]


@options.accepts(options.SubjectOptions)
def balance(
    *,
    identifier_name: options.IdentifierName,
    identifier_value: options.IdentifierValue,
    at: At = None,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
    rate: options.Rate = None,
    **filters: Any,  # noqa: ANN401 - options of any type
) -> None:
    """Print a customer's balances, by programme, category and currency.

    They are the service's own, now or with --at. All alternate currencies are
    included, or those of --alternate-currency.
    """
    with exit_on_error():
        query = BalanceQuery(
            identifier_name=identifier_name,
            identifier_value=identifier_value,
            at=at,
            **options.customer_keywords(**filters),
        )
        writer = make_writer(Balance, balance_columns(), as_json=as_json, as_csv=as_csv)
        asyncio.run(_run(make_session(rate=rate), query, writer))


def balance_columns() -> list[TableColumn[Balance]]:
    """Return the columns of the table."""
    return [
        TableColumn(title="Programme", cell=lambda item: printable(item.program_name), narrowest=9),
        TableColumn(title="Category", cell=lambda item: printable(item.points_category), narrowest=8),
        TableColumn(title="Currency", cell=lambda item: printable(item.alternate_currency_name or "points")),
        TableColumn(title="Balance", cell=lambda item: format_balance(item.closing_balance), justify="right"),
    ]


async def _run(session: LedgerSession, query: BalanceQuery, writer: ResultWriter[Balance]) -> None:
    async with session:
        walk = session.balances(query)
        balances = await walk.collect()
    writer.write(balances)
    print_warnings(walk.report)
    if not balances:
        print_message("the customer has no balances")
