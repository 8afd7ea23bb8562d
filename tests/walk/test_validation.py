"""A page shows which of its rows continue those read before, or contradicts what is known."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pages import entries, entry, listing, page

from capledger.cursor import Edge
from capledger.models.identity import row_key
from capledger.walk.listing import Layout, PageView
from capledger.walk.validation import (
    Contradiction,
    check_page,
    edge_behind,
    entries_behind,
    rows_behind,
)

if TYPE_CHECKING:
    from capledger.models import LedgerEntry

#: Rows by letter: a second each, but for B and C, which are of one, and the three of E to G.
SECONDS = {"A": 1, "B": 2, "C": 2, "D": 3, "E": 4, "F": 4, "G": 4, "H": 5}
ROWS = {letter: entry(second, ord(letter)) for letter, second in SECONDS.items()}


def rows(letters: str) -> list[LedgerEntry]:
    return [ROWS[letter] for letter in letters]


def view_of(letters: str, first: int, total: int | None) -> PageView:
    """Return a page of rows that begins at an index that need not be a multiple of its size."""
    key = Layout(1, 1, total).key(listing(), first)
    return PageView(key, page(rows(letters), total), total)


def continued(read: str, letters: str, *, at: int | None = None, total: int = 8, before: int = 8) -> str:
    """Return the letters that are new on a page, after others were read."""
    view = view_of(letters, len(read) if at is None else at, total)
    edge = edge_behind(rows(read), None) if read else None
    new = rows_behind(view, edge, "asc", index=len(read), total=before)
    return "".join(letters[place] for place in new)


@pytest.mark.parametrize(
    ("read", "letters", "options", "new"),
    [
        ("", "ABC", {}, "ABC"),
        ("ABC", "DEF", {}, "DEF"),
        ("AB", "CDE", {}, "CDE"),
        ("ABCDE", "FGH", {}, "FGH"),
        ("ABCDEFGH", "", {}, ""),
        ("AB", "ABC", {"at": 0}, "C"),
        ("ABCDE", "DEFGH", {"at": 3}, "FGH"),
        ("ABCDEF", "DGFEH", {"at": 3}, "GH"),
        ("ABC", "CDE", {"at": 2}, "DE"),
        ("ABC", "BDE", {"at": 2}, "DE"),
        ("ABC", "BCD", {"at": 2, "total": 9}, None),
        ("ABC", "ABCD", {"at": 1, "total": 9}, "D"),
        ("ABC", "CDE", {"at": 3, "total": 9}, None),
        ("ABC", "ABCD", {"at": 2, "total": 9}, None),
    ],
    ids=[
        "first page",
        "next second",
        "within a second",
        "within a larger second",
        "empty page",
        "overlapping",
        "overlapping a second",
        "second in another order",
        "the end of a second",
        "the end of a second in another order",
        "moved, the second does not begin",
        "moved by a row before",
        "moved into a second",
        "moved further than the total grew",
    ],
)
def test_a_page_shows_what_is_new(read: str, letters: str, options: dict[str, Any], new: str | None) -> None:
    """By its place, if it begins where reading is; else by dates and keys, if the second of the edge begins on it."""
    if new is None:
        with pytest.raises(Contradiction) as raised:
            continued(read, letters, **options)
        assert raised.value.kind == "edge"
    else:
        assert continued(read, letters, **options) == new


@pytest.mark.parametrize(
    ("read", "letters", "options"),
    [
        ("ABC", "CDE", {}),  # C again: rows of the second came in another order, or moved
        ("AB", "BDE", {}),  # B again, and C never
        ("ABC", "ABC", {}),  # the first page again
        ("ABCDEF", "EGH", {}),  # E in place of F
        ("ABC", "EFG", {"at": 4}),  # D was never shown
        ("ABCDE", "FGH", {"at": 6}),
        ("B", "AB", {"at": 0}),  # A was never shown, although it stands before B
    ],
)
def test_a_page_that_does_not_continue_is_a_contradiction(read: str, letters: str, options: dict[str, Any]) -> None:
    """A row that comes twice at an edge means that another is missing, until a larger page shows otherwise."""
    with pytest.raises(Contradiction) as raised:
        continued(read, letters, **options)

    assert raised.value.kind == "edge"


def test_twins_are_counted() -> None:
    """A page that shows two of a kind, of which one was read, has a new one."""
    twins = [ROWS["B"], ROWS["B"], ROWS["D"]]
    view = PageView(Layout(3, 3, 3).key(listing(), 0), page(twins, 3), 3)

    assert list(rows_behind(view, edge_behind(twins[:1], None), "asc", index=1, total=3)) == [1, 2]
    assert [row.event_log_id for row in entries_behind(twins, edge_behind(twins[:1], None), "asc")] == [
        ROWS["B"].event_log_id,
        ROWS["D"].event_log_id,
    ]


def test_an_edge_holds_the_rows_of_its_second() -> None:
    """Also those that were read on the page before, and those of which a cursor has the keys alone."""
    first = edge_behind(rows("DE"), None)
    second = edge_behind(rows("F"), first)
    resumed = edge_behind(rows("G"), Edge(second.second, second.keys))

    assert second.keys == Counter(map(row_key, rows("EF")))
    assert resumed.keys == Counter(map(row_key, rows("EFG")))
    assert edge_behind(rows("H"), second).keys == Counter([row_key(ROWS["H"])])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12).map(sorted), st.data())
def test_an_edge_is_the_same_however_the_rows_were_paged(seconds: list[int], data: st.DataObject) -> None:
    """One page, or many."""
    ledger = entries(*seconds)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(ledger)))) | {0, len(ledger)})
    edge = None
    for start, stop in pairwise(cuts):
        edge = edge_behind(ledger[start:stop], edge)

    whole = edge_behind(ledger, None)
    assert edge is not None
    assert (edge.second, edge.keys) == (whole.second, whole.keys)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12).map(sorted), st.data())
def test_entries_behind_an_edge_are_the_rest(seconds: list[int], data: st.DataObject) -> None:
    """Whichever way the rows of one second come again."""
    ledger = entries(*seconds)
    count = data.draw(st.integers(1, len(ledger)))
    again = sorted(data.draw(st.permutations(ledger)), key=lambda row: row.ledger_created_date)

    behind = entries_behind(again, edge_behind(ledger[:count], None), "asc")

    assert {row.event_log_id for row in behind} == {row.event_log_id for row in ledger[count:]}


@pytest.mark.parametrize(
    ("letters", "total", "kind"),
    [("AB", 8, "count"), ("ABC", 8, None), ("ABCD", 8, "count"), ("ABC", 7, "fall"), ("ABC", None, "count")],
)
def test_a_page_has_as_many_rows_as_its_place_and_the_total_say(
    letters: str, total: int | None, kind: str | None
) -> None:
    """Fewer, more, or another total are a contradiction that says what was expected."""
    view = PageView(Layout(3, 3, 8).key(listing(), 0), page(rows(letters), total), total)

    if kind is None:
        check_page(view, "asc", 8)
    else:
        with pytest.raises(Contradiction, match=r"this page has 3; \d came|stated and then 7|no total") as raised:
            check_page(view, "asc", 8)
        assert raised.value.kind == kind


@pytest.mark.parametrize(("letters", "fine"), [("ABCD", True), ("ACBD", True), ("ADB", False), ("DCBA", False)])
def test_rows_are_in_the_order_of_their_seconds(letters: str, *, fine: bool) -> None:
    """Rows of one second may come in any order."""
    view = view_of(letters, 0, None)

    if fine:
        check_page(view, "asc", None)
    else:
        with pytest.raises(Contradiction) as raised:
            check_page(view, "asc", None)
        assert raised.value.kind == "order"
