"""Pages of a layout hold each row once, whichever way the service counts and lists them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pages import START, entries, listing, page

from capledger.walk.listing import Layout, PageView, page_count
from capledger.windows import Window

if TYPE_CHECKING:
    from capledger.models import LedgerEntry
    from capledger.walk.listing import PageKey

layouts = st.builds(
    Layout,
    limit=st.just(12),
    page_size=st.integers(1, 12),
    total=st.integers(0, 30),
    offset_rule=st.sampled_from(["page", "page from 1", "row"]),
)


def view_at(layout: Layout, key: PageKey, ledger: list[LedgerEntry]) -> PageView:
    """Return what a service responds that counts its rows like this."""
    number = max(0, key.offset - 1) if layout.offset_rule == "page from 1" else key.offset
    begin = key.offset if layout.offset_rule == "row" else number * key.size
    return PageView(key, page(ledger[begin : begin + key.size], len(ledger)), len(ledger))


@given(layouts)
def test_pages_one_after_the_other_are_the_listing(layout: Layout) -> None:
    """Each row comes once, and each at its index."""
    ledger = entries(*range(layout.total or 0))
    came: list[LedgerEntry] = []
    while len(came) < len(ledger):
        view = view_at(layout, layout.key(listing(), len(came) // layout.page_size), ledger)
        assert view.expected == len(view.rows)
        assert view.first == len(came)
        came += view.rows
        assert view.ends is (len(came) == len(ledger))

    assert came == ledger


@given(layouts, st.integers(1, 12), st.integers(0, 40))
def test_a_page_of_another_size_lies_where_it_says(layout: Layout, size: int, number: int) -> None:
    """However large it is, the rows of a view are those of the listing from its first index on."""
    ledger = entries(*range(layout.total or 0))
    key = layout.key(listing(), number % (page_count(len(ledger), size) + 1), size)

    view = view_at(layout, key, ledger)

    assert view.rows == ledger[view.first : view.first + len(view.rows)]
    assert (key.size, key.limit) == (size, size)


@pytest.mark.parametrize(("rule", "offsets"), [("page", [0, 1, 2]), ("page from 1", [0, 2, 3]), ("row", [0, 10, 20])])
def test_offsets_count_what_the_rule_says(rule: Any, offsets: list[int]) -> None:
    """Pages from 0 or 1, or rows; page 0 is the first one everywhere."""
    layout = Layout(10, 10, 30, offset_rule=rule)

    assert [layout.key(listing(), number).offset for number in range(3)] == offsets


def test_keys_tell_listings_and_sizes_apart() -> None:
    """Pages that are requested ahead are known by them."""
    layout, one, other = Layout(10, 10, 30), listing(), listing(window=Window(START, START + timedelta(days=30)))

    assert layout.key(one, 1) == layout.key(listing(), 1)
    assert len({layout.key(one, 1), layout.key(one, 1, 5), layout.key(other, 1), layout.key(one, 2)}) == 4


def test_where_totals_do_not_count_a_page_with_few_rows_is_the_last() -> None:
    """A full one may be followed by others."""
    key = Layout(10, 10, None).key(listing(), 0)

    assert [PageView(key, page(entries(*range(rows))), None).ends for rows in (10, 9, 0)] == [False, True, True]


@given(st.integers(0, 1_000), st.integers(1, 100))
def test_pages_are_counted_up(rows: int, size: int) -> None:
    """As many as hold the rows, and no more."""
    count = page_count(rows, size)

    assert count * size >= rows > (count - 1) * size or rows == count == 0
