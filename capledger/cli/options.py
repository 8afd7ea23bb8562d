"""Options and help texts that several commands share.

The options in the two mappings are named like the keywords of the query that they fill.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict, get_type_hints

import typer
from attrs import fields

from capledger.cli.exit_codes import UsageError, option_name
from capledger.queries import CustomerLedgerQuery, GroupLedgerQuery, LedgerQuery, OrgScope

Command = Callable[..., None]

_RANGE, _FILTER, _OUTPUT, _CONTENT = "Range", "Which entries", "How", "Parts of an event"
#: A panel of its own, in which the longest name of an option fits 80 columns.
_CURRENCIES = "Currencies"


def parse_date(text: str) -> datetime:
    """Return a day or a moment in ISO 8601; without an offset it is in the server's time."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("not a date: such as 2026-01-31, 2026-01-31T18:00:00 or ...T18:00:00+05:30") from None


def parse_flag(text: str) -> bool:
    """Return the boolean of ``true`` or ``false``."""
    values = {"true": True, "false": False}
    if text.lower() not in values:
        raise typer.BadParameter("not true or false")
    return values[text.lower()]


def parse_scope(text: str) -> OrgScope:
    """Return the scope for ``own``, ``all``, or one or two organisation ids."""
    match text:
        case "own":
            return OrgScope.own()
        case "all":
            return OrgScope.all()
    try:
        return OrgScope.other(*(int(number) for number in text.split(",")))
    except ValueError:
        raise typer.BadParameter("not a scope: own, all, or one or two ids such as 50405,50406") from None


def parse_directory(text: str) -> Path:
    """Return the path; an empty one would be the current directory, which nobody means."""
    if not text.strip():
        raise typer.BadParameter("it is empty: name a directory")
    if "://" in text:
        raise typer.BadParameter("it is a URL: name a directory")
    path = Path(text)
    try:
        found = next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
        if not found.is_dir():
            what = "it is a file" if found == path else f"{found.name} is a file"
            raise typer.BadParameter(f"{what}: name a directory")
    except OSError as error:
        raise typer.BadParameter(f"{error.strerror}: name a directory") from None
    return path


JobDirectory = Annotated[Path, typer.Argument(parser=parse_directory, metavar="DIR", help="Directory of a backfill.")]
IdentifierName = Annotated[
    str,
    typer.Argument(metavar="IDENTIFIER_NAME", help="Kind of identifier: mobile, email, id, externalId, groupId, ..."),
]
IdentifierValue = Annotated[str, typer.Argument(metavar="IDENTIFIER_VALUE", help="The identifier.")]
Start = Annotated[
    datetime | None,
    typer.Option("--from", parser=parse_date, metavar="DATE", rich_help_panel=_RANGE, help="Start, included."),
]
End = Annotated[
    datetime | None,
    typer.Option("--to", parser=parse_date, metavar="DATE", rich_help_panel=_RANGE, help="End, not included."),
]
EntryOrder = Annotated[Literal["asc", "desc"], typer.Option(rich_help_panel=_RANGE, help="Oldest or newest first.")]
MaxEntries = Annotated[
    int | None, typer.Option(min=1, metavar="N", rich_help_panel=_RANGE, help="Stop after this many entries.")
]
Resume = Annotated[
    str | None,
    typer.Option(metavar="CURSOR", rich_help_panel=_RANGE, help="Go on where the same command stopped."),
]
Group = Annotated[bool, typer.Option("--group", rich_help_panel=_FILTER, help="The ledger of a user group.")]
WithEvents = Annotated[
    bool, typer.Option("--details", rich_help_panel=_OUTPUT, help="Add each entry's event, in --json and --csv.")
]
Json = Annotated[
    bool, typer.Option("--json", rich_help_panel=_OUTPUT, help="One JSON object a line, amounts as strings.")
]
JsonResult = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Csv = Annotated[
    bool, typer.Option("--csv", rich_help_panel=_OUTPUT, help="A header and a row each; nested values as JSON.")
]
PageSize = Annotated[int, typer.Option(min=1, metavar="N", rich_help_panel=_OUTPUT, help="Entries per request.")]
Rate = Annotated[
    int | None, typer.Option(min=1, metavar="N", rich_help_panel=_OUTPUT, help="Your limit in requests a minute.")
]


