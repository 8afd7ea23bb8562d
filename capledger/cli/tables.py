"""A table that is printed as its rows come: widths are settled by the first ones, and kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from attrs import frozen
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence


T = TypeVar("T")

_GAP = 2


@frozen(kw_only=True)
class Column(Generic[T]):
    """One column: its title, and what it shows of a row."""

    title: str
    cell: Callable[[T], Text | str]
    justify: Literal["left", "right"] = "left"
    #: The fewest characters it can be narrowed to; None keeps it whole.
    narrowest: int | None = None
    #: Shown only where there is room for all of it.
    optional: bool = False


class StdoutConsole(Console):
    """Prints on stdout what it is given, without reading markup or guessing at colours in it."""

    def __init__(self) -> None:
        super().__init__(highlight=False, emoji=False, markup=False)

    def on_broken_pipe(self) -> None:
        """Nobody reads on: leave it to the command to end; rich would end the process with an error."""
        raise BrokenPipeError


class FlowingTable(Generic[T]):
    """Prints rows as they come, under one heading."""

    def __init__(self, console: Console, columns: Sequence[Column[T]]) -> None:
        self._console = console
        self._columns = list(columns)
        self._widths: list[int] = []

    def add(self, rows: Sequence[T]) -> None:
        """Print more rows; the first ones settle the widths."""
        first = not self._widths
        if first:
            self._settle(rows)
        table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, show_header=first, header_style="bold")
        for column, width in zip(self._columns, self._widths, strict=True):
            cut = column.narrowest is not None
            table.add_column(
                column.title,
                justify=column.justify,
                width=width,
                no_wrap=cut,
                overflow="ellipsis" if cut else "fold",
            )
        for row in rows:
            table.add_row(*(column.cell(row) for column in self._columns))
        self._console.print(table, soft_wrap=False)

    def _settle(self, rows: Sequence[T]) -> None:
        widths = [_natural(column, rows) for column in self._columns]
        for index in reversed(range(len(widths))):
            if self._columns[index].optional and _total(widths) > self._console.width:
                del self._columns[index], widths[index]
        self._widths = _narrowed(widths, self._columns, self._console.width)


def _natural(column: Column[T], rows: Sequence[T]) -> int:
    lines = [cell_len(line) for row in rows for line in str(column.cell(row)).split("\n")]
    return max([len(column.title), *lines])


def _narrowed(widths: list[int], columns: Sequence[Column[Any]], room: int) -> list[int]:
    """Take from the columns that can give, the first ones first, until all fit."""
    widths = list(widths)
    for index, column in enumerate(columns):
        if column.narrowest is not None:
            missing = max(0, _total(widths) - room)
            widths[index] = max(min(column.narrowest, widths[index]), widths[index] - missing)
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)
