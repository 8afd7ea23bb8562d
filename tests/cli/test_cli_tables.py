"""Tables that are printed as their rows arrive."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from capledger.cli.tables import StreamingTable, TableColumn

COLUMNS: list[TableColumn[tuple[str, str]]] = [
    TableColumn(title="Number", cell=lambda row: row[0], justify="right"),
    TableColumn(title="Name", cell=lambda row: row[1], narrowest=6),
    TableColumn(title="Also the name", cell=lambda row: row[1], optional=True),
]


def printed(width: int, *batches: list[tuple[str, str]]) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    table = StreamingTable(console, COLUMNS)
    for batch in batches:
        table.add(batch)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_pages_share_one_heading_and_their_widths() -> None:
    """Later pages are aligned with the first."""
    heading, first, second = printed(40, [("10000", "Ada")], [("2", "Grace")])

    assert heading.startswith("Number  Name")
    assert first.index("Ada") == second.index("Gra") == heading.index("Name")
    assert first.index("0  ") == second.index("2  ")


@pytest.mark.parametrize(("width", "also"), [(40, True), (24, False)])
def test_optional_columns_are_shown_where_there_is_room(width: int, *, also: bool) -> None:
    """An optional column that does not fit is left out before any other is narrowed."""
    heading, line = printed(width, [("1", "Ada Example")])

    assert ("Also the name" in heading) is also
    assert "Ada Example" in line


def test_narrowed_strings_end_in_an_ellipsis() -> None:
    """A narrowed column ends in an ellipsis."""
    _, line = printed(16, [("1", "Ada Example")])

    assert line.split() == ["1", "Ada", "Exa…"]


@pytest.mark.parametrize("width", [5, 14])
def test_too_narrow_terminal(width: int) -> None:
    """A terminal that is too narrow for any column raises no error."""
    assert len(printed(width, [("1", "Ada Example")])) >= 2
