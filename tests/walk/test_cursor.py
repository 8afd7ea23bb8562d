"""A cursor is short, says nothing of anybody, and fits its own query only."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from support.ledgers import MOBILE, customer, group, sandbox, session, take

from capledger import CustomerLedgerQuery, InvalidQueryError, LedgerSession, OrgScope
from capledger.auth import BasicAuth
from capledger.sandbox import seed_rows
from capledger.walk import Cursor

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

    assert Cursor.decode(cursor, customer(page_size=3)).given == 7


@given(st.text(max_size=200))
def test_what_is_no_cursor_is_refused(text: str) -> None:
    """Any other text gets one clear error."""
    with pytest.raises(InvalidQueryError, match="resume_from"):
        Cursor.decode(text, customer())


@given(st.data())
async def test_a_damaged_cursor_is_refused_or_means_the_same(data: st.DataObject) -> None:
    """A changed letter never leads anywhere but to a refusal or to numbers that are in their range."""
    cursor = await a_cursor()
    place = data.draw(st.integers(0, len(cursor) - 1))
    letter = data.draw(st.sampled_from("ABCxyz059-_="))
    damaged = cursor[:place] + letter + cursor[place + 1 :]

    try:
        read = Cursor.decode(damaged, customer())
    except InvalidQueryError:
        return
    assert read.given >= 0
    assert read.place is None or read.place.next_rank >= -1
