"""``capledger check-books``: whether the ledgers of a backfill add up; needs no service."""

import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from capledger.cli import options
from capledger.cli.exit_codes import (
    DISCREPANT,
    FAILED,
    LOCKED,
    exit_on_error,
    exit_with,
    print_message,
    writing_to_stdout,
)
from capledger.cli.tables import StdoutConsole, StreamingTable, TableColumn, format_balance, format_count, printable

if TYPE_CHECKING:
    from capledger.backfill import CustomerDiscrepancy, DirectoryCheck
    from capledger.backfill.book_checks import WrittenDiscrepancies

EPILOG = options.epilog(
    "capledger check-books ledgers",
    "capledger check-books ledgers --non-negative 4110 --json | jq .discrepancies",
    connected=False,
    codes={DISCREPANT: "books do not add up; see DIR/discrepancies.csv", LOCKED: "another process uses DIR"},
)

Filtered = Annotated[bool, typer.Option("--filtered", help="Do not check nets; implied by filters of the backfill.")]
NonNegative = Annotated[
    list[int] | None, typer.Option(metavar="ID", help="A programme that forbids balances below zero; repeatable.")
]


def check_books(
    *,
    directory: options.JobDirectory,
    filtered: Filtered = False,
    non_negative: NonNegative = None,
    as_json: options.JsonResult = False,
) -> None:
    """Check the ledgers of a backfill in DIR: nets, balances, transfers.

    The net of each entry must be the sum of its details within the service's
    rounding, the sides of transfers and reversals must match, and entries must
    lead to the balances of the service (of a backfill with --balances). The first
    1,000 discrepancies are printed; DIR/discrepancies.csv has all of them.
    """
    from capledger.backfill import (  # noqa: PLC0415 - help does not need it
        DamagedFilesError,
        DirectoryInUseError,
        check_directory,
    )
    from capledger.backfill.book_checks import write_discrepancies  # noqa: PLC0415 - help does not need it

    with exit_on_error():
        try:
            check = check_directory(directory, filtered=filtered, non_negative=non_negative or ())
            written = write_discrepancies(directory, check)
        except DirectoryInUseError as error:
            exit_with(LOCKED, str(error))
        except DamagedFilesError as error:
            exit_with(FAILED, f"{error}; capledger backfill --repair fetches their customers again")
        with writing_to_stdout():
            _print(written, check, as_json=as_json)
        balances = f" and {format_count(check.balances, 'balance')}" if check.balances else ""
        entries = f"{format_count(check.entries, 'entry', 'entries')}{balances}"
        read = f"{entries} of {format_count(check.customers, 'customer')}"
        if written.errors:
            errors = format_count(written.errors, "discrepancy", "discrepancies")
            exit_with(DISCREPANT, f"{errors} in {read}: see {written.path}")
        print_message(f"the books add up: {read}")


def _print(written: "WrittenDiscrepancies", check: "DirectoryCheck", *, as_json: bool) -> None:
    if as_json:
        counts = {"customers": check.customers, "entries": check.entries, "balances": check.balances}
        counts |= {"errors": written.errors, "notices": written.notices}
        content = {**counts, "discrepancies": list(_as_json(written.first))}
        sys.stdout.write(msgspec.json.encode(content).decode() + "\n")
    elif written.first:
        StreamingTable(StdoutConsole(), _columns()).add(written.first)
    sys.stdout.flush()


def _as_json(found: "list[CustomerDiscrepancy]") -> Iterator[dict[str, object]]:
    for item in found:
        discrepancy, account = item.discrepancy, item.discrepancy.account
        yield {
            "identifier_name": item.identifier_name,
            "identifier_value": item.identifier_value,
            "check": discrepancy.check,
            "program_id": account and account.program_id,
            "points_category": account and account.points_category,
            "alternate_currency_name": account and account.alternate_currency_name,
            "expected": discrepancy.expected,
            "found": discrepancy.found,
            "event_log_ids": list(dict.fromkeys(movement.event_log_id for movement in discrepancy.near)),
            "is_notice": discrepancy.is_notice,
        }


def _columns() -> "list[TableColumn[CustomerDiscrepancy]]":
    return [
        TableColumn(title="Customer", cell=lambda item: printable(item.identifier_value or "several")),
        TableColumn(title="Check", cell=_check_name),
        TableColumn(title="Entry", cell=_entry_of),
        TableColumn(title="Programme", cell=_programme, narrowest=9, expendable=1),
        TableColumn(title="Expected", cell=lambda item: _amount(item.discrepancy.expected), justify="right"),
        TableColumn(title="Found", cell=lambda item: _amount(item.discrepancy.found), justify="right"),
    ]


def _amount(value: Decimal) -> str:
    """Return an amount without the zeros that a column adds: with three decimals, or as many as it needs."""
    whole, _, decimals = format_balance(value).partition(".")
    return f"{whole}.{decimals.rstrip('0'):0<3}"


def _check_name(item: "CustomerDiscrepancy") -> str:
    name = item.discrepancy.check.replace("_", " ")
    return f"{name} (notice)" if item.discrepancy.is_notice else name


def _entry_of(item: "CustomerDiscrepancy") -> str:
    near = item.discrepancy.near
    return str(near[-1].event_log_id) if near else ""


def _programme(item: "CustomerDiscrepancy") -> str:
    account = item.discrepancy.account
    return printable(account.program_name if account else "several")
