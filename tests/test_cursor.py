"""A cursor is short, says nothing of anybody, and fits its own query only."""

from __future__ import annotations

import base64
import json
from collections import Counter
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from attrs import asdict, evolve
from hypothesis import given
from hypothesis import strategies as st
from support.ledgers import MOBILE, customer, group, sandbox, session, take

from capledger import CustomerLedgerQuery, InvalidQueryError, LedgerSession, OrgScope
from capledger.auth import BasicAuth
from capledger.cursor import Cursor, Edge, Position
from capledger.sandbox import seed_rows
from capledger.server_profile import Learned
from capledger.windows import Window

DAY = datetime(2024, 1, 1)


async def a_cursor(**options: Any) -> str:
    rows = seed_rows(1, 40, datetime(2023, 1, 1), DAY)
    async with sandbox(rows) as box, session(box) as ledger:
        walk = ledger.entries(customer(**options))
        await take(walk, 7)
        return walk.cursor


async def test_it_is_short_text_without_the_identifier() -> None:
    """It goes into a URL, a file or a column, and holds no identifier in any encoding that is easy to undo."""
    cursor = await a_cursor()

    assert len(cursor) < 200
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert MOBILE.encode() not in base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


@pytest.mark.parametrize(
    "other",
    [
        evolve(customer(), identifier_value="917400000002"),
        evolve(customer(), order="desc"),
        evolve(customer(), start=DAY),
        evolve(customer(), end=DAY),
        evolve(customer(), till_id=5),
        evolve(customer(), source="WECHAT"),
        evolve(customer(), scope=OrgScope.own()),
        CustomerLedgerQuery.email(MOBILE, include_alternate_currencies=True),
        group(),
    ],
    ids=["customer", "order", "start", "end", "filter", "source", "scope", "identifier name", "group"],
)
async def test_another_query_is_refused(other: Any) -> None:
    """A cursor of one query with another would give entries that belong to neither."""
    cursor = await a_cursor()
    ledger = LedgerSession("https://eu.api.capillarytech.com", BasicAuth("till", "secret"))

    with pytest.raises(InvalidQueryError, match="another query"):
        ledger.entries(other, resume_from=cursor)


async def test_another_page_size_is_welcome() -> None:
    """How entries are fetched is not part of the query's identity."""
    cursor = await a_cursor()
    position = Cursor.decode(cursor, customer(page_size=3)).position

    assert position is not None
    assert position.yielded == 7


@given(st.text(max_size=200))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    """Any other text gets one clear error."""
    with pytest.raises(InvalidQueryError, match="resume_from"):
        Cursor.decode(text, customer())


async def test_a_damaged_cursor_is_refused() -> None:
    """Whichever letter is another one, is lost, or is there twice."""
    cursor = await a_cursor()

    for place, letter in product(range(len(cursor)), "ABCxyz059-_="):
        for damaged in (
            cursor[:place] + letter + cursor[place + 1 :],
            cursor[:place] + cursor[place + 1 :],
            cursor[:place] + letter + cursor[place:],
        ):
            if damaged != cursor:
                with pytest.raises(InvalidQueryError, match="resume_from"):
                    Cursor.decode(damaged, customer())


def test_a_cursor_of_an_earlier_format_is_refused() -> None:
    """With a sentence that says what to do."""
    content = json.dumps([1, "bf6f95", 757382400000000, 7, 0, 100, 90]).encode()
    cursor = base64.urlsafe_b64encode(content).decode().rstrip("=")

    with pytest.raises(InvalidQueryError, match="earlier format: begin the walk anew"):
        Cursor.decode(cursor, customer())


moments = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
edges = st.builds(
    Edge,
    second=st.integers(-(2**40), 2**40),
    keys=st.dictionaries(st.integers(0, 2**64 - 1), st.integers(1, 3)).map(Counter),
)
positions = st.builds(
    Position,
    yielded=st.integers(0, 10**9),
    edge=edges,
    window=st.none() | st.tuples(moments, moments).map(lambda pair: Window(min(pair), max(pair))),
    index=st.integers(0, 10**9),
    total=st.integers(0, 10**9),
)
cursors = st.builds(
    Cursor,
    end=moments,
    position=st.none() | positions,
    learned=st.builds(
        Learned,
        offset_rule=st.sampled_from([None, "page", "page from 1", "row"]),
        page_cap=st.none() | st.integers(1, 1_000),
        span_days=st.integers(1, 90),
    ),
    unproven=st.booleans(),
)


@given(cursors)
def test_a_cursor_is_read_as_it_was_written(cursor: Cursor) -> None:
    """Every value of it, to the microsecond; keys of rows are counted."""
    read = Cursor.decode(cursor.encode(customer()), customer())

    assert asdict(read) == asdict(cursor)