class SubjectOptions(TypedDict, total=False):
    """Options of every query."""

    source: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            rich_help_panel=_FILTER,
            help="Where the customer registered: INSTORE (the default), ECOMMERCE, ALL, ...",
        ),
    ]
    account_id: Annotated[
        str | None, typer.Option(metavar="ID", rich_help_panel=_FILTER, help="For sources that have several accounts.")
    ]
    include_alternate_currencies: Annotated[
        bool | None,
        typer.Option("--include-alternate-currencies", "-a", rich_help_panel=_CURRENCIES, help="All, with points."),
    ]
    alternate_currency_names: Annotated[
        list[str] | None,
        typer.Option("--alternate-currency", metavar="NAME", rich_help_panel=_CURRENCIES, help="This one; repeatable."),
    ]
    scope: Annotated[
        OrgScope | None,
        typer.Option(
            parser=parse_scope,
            metavar="SCOPE",
            rich_help_panel=_FILTER,
            help="Connected organisations (v2.1): own, all, or one or two ids, as 50405,50406.",
        ),
    ]


class LedgerOptions(SubjectOptions, total=False):
    """Options that filter a ledger."""

    type: Annotated[
        str | None,
        typer.Option(metavar="TYPE", rich_help_panel=_FILTER, help="CUSTOMER; of a group USERGROUP2 or FLEET."),
    ]
    exclude_point_categories: Annotated[
        bool | None,
        typer.Option("--exclude-point-categories", rich_help_panel=_CURRENCIES, help="Without points."),
    ]
    till_ids: Annotated[
        list[int] | None, typer.Option("--till-id", metavar="ID", rich_help_panel=_FILTER, help="One till; repeatable.")
    ]
    store_id: Annotated[int | None, typer.Option(metavar="ID", rich_help_panel=_FILTER, help="One store, by its id.")]
    store_code: Annotated[
        str | None, typer.Option(metavar="CODE", rich_help_panel=_FILTER, help="One store, by its code.")
    ]
    program_id: Annotated[int | None, typer.Option(metavar="ID", rich_help_panel=_FILTER, help="One programme.")]
    is_filter_based_on_date: Annotated[
        Any,
        typer.Option(
            parser=parse_flag, metavar="BOOL", rich_help_panel=_RANGE, help="true or false: whether dates apply."
        ),
    ]
    include_last_one_year_data: Annotated[
        bool | None,
        typer.Option(
            "--include-last-one-year-data",
            rich_help_panel=_RANGE,
            help="A year for one date; a walk sends both.",
        ),
    ]
    include_till_concept_events: Annotated[
        bool | None,
        typer.Option(
            "--include-till-concept-events",
            rich_help_panel=_FILTER,
            help="Deductions at tills of the programme's concept too; needs --program-id.",
        ),
    ]
    include_concept_details: Annotated[
        bool | None,
        typer.Option("--include-concept-details", rich_help_panel=_FILTER, help="Add each entry's concept."),
    ]
    is_primary_user: Annotated[
        bool | None,
        typer.Option("--is-primary-user", rich_help_panel=_FILTER, help="The primary member of a group (v2.1)."),
    ]
    exclude_events: Annotated[
        list[str] | None,
        typer.Option("--exclude-event", metavar="NAME", rich_help_panel=_FILTER, help="Not these; repeatable (v2.1)."),
    ]
    ledger_entry_type: Annotated[
        str | None, typer.Option(metavar="TYPE", rich_help_panel=_FILTER, help="CREDIT, DEBIT or OPENING_BALANCE.")
    ]
    point_category_type: Annotated[
        str | None, typer.Option(metavar="TYPE", rich_help_panel=_FILTER, help="REGULAR, PROMISED or TRIGGER_BASED.")
    ]
    event_filter: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", rich_help_panel=_FILTER, help="TransactionAdd, ... (with --scope); repeatable."),
    ]
    roles: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", rich_help_panel=_FILTER, help="Of a group's members; repeatable."),
    ]


class EventOptions(SubjectOptions, total=False):
    """Options that choose events, and what is returned of them."""

    event_ids: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="ID", rich_help_panel=_FILTER, help="An entry's event_log_id; repeatable."),
    ]
    event_name: Annotated[
        str | None,
        typer.Option(metavar="NAME", rich_help_panel=_FILTER, help="TransactionAdd, ReturnBill or GenericEvent."),
    ]
    event_reference_ids: Annotated[
        list[str] | None,
        typer.Option("--reference", metavar="REF", rich_help_panel=_FILTER, help="The bill's id; repeatable."),
    ]
    type: Annotated[
        str | None, typer.Option(metavar="TYPE", rich_help_panel=_FILTER, help="CUSTOMER, or USERGROUP2 for a group.")
    ]
    get_bill_details: Annotated[
        bool | None, typer.Option("--bill", rich_help_panel=_CONTENT, help="Bill number, amount, line items.")
    ]
    get_points_earned_breakup: Annotated[
        bool | None, typer.Option("--points-earned", rich_help_panel=_CONTENT, help="Points by category and strategy.")
    ]
    get_custom_fields: Annotated[
        bool | None, typer.Option("--custom-fields", rich_help_panel=_CONTENT, help="Custom fields of the brand.")
    ]
    get_extended_fields: Annotated[
        bool | None, typer.Option("--extended-fields", rich_help_panel=_CONTENT, help="Extended fields of the brand.")
    ]
    get_max_conversion_details: Annotated[
        bool | None, typer.Option("--max-conversion", rich_help_panel=_CONTENT, help="The last conversion date.")
    ]
    get_payment_modes: Annotated[
        bool | None, typer.Option("--payment-modes", rich_help_panel=_CONTENT, help="Means of payment.")
    ]


