"""Tables for people: values as strings for a terminal, and rows printed as they arrive."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TextIO, TypeVar

from attrs import frozen
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

T = TypeVar("T")

#: Characters between two columns.
_GAP = 2


def printable(value: object) -> str:
    """Return a value as a string of one line, with control characters replaced."""
    return "" if value is None else "".join(char if char.isprintable() else "\ufffd" for char in str(value))


def format_date(value: datetime | None) -> str:
    """Return ``2026-06-30 23:59:59``, with milliseconds where there is a fraction."""
    if value is None:
        return ""
    return value.replace(tzinfo=None).isoformat(" ", "milliseconds" if value.microsecond else "seconds")


def format_points(value: Decimal | None) -> Text:
    """Return ``+1,459.460`` with every digit received, credits in green and debits in red."""
    if value is None:
        return Text()
    if not value:
        return Text(f"{value:f}", style="dim")
    return Text(f"{value:+,f}", style="green" if value > 0 else "red")


def format_balance(value: Decimal) -> str:
    """Return ``1,459.460`` with every digit received; no sign unless it is below zero."""
    return f"{value:,f}"


def format_money(value: Decimal | None) -> str:
    """Return ``1,250.50`` with every digit received; the currency is the organisation's."""
    return "" if value is None else f"{value:,f}"


def format_currencies(values: Mapping[str, Decimal]) -> Text:
    """Return one alternate currency a line."""
    lines = [Text.assemble(printable(name), " ", format_points(value)) for name, value in values.items()]
    return Text("\n").join(lines)


def format_count(number: int, singular: str, plural: str | None = None) -> str:
    """Return ``1 customer``, ``1,200 customers``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


@frozen(kw_only=True)
class TableColumn(Generic[T]):
    """One column of a table."""

    title: str
    cell: Callable[[T], Text | str]
    """Returns what the column shows of a row."""
    justify: Literal["left", "right"] = "left"
    narrowest: int | None = None
    """Fewest characters that the column can be narrowed to; None, for numbers and ids, never narrows it."""
    expendable: int = 0
    """Where not all columns fit, those with the highest number are left out first; 0 never."""


class StdoutConsole(Console):
    """Prints to stdout without interpreting markup or highlighting values, and without colors into a file."""

    def __init__(self) -> None:
        super().__init__(highlight=False, emoji=False, markup=False, force_terminal=forced_terminal(sys.stdout))

    def on_broken_pipe(self) -> None:
        """Leave a closed pipe to the command; rich would end the process with an error."""
        raise BrokenPipeError


def forced_terminal(stream: TextIO) -> bool | None:
    """Return False for a file, which gets no colors even with FORCE_COLOR; None leaves it to rich."""
    try:
        return False if stat.S_ISREG(os.fstat(stream.fileno()).st_mode) else None
    except (OSError, ValueError):
        return None


class StreamingTable(Generic[T]):
    """Prints rows as they arrive, under one heading; the first rows determine the columns.

    Numbers and ids are never cut: where columns do not fit, some are left out, then strings are narrowed, and in the
    end each row is printed as lines of its own.
    """

    def __init__(self, console: Console, columns: Sequence[TableColumn[T]]) -> None:
        self._console = console
        self._all_columns = columns
        self._columns: list[TableColumn[T]] = []
        self._widths: list[int] = []
        self._stacked = False

    def add(self, rows: Sequence[T]) -> None:
        """Print more rows."""
        first = not self._columns
        if first:
            self._columns = _chosen_columns(self._all_columns, rows, self._console.width)
            self._widths = [0] * len(self._columns)
        natural = [_natural_width(column, rows) for column in self._columns]
        widths = [max(pair) for pair in zip(self._widths, natural, strict=True)]
        self._widths = _narrowed(widths, self._columns, self._console.width)
        self._stacked = self._stacked or _total_width(self._widths) > self._console.width
        if self._stacked:
            self._print_stacked(rows)
        else:
            self._print_table(rows, header=first)

    def _print_table(self, rows: Sequence[T], *, header: bool) -> None:
        table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, show_header=header, header_style="bold")
        for column, width in zip(self._columns, self._widths, strict=True):
            table.add_column(column.title, justify=column.justify, width=width, no_wrap=True, overflow="ellipsis")
        for row in rows:
            table.add_row(*(column.cell(row) for column in self._columns))
        self._console.print(table, soft_wrap=False)

    def _print_stacked(self, rows: Sequence[T]) -> None:
        margin = max(len(column.title) for column in self._all_columns) + 1
        for row in rows:
            for column in self._all_columns:
                for number, line in enumerate(_lines(column.cell(row))):
                    title = "" if number else column.title
                    self._console.print(Text.assemble((f"{title:<{margin}}", "bold"), line), soft_wrap=True)
            self._console.print()


def _chosen_columns(columns: Sequence[TableColumn[T]], rows: Sequence[T], available: int) -> list[TableColumn[T]]:
    """Return the columns that fit without narrowing any, and those that are always shown."""
    chosen = list(columns)
    for rank in sorted({column.expendable for column in columns} - {0}, reverse=True):
        if _total_width([_natural_width(column, rows) for column in chosen]) <= available:
            break
        chosen = [column for column in chosen if column.expendable != rank]
    return chosen


def _lines(cell: Text | str) -> list[Text]:
    """Return the lines of a cell, none for an empty one."""
    text = Text(cell) if isinstance(cell, str) else cell
    return list(text.split("\n")) if text else []


def _natural_width(column: TableColumn[T], rows: Sequence[T]) -> int:
    lines = [cell_len(line) for row in rows for line in str(column.cell(row)).split("\n")]
    return max([len(column.title), *lines])


def _narrowed(widths: list[int], columns: Sequence[TableColumn[Any]], available: int) -> list[int]:
    """Return widths that fit, narrowing the first columns first."""
    widths = list(widths)
    for index, column in enumerate(columns):
        if column.narrowest is not None:
            excess = max(0, _total_width(widths) - available)
            widths[index] = max(min(column.narrowest, widths[index]), widths[index] - excess)
    return widths


def _total_width(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)
