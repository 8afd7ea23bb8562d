"""``capledger events``: details by ids or references, and events without details."""

from __future__ import annotations

import csv
import io
import json

import pytest
from support.shell import MOBILE, rows, run, sandbox

from capledger.sandbox import Sandbox, SandboxCustomer

EVENTS = ("events", "mobile", MOBILE)


def ids_of(text: str) -> list[int]:
    return [json.loads(line)["event_log_id"] for line in text.splitlines()]


async def test_events_are_in_the_order_of_the_ids() -> None:
    """Any number of ids takes one request for ten; each event is printed once, in the order of the ids."""
    wanted = list(range(25, 0, -1))
    async with sandbox(30) as box:
        result = await run(box, *EVENTS, *(f"--id={number}" for number in wanted), "--json")

    assert (result.code, result.err, ids_of(result.out)) == (0, "", wanted)
    assert len(box.requests) == 3


async def test_references_find_events() -> None:
    """An event can be named by its kind and a reference."""
    async with sandbox(3) as box:
        result = await run(box, *EVENTS, "--event-name", "TransactionAdd", "--reference", "800000002", "--json")

    assert ids_of(result.out) == [2]


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
    """Each flag is sent as the API's parameter, and only when given."""
    async with sandbox(3) as box:
        await run(box, *EVENTS, "--id", "1", option)
        await run(box, *EVENTS, "--id", "1")

    first, second = (request.query for request in box.requests)
    assert first.pop(parameter) == "true"
    assert first == second


async def test_table_and_csv_show_the_bill() -> None:
    """The table shows the bill's number and amount; in CSV the bill is JSON."""
    async with sandbox(3) as box:
        table = await run(box, *EVENTS, "--id", "2", "--bill")
        listing = await run(box, *EVENTS, "--id", "2", "--bill", "--csv")

    assert table.lines[1].split()[-2:] == ["HB-2", "1,250.5"]
    [row] = csv.DictReader(io.StringIO(listing.out))
    assert json.loads(row["bill_details"])["bill_number"] == "HB-2"


async def test_unknown_events_are_named_on_stderr() -> None:
    """Events without details are named on stderr and do not stop the others."""
    ledger = [*rows(3), *rows(1, event_name="PointsExpiry", eventLogId=77)]
    async with Sandbox([SandboxCustomer(MOBILE, ledger)]) as box:
        result = await run(box, *EVENTS, "--id", "1", "--id", "77", "--id", "999", "--id", "3", "--json")

    assert (result.code, ids_of(result.out)) == (0, [1, 3])
    assert result.err == "capledger: no details of 77, 999\n"


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
async def test_usage_errors_send_no_request(options: list[str], named: str) -> None:
    """A usage error exits with 2, names the option, and sends nothing."""
    async with sandbox(3) as box:
        result = await run(box, *EVENTS, *options)

    assert (result.code, result.out, box.requests) == (2, "", [])
    assert named in result.err


async def test_service_errors_are_one_line() -> None:
    """An error of the service exits with 1 and one line, without the identifier."""
    async with sandbox(3) as box:
        result = await run(box, "events", "mobile", "910000000404", "--id", "1")

    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert "910000000404" not in result.err
