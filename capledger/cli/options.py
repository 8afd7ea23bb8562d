"""The options of ``entries`` and ``events``: each is named like the keyword of the query that it fills."""

from datetime import datetime
from typing import Annotated, Literal

import typer

from capledger.cli.values import read_moment, read_scope
from capledger.queries import OrgScope

_PART, _WHICH, _HOW, _WHAT = "Which part", "Which entries", "How", "What of them"

IdentifierName = Annotated[
    str,
    typer.Argument(metavar="IDENTIFIER_NAME", help="Kind of identifier: mobile, email, id, externalId, groupId, ..."),
]
IdentifierValue = Annotated[str, typer.Argument(metavar="IDENTIFIER_VALUE", help="The identifier itself.")]

Start = Annotated[
    datetime | None,
    typer.Option("--from", parser=read_moment, metavar="DATE", rich_help_panel=_PART, help="First moment wanted."),
]
End = Annotated[
    datetime | None,
    typer.Option("--to", parser=read_moment, metavar="DATE", rich_help_panel=_PART, help="First moment not wanted."),
]
Order = Annotated[Literal["asc", "desc"], typer.Option(rich_help_panel=_PART, help="Oldest or newest first.")]
Limit = Annotated[
    int | None, typer.Option(min=1, metavar="N", rich_help_panel=_PART, help="Stop after so many entries.")
]
Resume = Annotated[
    str | None,
    typer.Option(metavar="CURSOR", rich_help_panel=_PART, help="Go on where the same command stopped."),
]

Source = Annotated[
    str, typer.Option(rich_help_panel=_WHICH, help="Where the customer registered: INSTORE, ECOMMERCE, ALL, ...")
]
AccountId = Annotated[
    str | None, typer.Option(metavar="ID", rich_help_panel=_WHICH, help="For sources that have several accounts.")
]
Group = Annotated[bool, typer.Option("--group", rich_help_panel=_WHICH, help="The ledger of a user group.")]
AllCurrencies = Annotated[
    bool | None,
    typer.Option("--include-alternate-currencies", "-a", rich_help_panel=_WHICH, help="All of them, beside points."),
]
CurrencyNames = Annotated[
    list[str] | None,
    typer.Option("--alternate-currency", metavar="NAME", rich_help_panel=_WHICH, help="This one; may be repeated."),
]
NoPoints = Annotated[
    bool | None,
    typer.Option("--exclude-point-categories", rich_help_panel=_WHICH, help="Alternate currencies alone."),
]
TillIds = Annotated[
    list[int] | None,
    typer.Option("--till-id", metavar="ID", rich_help_panel=_WHICH, help="One till; may be repeated."),
]
StoreId = Annotated[int | None, typer.Option(metavar="ID", rich_help_panel=_WHICH, help="One store, by its id.")]
StoreCode = Annotated[str | None, typer.Option(metavar="CODE", rich_help_panel=_WHICH, help="One store, by its code.")]
ProgramId = Annotated[int | None, typer.Option(metavar="ID", rich_help_panel=_WHICH, help="One programme.")]
EntryType = Annotated[
    str | None, typer.Option(metavar="TYPE", rich_help_panel=_WHICH, help="CREDIT, DEBIT or OPENING_BALANCE.")
]
CategoryType = Annotated[
    str | None, typer.Option(metavar="TYPE", rich_help_panel=_WHICH, help="REGULAR, PROMISED or TRIGGER_BASED.")
]
EventFilter = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", rich_help_panel=_WHICH, help="TransactionAdd, ... (with --scope); may be repeated."),
]
Roles = Annotated[
    list[str] | None,
    typer.Option("--role", metavar="ROLE", rich_help_panel=_WHICH, help="Of a group's members; may be repeated."),
]
Scope = Annotated[
    OrgScope | None,
    typer.Option(
        parser=read_scope,
        metavar="SCOPE",
        rich_help_panel=_WHICH,
        help="Connected organisations (v2.1): own, all, or one or two ids, as 50405,50406.",
    ),
]

EventIds = Annotated[
    list[str] | None,
    typer.Option("--id", metavar="ID", rich_help_panel=_WHICH, help="An entry's event_log_id; may be repeated."),
]
EventName = Annotated[
    str | None,
    typer.Option(metavar="NAME", rich_help_panel=_WHICH, help="TransactionAdd, ReturnBill or GenericEvent."),
]
References = Annotated[
    list[str] | None,
    typer.Option("--reference", metavar="REF", rich_help_panel=_WHICH, help="Its bill's id; may be repeated."),
]
Type = Annotated[
    str | None, typer.Option(metavar="TYPE", rich_help_panel=_WHICH, help="CUSTOMER, or USERGROUP2 for a group.")
]
Bill = Annotated[bool | None, typer.Option("--bill", rich_help_panel=_WHAT, help="Bill number, amount, line items.")]
Earned = Annotated[
    bool | None, typer.Option("--points-earned", rich_help_panel=_WHAT, help="Points by category and strategy.")
]
CustomFields = Annotated[
    bool | None, typer.Option("--custom-fields", rich_help_panel=_WHAT, help="Custom fields of the brand.")
]
ExtendedFields = Annotated[
    bool | None, typer.Option("--extended-fields", rich_help_panel=_WHAT, help="Extended fields of the brand.")
]
MaxConversion = Annotated[
    bool | None, typer.Option("--max-conversion", rich_help_panel=_WHAT, help="The last conversion date.")
]
Payment = Annotated[bool | None, typer.Option("--payment-modes", rich_help_panel=_WHAT, help="Means of payment.")]

Details = Annotated[
    bool, typer.Option("--details", rich_help_panel=_HOW, help="Each entry's event too, in --json and --csv.")
]
Json = Annotated[bool, typer.Option("--json", rich_help_panel=_HOW, help="One JSON object a line, amounts as text.")]
Csv = Annotated[bool, typer.Option("--csv", rich_help_panel=_HOW, help="A header, a row each; what is nested as JSON.")]
PageSize = Annotated[int, typer.Option(min=1, metavar="N", rich_help_panel=_HOW, help="Entries asked for at a time.")]
Rate = Annotated[
    int | None, typer.Option(min=1, metavar="N", rich_help_panel=_HOW, help="Your limit in requests a minute.")
]
