"""A statement as tables and sparklines for a terminal, and as rows."""

from __future__ import annotations

import sys
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from attrs import frozen
from rich.text import Text

from capledger.books.movements import add
from capledger.cli.exit_codes import writing_to_stdout
from capledger.cli.tables import (
    StdoutConsole,
    StreamingTable,
    TableColumn,
    format_balance,
    format_date,
    format_points,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from capledger.books import AccountStatement, LedgerAccount, RunningBalance, Statement

_BARS: Final = "▁▂▃▄▅▆▇█"
#: Most characters of a sparkline.
_SPARKLINE_WIDTH: Final = 40
#: Short names of the documented categories; "Main", which can be redeemed, has none.
_CATEGORIES: Final = {
    "Main": "",
    "DelayedAccrualPointCategory": "promised",
    "ExternalTriggerBasedPointCategory": "trigger-based",
}


@frozen
class StatementLine:
    """One movement of a statement as a row."""

    date: datetime
    event_log_id: int
    event_name: str
    ledger_entry_type: str | None
    program_id: int | None
    program_name: str | None
    points_category: str | None
    alternate_currency_name: str | None
    amount: Decimal
    balance: Decimal


def statement_lines(statement: Statement) -> list[StatementLine]:
    """Return a row per movement."""
    return [_line(item) for item in statement.movements]


def _line(item: RunningBalance) -> StatementLine:
    movement, account = item.movement, item.movement.account
    return StatementLine(
        movement.date,
        movement.event_log_id,
        movement.event_name,
        movement.ledger_entry_type,
        account.program_id,
        account.program_name,
        account.points_category,
        account.alternate_currency_name,
        movement.amount,
        item.balance,
    )


def is_used(account: AccountStatement) -> bool:
    """Return whether an account has anything to show: a balance or a movement."""
    return any((account.opening, account.opening_balances, account.credits, account.debits, account.closing))


def received(account: AccountStatement) -> Decimal:
    """Return what came into an account: credits, and opening balances."""
    return add(account.credits, account.opening_balances)


def account_name(account: LedgerAccount) -> str:
    """Return currency and category of an account: ``points``, ``promised`` (points), ``Coins (promised)``."""
    category = account.points_category or ""
    name = _CATEGORIES.get(category, category)
    if category in _CATEGORIES and name and account.alternate_currency_name is None:
        return name
    return f"{account.currency} ({name})" if name else account.currency


def shown_movements(statement: Statement) -> list[RunningBalance]:
    """Return the movements that people want to see: not the opening balances of zero."""
    return [item for item in statement.movements if item.movement.amount or not item.movement.is_opening]


def balances_over_time(statement: Statement, account: AccountStatement) -> list[tuple[datetime, Decimal]]:
    """Return the balances of one account after each of its movements in the period."""
    return [
        (item.movement.date, item.balance) for item in statement.movements if item.movement.account == account.account
    ]


def sparkline(balances: Sequence[Decimal], width: int = _SPARKLINE_WIDTH) -> str:
    """Return balances as a line of bars, from the lowest to the highest; of more than fit, the last of each part."""
    if not balances:
        return ""
    count = min(width, len(balances))
    shown = [balances[(position + 1) * len(balances) // count - 1] for position in range(count)]
    lowest, highest = min(shown), max(shown)
    if lowest == highest:
        return _BARS[len(_BARS) // 2] * count
    return "".join(_BARS[int((len(_BARS) - 1) * (value - lowest) / (highest - lowest))] for value in shown)


def format_period(statement: Statement) -> str:
    """Return the period in words."""
    if statement.start is None and statement.end is None:
        return "the whole ledger"
    start = "the beginning" if statement.start is None else _day_or_moment(statement.start)
    end = "now" if statement.end is None else _day_or_moment(statement.end)
    return f"{start} to {end}"


def _day_or_moment(moment: datetime) -> str:
    return format_date(moment).removesuffix(" 00:00:00")


def print_statement(statement: Statement) -> None:
    """Print balances, sparklines and movements."""
    console = StdoutConsole()
    with writing_to_stdout():
        console.print(f"Statement, {format_period(statement)}\n", style="bold")
        print_accounts(console, statement)
        movements = shown_movements(statement)
        if movements:
            console.print()
            StreamingTable(console, _movement_columns()).add(movements)
        sys.stdout.flush()


def print_accounts(console: Console, statement: Statement, *, sparklines: int | None = None) -> None:
    """Print a table of the accounts that have anything to show, and each balance over time as a sparkline.

    Args:
        console: where to print.
        statement: what to print.
        sparklines: most accounts with a sparkline; None for all of them.
    """
    used = [account for account in statement.accounts if is_used(account)]
    if not used:
        console.print("no movements and no balances")
        return
    StreamingTable(console, _account_columns()).add(used)
    console.print()
    names = [full_name(account.account) for account in used[:sparklines]]
    margin = max(map(len, names)) + 2
    for name, account in zip(names, used, strict=False):
        line = sparkline([balance for _, balance in balances_over_time(statement, account)])
        if line:
            console.print(Text.assemble((f"{name:<{margin}}", "bold"), line), soft_wrap=True)


def full_name(account: LedgerAccount) -> str:
    """Return programme, currency and category of an account."""
    return printable(f"{account.program_name or ''} {account_name(account)}".strip())


def _account_columns() -> list[TableColumn[AccountStatement]]:
    return [
        TableColumn(title="Programme", cell=lambda item: printable(item.account.program_name), narrowest=9),
        TableColumn(title="Account", cell=lambda item: printable(account_name(item.account)), narrowest=8),
        TableColumn(title="Opening", cell=lambda item: format_balance(item.opening), justify="right"),
        TableColumn(
            title="Credits",
            cell=lambda item: format_balance(received(item)),
            justify="right",
            expendable=1,
        ),
        TableColumn(title="Debits", cell=lambda item: format_balance(item.debits), justify="right", expendable=1),
        TableColumn(title="Closing", cell=lambda item: format_balance(item.closing), justify="right"),
    ]


def _movement_columns() -> list[TableColumn[RunningBalance]]:
    return [
        TableColumn(title="Date", cell=lambda item: format_date(item.movement.date)),
        TableColumn(title="Event", cell=lambda item: printable(item.movement.event_name), narrowest=10),
        TableColumn(title="Programme", cell=_programme_of_movement, narrowest=9),
        TableColumn(title="Account", cell=lambda item: printable(account_name(item.movement.account)), narrowest=6),
        TableColumn(title="Amount", cell=lambda item: format_points(item.movement.amount), justify="right"),
        TableColumn(title="Balance", cell=lambda item: format_balance(item.balance), justify="right"),
    ]


def _programme_of_movement(item: RunningBalance) -> str:
    return printable(item.movement.account.program_name)