def accepts(options: type) -> Callable[[Command], Command]:
    """Return a decorator that adds the options of a mapping to a command; those given arrive as ``**keywords``."""
    declared = get_type_hints(options, include_extras=True)
    added = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=kind) for name, kind in declared.items()]

    def decorate(command: Command) -> Command:
        own = [
            item
            for item in signature(command, eval_str=True).parameters.values()
            if item.kind is not Parameter.VAR_KEYWORD
        ]

        @wraps(command)
        def call(**values: Any) -> None:  # noqa: ANN401 - options of any type
            command(**{name: value for name, value in values.items() if not (name in declared and _is_absent(value))})

        call.__signature__ = signature(command).replace(parameters=[*own, *added])  # type: ignore[attr-defined]  # read by inspect
        call.__annotations__ = {item.name: item.annotation for item in (*own, *added)}
        return call

    return decorate


def _is_absent(value: object) -> bool:
    return value is None or value == []


def customer_keywords(*, till_ids: list[int] | None = None, **keywords: Any) -> dict[str, Any]:  # noqa: ANN401 - options of any type
    """Return the keywords of queries for the options of ``backfill``, alternate currencies included by default."""
    if not keywords.get("alternate_currency_names"):
        keywords["include_alternate_currencies"] = True
    return keywords | _till_keywords(till_ids)


def _till_keywords(till_ids: list[int] | None) -> dict[str, Any]:
    if till_ids is None:
        return {}
    return {"till_id": till_ids[0]} if len(till_ids) == 1 else {"till_ids": till_ids}


def make_ledger_query(*, group: bool = False, till_ids: list[int] | None = None, **keywords: Any) -> LedgerQuery:  # noqa: ANN401 - options of any type
    """
    Return the query for the options of ``entries``.

    Raises:
        UsageError: an option does not apply to groups.
        InvalidQueryError: the values contradict each other.
    """
    keywords |= _till_keywords(till_ids)
    if not group:
        return CustomerLedgerQuery(**keywords)
    foreign = keywords.keys() - {item.name for item in fields(GroupLedgerQuery)}
    if foreign:
        raise UsageError(f"{option_name(min(foreign))} is not for groups")
    return GroupLedgerQuery(**keywords)


def paragraph(title: str, lines: list[str]) -> str:
    """Return a title with lines below it, in rich's markup; typer keeps each on a line of its own."""
    return "\n".join([f"[bold]{title}[/bold]", *(f"  {line}" for line in lines)])


CONNECTION = paragraph(
    "Environment",
    [
        "CAPLEDGER_BASE_URL    the cluster, such as https://eu.api.capillarytech.com",
        "CAPLEDGER_TIMEZONE    zone of the server's clock, such as Asia/Kolkata;",
        "                      not needed for clusters in India and Europe",
        "CAPLEDGER_USERNAME    a till's name, with its CAPLEDGER_PASSWORD",
        "CAPLEDGER_CLIENT_KEY  or an OAuth client's, with CAPLEDGER_CLIENT_SECRET",
    ],
)
_EXIT_CODES = {
    0: "done",
    1: "failed; one line on stderr says why, and where to go on",
    2: "the command line or the environment is wrong",
    130: "interrupted (Ctrl-C)",
}


def exit_code_help(own: dict[int, str] | None = None) -> str:
    """Return the exit codes of a command, those of its own included."""
    codes = sorted((_EXIT_CODES | (own or {})).items())
    return paragraph("Exit codes", [f"{code:<4} {meaning}" for code, meaning in codes])


def epilog(*commands: str, connected: bool, codes: dict[int, str] | None = None) -> str:
    """Return what the help shows below the options: examples, the environment where it counts, the exit codes."""
    examples = paragraph("Examples", [f"[cyan]{command}[/cyan]" for command in commands])
    return "\n\n".join([examples, *([CONNECTION] if connected else []), exit_code_help(codes)])
