"""The v2 document's table of alternate currencies and point categories, asked through a walk."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from capledger import BasicAuth, CustomerLedgerQuery, LedgerSession
from capledger.sandbox import Sandbox, SandboxCustomer, entry_detail, make_row

MOBILE = "917400000077"
DAY = datetime(2024, 1, 1)


def mixed() -> SandboxCustomer:
    """1: points and Stars; 2: promised points and promised Coins; 3: Stars alone; 4: points alone, a debit."""
    star = entry_detail("5.00", alternateCurrencyName="Stars")
    coin = entry_detail("6.00", alternateCurrencyName="Coins")
    promised = {"pointsCategory": "DelayedAccrualPointCategory"}
    rows = [
        make_row(1, DAY.replace(hour=1), currencies={"Stars": "5.00"}),
        make_row(2, DAY.replace(hour=2), entryDetails=[entry_detail("1.00", **promised), coin | promised])
        | {"netAlternateCurrenciesOnEvent": {"Coins": "6.00"}},
        make_row(3, DAY.replace(hour=3), entryDetails=[star], netPointsOnEvent="0")
        | {"netAlternateCurrenciesOnEvent": {"Stars": "5.00"}},
        make_row(4, DAY.replace(hour=4), entry_type="DEBIT", event_name="PointsRedemption"),
    ]
    return SandboxCustomer(MOBILE, rows)


async def shown(**options: Any) -> dict[int, list[str]]:
    """What each entry holds: the names of currencies, or "points"."""
    async with (
        Sandbox([mixed()]) as box,
        LedgerSession(box.url, BasicAuth("store.server", "server123"), timezone=UTC) as session,
    ):
        entries = await session.entries(CustomerLedgerQuery.mobile(MOBILE, **options)).collect()
    return {
        entry.event_log_id: [detail.alternate_currency_name or "points" for detail in entry.entry_details]
        for entry in entries
    }


EVERYTHING = {1: ["points", "Stars"], 2: ["points", "Coins"], 3: ["Stars"], 4: ["points"]}
CURRENCIES = {1: ["Stars"], 2: ["Coins"], 3: ["Stars"]}
POINTS = {1: ["points"], 2: ["points"], 4: ["points"]}


@pytest.mark.parametrize(
    ("include", "category", "exclude", "expected"),
    [
        (True, "REGULAR", None, {1: ["points", "Stars"], 3: ["Stars"], 4: ["points"]}),
        (True, "PROMISED", False, {2: ["points", "Coins"]}),
        (True, "TRIGGER_BASED", None, {}),
        (True, None, None, EVERYTHING),
        (True, None, False, EVERYTHING),
        (True, None, True, CURRENCIES),
        (True, "REGULAR", True, CURRENCIES),
        (False, None, None, POINTS),
        (False, None, False, POINTS),
        (False, "REGULAR", None, {1: ["points"], 4: ["points"]}),
        (False, "PROMISED", False, {2: ["points"]}),
        (None, None, None, POINTS),
    ],
)
async def test_each_row_of_the_documents_table(
    *, include: bool | None, category: str | None, exclude: bool | None, expected: dict[int, list[str]]
) -> None:
    """Which entries, and what of them, each combination of the three parameters shows."""
    found = await shown(
        include_alternate_currencies=include, point_category_type=category, exclude_point_categories=exclude
    )

    assert found == expected


async def test_named_currencies_alone() -> None:
    """Names show those currencies and nothing else."""
    assert await shown(alternate_currency_names=["Stars"]) == {1: ["Stars"], 3: ["Stars"]}


async def test_nets_are_a_dict_of_exact_decimals() -> None:
    """``net_alternate_currencies_on_event`` holds each currency's net, scale kept; empty without currencies."""
    async with (
        Sandbox([mixed()]) as box,
        LedgerSession(box.url, BasicAuth("store.server", "server123"), timezone=UTC) as session,
    ):
        query = CustomerLedgerQuery.mobile(MOBILE, include_alternate_currencies=True)
        nets = [entry.net_alternate_currencies_on_event async for entry in session.entries(query)]

    assert nets == [{"Stars": Decimal("5.00")}, {"Coins": Decimal("6.00")}, {"Stars": Decimal("5.00")}, {}]
    assert str(nets[0]["Stars"]) == "5.00"
