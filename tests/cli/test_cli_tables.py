"""Tables that are printed as their rows arrive."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from capledger.cli.tables import StreamingTable, TableColumn

COLUMNS: list[TableColumn[tuple[str, str]]] = [
    TableColumn(title="Number", cell=lambda row: row[0], justify="right"),
    TableColumn(title="Name", cell=lambda row: row[1], narrowest=6),
    TableColumn(title="Also the name", cell=lambda row: row[1], expendable=1),
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
def test_too_narrow_terminals_get_stacked_rows(width: int) -> None:
    """Where the columns do not fit, each row is printed as lines of its own, with every character."""
    assert printed(width, [("1234567890", "Ada Example")]) == [
        "Number        1234567890",
        "Name          Ada Example",
        "Also the name Ada Example",
        "",
    ]


def test_later_rows_that_are_wider_are_not_cut() -> None:
    """A column of numbers grows for a later page, and narrows a column of names for it."""
    _, first, second, third = printed(26, [("1", "Ada Example")], [("1,234,567,890,123", "Ada")], [("2", "Grace")])

    assert first.split() == ["1", "Ada", "Example"]
    assert second.split() == ["1,234,567,890,123", "Ada"]
    assert third.index("2") == second.index("3  ")
