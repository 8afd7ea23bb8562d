"""Pages of a layout hold each row once, whichever way the service counts and lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from support.pages import entries, entry, listing, page

from capledger.models import LedgerEntry, LedgerPage
from capledger.walk.listing import Layout, page_count

if TYPE_CHECKING:
    from capledger.walk.prefetch import PageKey

layouts = st.builds(
    Layout,
    total=st.integers(0, 30),
    page_size=st.integers(1, 12),
    limit=st.just(12),
    offset_rule=st.sampled_from(["page", "page from 1", "row"]),
    backward=st.booleans(),
)


def rows_at(layout: Layout, key: PageKey, ledger: list[LedgerEntry]) -> list[LedgerEntry]:
    """Return what a service responds that counts and lists its rows like this."""
    if layout.offset_rule == "row":
        begin = key.offset
    else:
        number = max(0, key.offset - 1) if layout.offset_rule == "page from 1" else key.offset
        begin = number * key.size
    return (ledger[::-1] if layout.backward else ledger)[begin : begin + key.size]


def view_numbers(layout: Layout, key: PageKey, ledger: list[LedgerEntry]) -> Any:
    return layout.view(key, page(rows_at(layout, key, ledger), len(ledger)))


@given(layouts)
def test_pages_one_after_the_other_are_the_listing(layout: Layout) -> None:
    """Read from index to index, in the order of the walk: each row once, and each at its index."""
    ledger = entries(*range(layout.total or 0))
    came: list[LedgerEntry] = []
    while len(came) < len(ledger):
        key = layout.key(listing(), layout.number_of(len(came), len(ledger)))
        view = view_numbers(layout, key, ledger)
        assert view.expected == len(view.rows)
        new = view.rows[len(came) - view.first_index :]
        assert view.at_start is (view.first_index == 0)
        came += new
        assert view.end_index == len(came)
        assert view.at_end is (len(came) == len(ledger))

    assert came == ledger


@given(layouts, st.integers(1, 12), st.integers(0, 40))
def test_a_page_of_another_size_lies_where_it_says(layout: Layout, size: int, number: int) -> None:
    """However large it is, the rows of a view are those of the listing from its first index on."""
    ledger = entries(*range(layout.total or 0))
    key = layout.key(listing(), number % (page_count(len(ledger), size) + 1), size)

    view = view_numbers(layout, key, ledger)

    first = max(view.first_index, 0)
    assert view.rows == ledger[first : first + len(view.rows)]
    assert (key.size, key.limit) == (size, size)


@given(layouts, st.integers(0, 40))
def test_the_pages_that_follow_are_those_that_are_read_next(layout: Layout, number: int) -> None:
    """To the last one forward, or to the first one backward."""
    total = layout.total or 0
    pages = page_count(total, layout.page_size)
    number = min(number, max(pages - 1, 0))

    following = list(layout.upcoming(number, total))

    assert following == (list(range(number))[::-1] if layout.backward else list(range(number + 1, pages)))


@pytest.mark.parametrize(("rule", "offsets"), [("page", [0, 1, 2]), ("page from 1", [0, 2, 3]), ("row", [0, 10, 20])])
def test_offsets_count_what_the_rule_says(rule: Any, offsets: list[int]) -> None:
    """Pages from 0 or 1, or rows; page 0 is the first one everywhere."""
    layout = Layout(30, 10, 10, rule)

    assert [layout.key(listing(), number).offset for number in range(3)] == offsets


def test_keys_tell_listings_and_sizes_apart() -> None:
    """Pages that are requested ahead are known by them."""
    layout, one = Layout(30, 10, 10), listing()

    assert layout.key(one, 1) == layout.key(one, 1)
    assert len({layout.key(one, 1), layout.key(one, 1, 5), layout.key(listing(), 1), layout.key(one, 2)}) == 4


def test_a_response_with_another_total_moves_its_rows() -> None:
    """Pages that are read backward are counted from the end, by the total that came with them."""
    layout = Layout(20, 10, 10, backward=True)
    key = layout.key(listing(), 1)

    first_indexes = [layout.view(key, page(entries(*range(10)), total)).first_index for total in (20, 22, 25)]

    assert first_indexes == [0, 2, 5]


def test_a_response_without_a_total_is_seen_by_that_of_the_layout() -> None:
    """One response without details does no harm."""
    layout = Layout(25, 10, 10)
    page_of_five = LedgerPage(entries(*range(5)))

    view = layout.view(layout.key(listing(), 2), page_of_five)

    assert (view.total, view.expected, view.at_end) == (25, 5, True)


def test_where_totals_do_not_count_no_page_is_the_last() -> None:
    """Only a page without rows shows the end."""
    layout = Layout(10, 10, 10, counted=False)

    view = layout.view(layout.key(listing(), 0), page(entries(*range(10)), 10))

    assert (view.total, view.at_end, view.end_index) == (None, False, 10)


def test_a_page_that_hides_rows_stands_for_all_of_them() -> None:
    """The next page begins behind them."""
    layout = Layout(30, 10, 10)

    view = layout.view(layout.key(listing(), 1), page(entries(*range(8)), 30))

    assert (view.first_index, view.expected, view.end_index) == (10, 10, 20)


def test_a_layout_turned_is_read_from_the_other_end() -> None:
    """Twice turned, it is the same."""
    layout = Layout(30, 10, 10)

    assert layout.turned() == evolve(layout, backward=True)
    assert layout.turned().turned() == layout


@given(st.integers(0, 1_000), st.integers(1, 100))
def test_pages_are_counted_up(rows: int, size: int) -> None:
    """As many as hold the rows, and no more."""
    count = page_count(rows, size)

    assert count * size >= rows > (count - 1) * size or rows == count == 0


def test_rows_of_a_page_are_chosen_by_their_places() -> None:
    """By a range or a list, and their indexes with them."""
    layout = Layout(30, 10, 10)
    view = layout.view(layout.key(listing(), 1), page([entry(second) for second in range(10)], 30))

    for places in (range(2, 5), [2, 3, 4]):
        assert [row.event_log_id for row in view.select(places)] == [2, 3, 4]
        assert list(view.indexes(places)) == [12, 13, 14]
