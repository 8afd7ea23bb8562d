"""A statement as a picture, with matplotlib (extra ``plot``)."""

from __future__ import annotations

import io
import warnings
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from capledger.cli.exit_codes import UsageError
from capledger.cli.output import write_private
from capledger.cli.statement_tables import balances_over_time, format_period, full_name, is_used

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path

    from capledger.books import AccountStatement, Statement

_SUFFIXES: Final = (".svg", ".png")
#: Most accounts in one picture: those with the most movements.
_MOST_ACCOUNTS: Final = 4
_WIDTH, _HEIGHT = 9.0, 2.4


def check_plot(path: Path) -> None:
    """Refuse other kinds of files, and a machine without matplotlib, before any request is sent."""
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError("--plot writes FILE.svg or FILE.png")
    if find_spec("matplotlib") is None:
        raise UsageError("matplotlib is not installed: pip install 'capledger[plot]'")


def write_plot(path: Path, statement: Statement) -> None:
    """Write the balances of the accounts with the most movements over time, each in its own part of the picture."""
    accounts = plotted_accounts(statement)
    figure: Any = import_module("matplotlib.figure").Figure(
        figsize=(_WIDTH, _HEIGHT * max(1, len(accounts)) + 0.6), layout="constrained"
    )
    figure.suptitle(f"Balances, {format_period(statement)}")
    parts = figure.subplots(max(1, len(accounts)), 1, sharex=True, squeeze=False)[:, 0]
    for part, account in zip(parts, accounts, strict=False):
        moments, balances = step_points(statement, account)
        part.step(moments, [float(balance) for balance in balances], where="post", color="#1f5f8b", linewidth=1.6)
        part.set_title(full_name(account.account).replace("$", r"\$"), loc="left", fontsize=10)
        part.yaxis.set_major_formatter("{x:,.0f}")
        part.grid(visible=True, alpha=0.3)
        part.spines[["top", "right"]].set_visible(False)
    dates = import_module("matplotlib.dates")
    locator = dates.AutoDateLocator()
    parts[-1].xaxis.set_major_locator(locator)
    parts[-1].xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    picture = io.BytesIO()
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # of characters that no font has
        figure.savefig(picture, format=path.suffix[1:].lower())
    write_private(path, picture.getvalue())


def plotted_accounts(statement: Statement) -> list[AccountStatement]:
    """Return the accounts with the most movements, in the order of the statement."""
    counts = {id(item): len(balances_over_time(statement, item)) for item in statement.accounts if is_used(item)}
    used = [item for item in statement.accounts if counts.get(id(item))]
    chosen = sorted(used, key=lambda item: -counts[id(item)])[:_MOST_ACCOUNTS]
    return [item for item in used if item in chosen]


def step_points(statement: Statement, account: AccountStatement) -> tuple[list[datetime], list[Decimal]]:
    """Return moments and balances of a line of steps, from the start of the period to its end where it has them."""
    points = balances_over_time(statement, account)
    zone = points[0][0].tzinfo
    if statement.start is not None:
        points.insert(0, (_in_zone(statement.start, zone), account.opening))
    if statement.end is not None:
        points.append((_in_zone(statement.end, zone), account.closing))
    return [moment for moment, _ in points], [balance for _, balance in points]


def _in_zone(moment: datetime, zone: Any) -> datetime:  # noqa: ANN401 - a tzinfo or None
    return moment.replace(tzinfo=zone) if moment.tzinfo is None else moment.astimezone(zone)
