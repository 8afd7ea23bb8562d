"""``capledger events``: details by ids or references, and what becomes of those that there are none of."""

from __future__ import annotations

import csv
import io
import json

import pytest
from support.shell import MOBILE, rows, run, sandbox

from capledger.sandbox import Sandbox, SandboxCustomer

ABOUT = ("events", "mobile", MOBILE)


def ids_of(text: str) -> list[int]:
    return [json.loads(line)["event_log_id"] for line in text.splitlines()]


async def test_events_come_in_the_order_asked() -> None:
    """Any number of ids, ten a request, each event once and in the order of the ids."""
    wanted = list(range(25, 0, -1))
    async with sandbox(30) as box:
        shown = await run(box, *ABOUT, *(f"--id={number}" for number in wanted), "--json")

    assert (shown.code, shown.err, ids_of(shown.out)) == (0, "", wanted)
    assert len(box.requests) == 3


async def test_references_find_events() -> None:
    """A name and a reference name an event too."""
    async with sandbox(3) as box:
        shown = await run(box, *ABOUT, "--event-name", "TransactionAdd", "--reference", "800000002", "--json")

    assert ids_of(shown.out) == [2]


@pytest.mark.parametrize(
    ("option", "parameter"),
    [
        ("--bill", "getBillDetails"),
        ("--points-earned", "getPointsEarnedBreakup"),
        ("--custom-fields", "getCustomFields"),
        ("--extended-fields", "getExtendedFields"),
        ("--max-conversion", "getMaxConversionDetails"),
        ("--payment-modes", "getPaymentMode"),
        ("-a", "includeAlternateCurrencies"),
    ],
)
async def test_flags_reach_the_service(option: str, parameter: str) -> None:
    """Each flag is the API's parameter, and goes out only when given."""
    async with sandbox(3) as box:
        await run(box, *ABOUT, "--id", "1", option)
        await run(box, *ABOUT, "--id", "1")

    first, second = (request.query for request in box.requests)
    assert first.pop(parameter) == "true"
    assert first == second


async def test_table_and_csv_show_the_bill() -> None:
    """The bill's number and amount are in the table; in CSV the bill is JSON."""
    async with sandbox(3) as box:
        table = await run(box, *ABOUT, "--id", "2", "--bill")
        listing = await run(box, *ABOUT, "--id", "2", "--bill", "--csv")

    assert table.lines[1].split()[-2:] == ["HB-2", "1,250.5"]
    [row] = csv.DictReader(io.StringIO(listing.out))
    assert json.loads(row["bill_details"])["bill_number"] == "HB-2"


async def test_unknown_events_are_named_on_stderr() -> None:
    """What the service has no details of does not stop the others."""
    ledger = [*rows(3), *rows(1, event_name="PointsExpiry", eventLogId=77)]
    async with Sandbox([SandboxCustomer(MOBILE, ledger)]) as box:
        shown = await run(box, *ABOUT, "--id", "1", "--id", "77", "--id", "999", "--id", "3", "--json")

    assert (shown.code, ids_of(shown.out)) == (0, [1, 3])
    assert shown.err == "capledger: no details of 77, 999\n"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ([], "--id"),
        (["--id", "1", "--event-name", "TransactionAdd"], "--event-name"),
        (["--event-name", "TransactionAdd"], "--reference"),
        (["--id", "one"], "--id"),
        (["--id", "1", "--json", "--csv"], "--json and --csv"),
    ],
    ids=lambda item: " ".join(item) if isinstance(item, list) else "",
)
async def test_usage_errors_are_told_before_any_request(options: list[str], named: str) -> None:
    """What cannot be asked ends with 2, names the option, and costs nothing."""
    async with sandbox(3) as box:
        shown = await run(box, *ABOUT, *options)

    assert (shown.code, shown.out, box.requests) == (2, "", [])
    assert named in shown.err


async def test_refusals_are_one_line() -> None:
    """What the service refuses ends with 1 and one line, without the identifier."""
    async with sandbox(3) as box:
        shown = await run(box, "events", "mobile", "910000000404", "--id", "1")

    assert (shown.code, shown.out, shown.err.count("\n")) == (1, "", 1)
    assert "910000000404" not in shown.err
