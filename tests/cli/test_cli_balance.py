"""``capledger balance``: the service's balances as a table, JSON lines or CSV."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta

import pytest
from support.shell import MOBILE, run

from capledger.sandbox import Sandbox, SandboxCustomer, make_row

START = datetime(2025, 1, 1)
ROWS = [
    make_row(1, START, points="1000.000", currencies={"Coins": "20.500"}),
    make_row(2, START + timedelta(days=1), points="0.001", entry_type="DEBIT"),
]
BALANCE = ("balance", "mobile", MOBILE)


def sandbox() -> Sandbox:
    return Sandbox([SandboxCustomer(MOBILE, ROWS)])


async def test_table_has_every_account_with_every_digit() -> None:
    """The table has a row per programme, category and currency; all currencies are included."""
    async with sandbox() as box:
        result = await run(box, *BALANCE)

    assert (result.code, result.err) == (0, "")
    assert [line.split()[-2:] for line in result.lines] == [
        ["Currency", "Balance"],
        ["points", "0.000"],
        ["points", "0.000"],
        ["points", "999.999"],
        ["Coins", "20.500"],
    ]


async def test_json_and_csv_have_all_fields() -> None:
    """JSON and CSV have the fields of the model, amounts as strings."""
    async with sandbox() as box:
        lines = await run(box, *BALANCE, "--json")
        listing = await run(box, *BALANCE, "--csv", "--alternate-currency", "Coins")

    assert json.loads(lines.lines[2]) == {
        "program_id": 4110,
        "program_name": "Harbour Rewards",
        "points_category": "Main",
        "alternate_currency_name": None,
        "closing_balance": "999.999",
    }
    coins = next(csv.DictReader(io.StringIO(listing.out)))
    assert (coins["alternate_currency_name"], coins["closing_balance"]) == ("Coins", "20.500")


async def test_moment_is_sent() -> None:
    """``--at`` is the moment of the balances, in the server's time."""
    async with sandbox() as box:
        result = await run(box, *BALANCE, "--at", "2025-01-01T12:00:00+05:30", "--json")

    assert box.requests[0].query["endDate"] == "2025-01-01T06:30:00"
    assert json.loads(result.lines[2])["closing_balance"] == "1000.000"


async def test_customers_without_balances_and_unknown_ones() -> None:
    """A customer without entries is told of on stderr; an unknown one is an error."""
    async with Sandbox([SandboxCustomer(MOBILE)]) as box:
        empty = await run(box, *BALANCE)
        unknown = await run(box, "balance", "mobile", "919988776600")

    assert (empty.code, empty.out, empty.err) == (0, "", "capledger: the customer has no balances\n")
    assert unknown.code == 1
    assert "code 8015" in unknown.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--at", "soon"), "not a date"),
        (("--at", "9999-12-31"), "--at is at the edge of the calendar"),
        (("--json", "--csv"), "two output formats"),
    ],
)
async def test_wrong_options_send_nothing(arguments: tuple[str, ...], message: str) -> None:
    """Wrong options are a usage error."""
    async with sandbox() as box:
        result = await run(box, *BALANCE, *arguments)

    assert (result.code, box.requests) == (2, [])
    assert message in result.err
