"""How values and names are written in a request."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from capledger._sansio.params import Encodable, encode
from capledger.models._fields import camel_case


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Main Store", "Main Store"),
        (True, "true"),
        (False, "false"),
        (12, "12"),
        (Decimal("20000.00"), "20000.00"),
        (Decimal("1.75"), "1.75"),
        (UUID("00000000-0000-4000-8000-00000000000a"), "00000000-0000-4000-8000-00000000000a"),
        (date(2024, 2, 29), "2024-02-29T00:00:00"),
        (datetime(2024, 2, 29, 23, 59, 59, 999999), "2024-02-29T23:59:59"),
        ((12345, 67890), "12345,67890"),
        (["PRIMARY", "SECONDARY"], "PRIMARY,SECONDARY"),
        ((), ""),
    ],
)
def test_encode(value: Encodable, expected: str) -> None:
    """Every kind of value becomes the text that the documents show."""
    assert encode(value) == expected


def test_encode_refuses_aware_dates() -> None:
    """An aware date is never sent by its wall clock: the service would read it in another zone."""
    with pytest.raises(ValueError, match="naive"):
        encode(datetime(2024, 1, 1, tzinfo=UTC))


def test_encode_refuses_floats() -> None:
    """A float has no exact text, so it has no place in a request."""
    with pytest.raises(TypeError, match="float"):
        encode(1.5)  # type: ignore[arg-type]  # what is being tested


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("source", "source"),
        ("till_ids", "tillIds"),
        ("is_filter_based_on_date", "isFilterBasedOnDate"),
        ("ledger_created_date_iso", "ledgerCreatedDateISO"),
        ("get_points_earned_breakup", "getPointsEarnedBreakup"),
    ],
)
def test_camel_case(name: str, expected: str) -> None:
    """Names change their case mechanically, and nothing else about them changes."""
    assert camel_case(name) == expected
