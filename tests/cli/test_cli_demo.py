"""``capledger demo``: the first thing a new user sees."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from support.shell import invoke, process_environment, run
from typer.testing import CliRunner

from capledger.cli import demo
from capledger.cli.app import app
from capledger.sandbox.demo import demo_rows

if TYPE_CHECKING:
    import pytest

TOOK = re.compile(r"^(\d+) requests, (\d+) windows, (\d+) pages, ([\d,]+) entries, \d+\.\d\d seconds$")


async def test_demo_shows_what_the_walk_does() -> None:
    """Windows, pages, exact totals, a dict of currencies and the comparison fit one screen of 80 columns."""
    result = await run(None, "demo")

    took = next(filter(None, map(TOOK.match, result.lines)))
    requests, windows, pages, entries = (int(number.replace(",", "")) for number in took.groups())
    assert (result.code, result.err) == (0, "")
    assert (windows, entries) == (13, 1504)
    assert windows < pages <= requests < len(demo_rows()) / 100 == 44
    assert max(map(len, result.lines)) <= 80
    assert len(result.lines) <= 54
    assert "\x1b" not in result.out
    assert "{'Coins': Decimal('1947.567')}" in result.out
    assert "each entry once, in order, every digit" in result.out
    assert result.lines[-1] == "The books add up: 9 balances of the service agree with ten years of entries"
    assert "Harbour Rewards points  ▁▁▁▁▂▂▃▃▄▄▅▅▅▆▇█" in result.lines


async def test_demo_cuts_no_total_in_a_narrow_terminal() -> None:
    """Where the columns do not fit, totals are printed as lines of their own, with every digit."""
    result = await invoke(["demo"], process_environment() | {"COLUMNS": "40"})

    assert max(map(len, result.lines)) <= 40
    assert result.lines.count("Closing   648,167.883") == 1


async def test_demo_is_the_same_each_time() -> None:
    """Two demos are equal except for the port and the seconds."""
    first, second = [
        re.sub(r":\d{4,5}|\d+\.\d+ seconds", "", result.out)
        for result in [await run(None, "demo"), await run(None, "demo")]
    ]

    assert first == second


async def test_totals_are_the_sums_of_the_rows() -> None:
    """The net of each currency is the exact sum over the rows."""
    expected: dict[tuple[str, str], Decimal] = {}
    for row in demo_rows():
        if "2023-07-01" <= row["ledgerCreatedDate"] < "2026-07-01":
            for detail in row["entryDetails"]:
                key = detail["programName"], detail.get("alternateCurrencyName", "points")
                sign = -1 if detail["ledgerEntryType"] == "DEBIT" else 1
                expected[key] = expected.get(key, Decimal(0)) + sign * Decimal(detail["points"])

    seen = await demo.run_demo()

    assert {key: total.net for key, total in seen.totals.items()} == expected
    assert len(expected) == 5


def test_demo_reports_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that differs from the sandbox's data is reported, with exit code 1."""
    expected = demo._expected
    monkeypatch.setattr(demo, "_expected", lambda *given: (item for item in expected(*given) if item[0] != 5_000_100))

    result = CliRunner().invoke(app, ["demo"])

    assert result.exit_code == 1
    assert "NOT equal to the sandbox's own data" in result.stdout


async def test_colours_are_for_terminals() -> None:
    """A terminal shows credits in green; FORCE_COLOR makes a pipe count as one."""
    result = await invoke(["demo"], process_environment(None) | {"FORCE_COLOR": "1"})

    assert "\x1b[32m+1,459.460\x1b[0m" in result.out
