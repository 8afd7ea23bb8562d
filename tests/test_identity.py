"""Rows are the same by what identifies them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from support.pages import entry

from capledger.models import EntryDetail
from capledger.models.identity import keys_of, row_key


def detail(**fields: Any) -> EntryDetail:
    return evolve(EntryDetail("CREDIT", Decimal("10.5"), "Main", "Rewards", 469), **fields)


ROW = entry(5, entry_details=[detail(), detail(points=Decimal(3), program_id=470)])


@pytest.mark.parametrize(
    "same",
    [
        evolve(ROW),
        evolve(ROW, entry_details=[detail(program_name="Renamed"), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(points=Decimal("10.50")), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(points=Decimal("1.05E+1")), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=ROW.entry_details[::-1]),
        evolve(ROW, ledger_created_date=ROW.ledger_created_date.astimezone(ZoneInfo("Asia/Kolkata"))),
        evolve(ROW, store="Another", org_id=5, source_program_name="Renamed", net_points_on_event=Decimal(9)),
    ],
    ids=["twin", "programme renamed", "scale", "exponent", "order of details", "zone", "further fields"],
)
def test_a_key_stays_the_same(same: Any) -> None:
    """Whatever a release, a renaming or another printing of the same values changes."""
    assert row_key(same) == row_key(ROW)


@pytest.mark.parametrize(
    "other",
    [
        evolve(ROW, event_log_id=6),
        evolve(ROW, event_name="PointsRedeemed"),
        evolve(ROW, ledger_created_date=ROW.ledger_created_date + timedelta(milliseconds=1)),
        evolve(ROW, ledger_created_date=ROW.ledger_created_date + timedelta(seconds=1)),
        evolve(ROW, entry_details=ROW.entry_details[:1]),
        evolve(ROW, entry_details=[*ROW.entry_details, ROW.entry_details[0]]),
        evolve(ROW, entry_details=[detail(ledger_entry_type="DEBIT"), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(points=Decimal("-10.5")), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(points=Decimal(105)), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(points=None), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(points_category="Promised"), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(program_id=470), *ROW.entry_details[1:]]),
        evolve(ROW, entry_details=[detail(alternate_currency_name="Stars"), *ROW.entry_details[1:]]),
    ],
)
def test_a_key_tells_other_rows_apart(other: Any) -> None:
    """Each value that identifies a row is in its key."""
    assert row_key(other) != row_key(ROW)


@given(st.decimals(allow_nan=False, allow_infinity=False), st.integers(0, 30))
def test_the_scale_of_an_amount_does_not_matter(amount: Decimal, zeros: int) -> None:
    """However many zeros follow, and whatever the precision of decimals is; zero has no sign."""
    sign, digits, exponent = amount.as_tuple()
    longer = Decimal((sign, (*digits, *[0] * zeros), int(exponent) - zeros))

    keys = [row_key(entry(5, entry_details=[detail(points=points)])) for points in (amount, longer)]

    assert keys[0] == keys[1]


@given(st.decimals(allow_nan=False, allow_infinity=False), st.decimals(allow_nan=False, allow_infinity=False))
def test_amounts_that_differ_have_different_keys(one: Decimal, other: Decimal) -> None:
    """Two amounts have the same key if they are equal, and only then."""
    keys = [row_key(entry(5, entry_details=[detail(points=points)])) for points in (one, other)]

    assert (keys[0] == keys[1]) is (one == other)


def test_keys_are_counted() -> None:
    """Two rows may be the same."""
    assert keys_of([ROW, entry(6), ROW]) == {row_key(ROW): 2, row_key(entry(6)): 1}


def test_a_lone_surrogate_has_a_key() -> None:
    """A string that cannot be encoded is no reason to lose its row."""
    assert row_key(evolve(ROW, event_name="\ud83d")) != row_key(ROW)
