"""Filters: the table of alternate currencies and categories of the v2 page, and all others."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from support.sandbox_client import Client, Query, opened

from capledger.sandbox import Rules, SandboxCustomer, entry_detail, make_row

MOMENT = datetime(2024, 1, 1)
PROMISED = "DelayedAccrualPointCategory"


def mixed() -> SandboxCustomer:
    """1: points and Stars; 2: promised points and promised Coins; 3: Stars alone; 4: points alone, a debit."""
    star, coin = (
        entry_detail("5.00", alternateCurrencyName="Stars"),
        entry_detail("6.00", alternateCurrencyName="Coins"),
    )
    promised = {"pointsCategory": PROMISED}
    rows = [
        make_row(1, MOMENT, currencies={"Stars": "5.00"}),
        make_row(2, MOMENT, entryDetails=[entry_detail("1.00", **promised), coin | promised])
        | {"netAlternateCurrenciesOnEvent": {"Coins": "6.00"}},
        make_row(3, MOMENT, entryDetails=[star], netPointsOnEvent="0", netAlternateCurrenciesOnEvent={"Stars": "5.00"}),
        make_row(4, MOMENT, entry_type="DEBIT", event_name="PointsRedemption"),
    ]
    return SandboxCustomer("1", rows)


async def shown(client: Client, query: Query) -> dict[int, list[str]]:
    """Return the currency names, or "points", of each entry."""
    page = await client.ledger(query, order="ASC")
    return {
        entry["eventLogId"]: [detail.get("alternateCurrencyName", "points") for detail in entry["entryDetails"]]
        for entry in page.body["ledgerEntries"]
    }


EVERYTHING = {1: ["points", "Stars"], 2: ["points", "Coins"], 3: ["Stars"], 4: ["points"]}
CURRENCIES = {1: ["Stars"], 2: ["Coins"], 3: ["Stars"]}


@pytest.mark.parametrize(
    ("include", "category", "exclude", "expected"),
    [
        ("true", "REGULAR", None, {1: ["points", "Stars"], 3: ["Stars"], 4: ["points"]}),
        ("true", "PROMISED", "false", {2: ["points", "Coins"]}),
        ("true", None, None, EVERYTHING),
        ("true", None, "false", EVERYTHING),
        ("true", None, "true", CURRENCIES),
        ("true", "REGULAR", "true", CURRENCIES),
        ("false", None, None, {1: ["points"], 2: ["points"], 4: ["points"]}),
        ("false", "REGULAR", None, {1: ["points"], 4: ["points"]}),
        ("false", "PROMISED", "false", {2: ["points"]}),
        (None, None, None, {1: ["points"], 2: ["points"], 4: ["points"]}),
    ],
)
async def test_each_row_of_the_currency_table(
    include: str | None, category: str | None, exclude: str | None, expected: dict[int, list[str]]
) -> None:
    """The table of the v2 customer ledger page, row by row."""
    parameters = {
        "includeAlternateCurrencies": include,
        "pointCategoryType": category,
        "excludePointCategories": exclude,
    }
    async with opened(mixed()) as client:
        found = await shown(client, {name: value for name, value in parameters.items() if value is not None})

    assert found == expected


async def test_named_currencies() -> None:
    """Names without ``includeAlternateCurrencies`` select those currencies only; with it, everything is selected."""
    async with opened(mixed()) as client:
        coins = await shown(client, {"alternateCurrencyNames": "Coins"})
        both = await shown(client, {"alternateCurrencyNames": "Stars,Coins"})
        every = await shown(client, {"alternateCurrencyNames": "Coins", "includeAlternateCurrencies": "true"})

    assert coins == {2: ["Coins"]}
    assert both == CURRENCIES
    assert every == EVERYTHING


async def test_the_nets_of_currencies_follow_the_filter() -> None:
    """``netAlternateCurrenciesOnEvent`` is empty without currencies; without points their net is "0"."""
    async with opened(mixed()) as client:
        points = (await client.ledger(order="ASC")).body["ledgerEntries"][0]
        every = (await client.ledger(order="ASC", includeAlternateCurrencies="true")).body["ledgerEntries"][0]
        excluded = await client.ledger(order="ASC", includeAlternateCurrencies="true", excludePointCategories="true")

    assert points["netAlternateCurrenciesOnEvent"] == {}
    assert (every["netPointsOnEvent"], every["netAlternateCurrenciesOnEvent"]) == ("100.000", {"Stars": "5.00"})
    assert excluded.body["ledgerEntries"][0]["netPointsOnEvent"] == "0"


async def test_unknown_currencies_are_a_warning() -> None:
    """The warning is 9018, and an empty name is the error 9005."""
    async with opened(mixed(), rules=Rules(empty="plain")) as client:
        page = await client.ledger(alternateCurrencyNames="Stars,Doubloons")
        rejected = await client.ledger(alternateCurrencyNames="Stars,,Coins")

    assert page.warning_codes == [9018]
    assert "Doubloons" in page.body["warnings"][0]["message"]
    assert rejected.code == 9005


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"ledgerEntryType": "DEBIT"}, {4}),
        ({"ledgerEntryType": "CREDIT"}, {1, 2}),
        ({"eventFilter": "PointsRedemption,ReturnBill"}, {4}),
        ({"excludeEvents": "PointsRedemption"}, {1, 2}),
        ({"programId": "4110"}, {1, 2, 4}),
    ],
)
async def test_other_filters_select_their_rows(query: dict[str, str], expected: set[int]) -> None:
    """By entry type, event and program."""
    async with opened(mixed()) as client:
        assert set(await shown(client, query)) == expected


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"ledgerEntryType": "BOTH"}, 11007),
        ({"pointCategoryType": "MAIN"}, 11008),
        ({"programId": "five"}, 11005),
        ({"programId": "5"}, 11005),
        ({"includeTillConceptEvents": "true"}, 11001),
        ({"tillId": "abc"}, 11025),
        ({"tillIds": "9301,7"}, 11027),
        ({"storeId": "123"}, 11026),
        ({"storeCode": "abc"}, 11026),
        ({"tillId": "9301", "storeCode": "quay"}, 11028),
        ({"includeConceptDetails": "yes"}, 400),
    ],
)
async def test_invalid_values_are_errors(query: dict[str, str], code: int) -> None:
    """Each parameter has its documented code."""
    async with opened(mixed()) as client:
        assert (await client.ledger(query)).code == code


def spread() -> SandboxCustomer:
    """Return a row at each of four tills in three stores; the last two are deductions of another program."""
    tills = [("quay", "quay.till1"), ("quay", "quay.till2"), ("mill", "mill.till1"), ("pier", "pier.till1")]
    foreign: dict[str, Any] = {"entryDetails": [entry_detail("1.00", ledgerEntryType="DEBIT", programId=4120)]}
    rows = [
        make_row(number, MOMENT, storeCode=store, tillCode=till, **(foreign if number > 1 else {}))
        for number, (store, till) in enumerate(tills)
    ]
    return SandboxCustomer("1", rows)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"tillId": "9301"}, [0]),
        ({"tillIds": "9301,9311"}, [0, 2]),
        ({"storeCode": "quay"}, [0, 1]),
        ({"storeId": "302"}, [2]),
    ],
)
async def test_tills_and_stores_select_their_rows(query: dict[str, str], expected: list[int]) -> None:
    """One till, several, or those of a store by code or id."""
    async with opened(spread()) as client:
        assert (await client.ledger(query, order="ASC")).ids == expected


async def test_a_concept_includes_deductions_at_its_tills() -> None:
    """With ``includeTillConceptEvents``, deductions of other programs count at the tills of the program's concept."""
    rows = spread().rows
    row = make_row(9, MOMENT, entryDetails=[entry_detail("1.00", ledgerEntryType="DEBIT", programId=4120)])
    async with opened(SandboxCustomer("1", [*rows, row])) as client:  # type: ignore[misc]  # a list of rows
        without = await client.ledger(order="ASC", programId=4110)
        with_concept = await client.ledger(order="ASC", programId=4110, includeTillConceptEvents="true")

    assert without.ids == [0, 1]
    assert with_concept.ids == [0, 1, 9]


async def test_concepts_are_added_where_they_are_known() -> None:
    """``includeConceptDetails`` adds id and name, or -1 where the store has no concept."""
    async with opened(spread()) as client:
        page = await client.ledger(order="ASC", includeConceptDetails="true")
        plain = await client.ledger()

    concepts = [(entry["conceptId"], entry.get("conceptName")) for entry in page.body["ledgerEntries"]]
    assert concepts == [(71, "Harbour"), (71, "Harbour"), (72, "Mill"), (-1, None)]
    assert "conceptId" not in plain.body["ledgerEntries"][0]
