"""Pages that are found, and missed, by rank."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from capledger import LedgerEntry, LedgerPage
from capledger.walk.shelf import Segment, Shelf

START = datetime(2024, 1, 1, tzinfo=UTC)


def position_of(rank: int, total: int, direction: str) -> int:
    return rank if direction == "asc" else total - 1 - rank


def segment(number: int, size: int, total: int, direction: str) -> Segment:
    ranks = [position_of(place, total, direction) for place in range(number * size, min(total, (number + 1) * size))]
    rows = [LedgerEntry(rank, "TransactionAdd", START + timedelta(hours=rank)) for rank in ranks]
    return Segment(number * size, total, len(rows), LedgerPage(rows))


@given(
    total=st.integers(1, 60),
    size=st.integers(1, 12),
    direction=st.sampled_from(["asc", "desc"]),
    order=st.sampled_from(["asc", "desc"]),
    first=st.integers(0, 59),
    held=st.sets(st.integers(0, 59)),
)
def test_missing_pages_are_those_of_the_ranks_that_are_not_here(
    *, total: int, size: int, direction: Literal["asc", "desc"], order: str, first: int, held: set[int]
) -> None:
    """Whatever the server's order and the walk's, each once and in the walk's order; the same for an empty shelf."""
    ranks = range(min(first, total), total) if order == "asc" else range(min(first, total - 1), -1, -1)
    here = {number for number in held if number * size < total}
    shelf = Shelf()
    for number in here:
        shelf.add(segment(number, size, total, direction))

    wanted = dict.fromkeys(position_of(rank, total, direction) // size for rank in ranks)

    assert list(shelf.missing(ranks, size, total, direction)) == [number for number in wanted if number not in here]
