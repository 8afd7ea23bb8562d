"""``capledger entries``: what it prints, what it asks, and how it says no."""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal
from typing import Any

import pytest
from support.shell import ABOUT, MOBILE, nets, rows, run, sandbox

from capledger.sandbox import Sandbox, SandboxCustomer, SandboxGroup, faults

CURSOR = re.compile(r"--resume (\S+)")


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def ids(text: str) -> list[int]:
    return [item["event_log_id"] for item in objects(text)]


async def test_json_has_every_entry_with_exact_amounts() -> None:
    """One object a line, in order; amounts are texts with every digit that was on the wire."""
    async with sandbox() as box:
        shown = await run(box, *ABOUT, "--json")

    entries = objects(shown.out)
    assert (shown.code, shown.err) == (0, "")
    assert [entry["event_log_id"] for entry in entries] == list(range(1, 251))
    assert [entry["net_points_on_event"] for entry in entries[:4]] == [
        "20000.00",
        "0.10",
        "1234567890123456.789",
        "46.690",
    ]
    assert entries[1]["ledger_created_date"] == "2025-01-01T01:00:00Z"
    assert list(entries[0])[:3] == ["event_log_id", "event_name", "ledger_created_date"]


async def test_csv_has_a_header_and_nested_values_as_json() -> None:
    """The columns are the model's fields; what is nested can be read back from its cell."""
    async with sandbox(3) as box:
        shown = await run(box, *ABOUT, "--csv")

    table = list(csv.DictReader(io.StringIO(shown.out)))
    assert [Decimal(row["net_points_on_event"]) for row in table] == nets(rows(3))
    assert json.loads(table[0]["entry_details"])[0]["points"] == "20000.00"
    assert table[0]["concept_name"] == ""


async def test_csv_of_an_empty_ledger_is_its_header() -> None:
    """A program that reads the file finds the columns even when there are no rows."""
    async with sandbox(0) as box:
        shown = await run(box, *ABOUT, "--csv")

    assert (shown.code, len(shown.lines)) == (0, 1)
    assert shown.out.startswith("event_log_id,event_name,ledger_created_date,")


async def test_table_shows_entries_in_order_in_plain_text() -> None:
    """Without a terminal the table has no colour codes, one heading for all pages, and lines of one width."""
    async with sandbox() as box:
        shown = await run(box, *ABOUT)

    heading, *lines = shown.lines
    assert heading.split()[:4] == ["Entry", "Date", "Event", "Points"]
    assert [line.split()[0] for line in lines] == [str(number) for number in range(1, 251)]
    assert "+1,234,567,890,123,456.789" in shown.out
    assert "\x1b" not in shown.out
    assert {len(line) for line in shown.lines} == {len(heading)}


async def test_table_shows_alternate_currencies_when_asked() -> None:
    """Each currency has its amount, beside the points."""
    ledger = rows(2, currencies={"Stars": "12.500"})
    async with Sandbox([SandboxCustomer(MOBILE, ledger)]) as box:
        shown = await run(box, *ABOUT, "-a")

    assert [line.count("Stars +12.500") for line in shown.lines] == [0, 1, 1]


async def test_table_obeys_nothing_that_the_server_says() -> None:
    """Control characters and markup in the service's texts reach no terminal."""
    ledger = rows(1, event_name="\x1b[31m[red]Odd")
    async with Sandbox([SandboxCustomer(MOBILE, ledger)]) as box:
        shown = await run(box, *ABOUT)

    assert "\x1b" not in shown.out
    assert "[31m[red]Odd" in shown.out


async def test_span_is_half_open() -> None:
    """--from is the first moment wanted and --to the first not wanted, offsets converted to server time."""
    async with sandbox() as box:
        shown = await run(box, *ABOUT, "--from", "2025-01-01T05:00:00", "--to", "2025-01-01T13:30:00+05:30", "--json")

    assert ids(shown.out) == [6, 7, 8]


async def test_limit_and_resume_give_each_entry_once() -> None:
    """Stopped at its limit it says where to go on, in a cursor that another process can use."""
    span = ("--to", "2025-02-01", "--json")
    async with sandbox() as box:
        first = await run(box, *ABOUT, *span, "--limit", "130")
        [cursor] = CURSOR.findall(first.err)
        second = await run(box, *ABOUT, *span, "--resume", cursor)

    assert ids(first.out) + ids(second.out) == list(range(1, 251))
    assert MOBILE not in first.err
    assert second.err == ""


async def test_limit_asks_for_no_page_that_nobody_sees() -> None:
    """The newest five of a long ledger take no more than two requests."""
    async with sandbox(2_000) as box:
        shown = await run(box, *ABOUT, "--order", "desc", "--limit", "5", "--json")

    assert ids(shown.out) == [2000, 1999, 1998, 1997, 1996]
    assert len(box.requests) <= 2


async def test_resumed_csv_has_no_header() -> None:
    """What is appended to a file continues its rows."""
    async with sandbox(20) as box:
        first = await run(box, *ABOUT, "--csv", "--limit", "5")
        [cursor] = CURSOR.findall(first.err)
        second = await run(box, *ABOUT, "--csv", "--resume", cursor)

    assert [row["event_log_id"] for row in csv.DictReader(io.StringIO(first.out + second.out))] == [
        str(number) for number in range(1, 21)
    ]


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (["--source", "ECOMMERCE", "--account-id", "7"], {"source": "ECOMMERCE", "accountId": "7"}),
        (["-a"], {"includeAlternateCurrencies": "true"}),
        (["--alternate-currency", "Stars", "--alternate-currency", "Coins"], {"alternateCurrencyNames": "Stars,Coins"}),
        (["--till-id", "9301"], {"tillId": "9301"}),
        (["--till-id", "9301", "--till-id", "9302"], {"tillIds": "9301,9302"}),
        (["--store-code", "quay"], {"storeCode": "quay"}),
        (["--program-id", "4110"], {"programId": "4110"}),
        (["--ledger-entry-type", "DEBIT"], {"ledgerEntryType": "DEBIT"}),
        (["--point-category-type", "REGULAR"], {"pointCategoryType": "REGULAR"}),
        (["--page-size", "7"], {"limit": "7"}),
        (["--order", "desc"], {"order": "DESC"}),
    ],
    ids=lambda item: " ".join(item) if isinstance(item, list) else "",
)
async def test_options_reach_the_service(options: list[str], sent: dict[str, str]) -> None:
    """Each option is the API's parameter."""
    async with sandbox(5) as box:
        await run(box, *ABOUT, "--json", *options)

    assert box.requests[0].query.items() >= sent.items()


@pytest.mark.parametrize(
    ("scope", "headers"),
    [
        ("own", {"data-scope": "SELF"}),
        ("all", {"data-scope": "ALL"}),
        ("70002,70003", {"data-scope": "OTHER", "data-scope-org": "70002,70003"}),
    ],
)
async def test_scope_is_sent_as_headers(scope: str, headers: dict[str, str]) -> None:
    """A scope goes to v2.1, in the documented headers."""
    async with sandbox(5) as box:
        await run(box, *ABOUT, "--scope", scope)

    assert box.requests[0].path.startswith("/v2.1/")
    assert box.requests[0].headers.items() >= headers.items()


async def test_group_is_asked_as_one() -> None:
    """--group asks for the ledger of a user group."""
    async with Sandbox(groups=[SandboxGroup("4400001", rows(5))]) as box:
        shown = await run(box, "entries", "groupId", "4400001", "--group", "--json")

    assert ids(shown.out) == [1, 2, 3, 4, 5]
    assert box.requests[0].query["type"] == "USERGROUP2"


async def test_details_come_with_the_entries() -> None:
    """--details fills in each entry's event."""
    async with sandbox(3) as box:
        shown = await run(box, *ABOUT, "--details", "--json")

    assert [entry["event"]["event_log_id"] for entry in objects(shown.out)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--json", "--csv"], "--json and --csv"),
        (["--from", "2025-02-01", "--to", "2025-01-01"], "end is before start"),
        (["--till-id", "1", "--store-id", "2"], "--till-id, --store-id, --store-code"),
        (["--resume", "nonsense"], "--resume"),
        (["-a", "--alternate-currency", "Stars"], "--alternate-currency"),
        (["--group", "--program-id", "3"], "--program-id is not for groups"),
        (["--from", "yesterday"], "not a date"),
        (["--scope", "others"], "not a scope"),
        (["--scope", "1,2,3"], "one or two"),
        (["--order", "up"], "asc"),
        (["--limit", "0"], "--limit"),
        (["--rate", "0"], "--rate"),
    ],
    ids=lambda item: " ".join(item) if isinstance(item, list) else "",
)
async def test_usage_errors_are_told_before_any_request(options: list[str], named: str) -> None:
    """What cannot be asked ends with 2, names the option in its own spelling, and costs nothing."""
    async with sandbox(5) as box:
        shown = await run(box, *ABOUT, *options)

    assert (shown.code, shown.out, box.requests) == (2, "", [])
    assert named in shown.err
    assert MOBILE not in shown.err


async def test_refusals_are_one_line() -> None:
    """What the service refuses ends with 1 and one line with its code, without the identifier."""
    async with sandbox(5) as box:
        shown = await run(box, "entries", "mobile", "910000000404")

    assert (shown.code, shown.out) == (1, "")
    assert shown.err == "capledger: Customer not found for the given identifiers (code 8015)\n"


async def test_failure_on_the_way_keeps_what_came_and_says_where_to_go_on() -> None:
    """After an error in the middle, what is on stdout and what the cursor gives are the whole ledger."""
    span = ("--to", "2025-02-01", "--json")
    async with sandbox(faults=faults.nth(3, faults.status(403))) as box:
        first = await run(box, *ABOUT, *span)
        [cursor] = CURSOR.findall(first.err)
        second = await run(box, *ABOUT, *span, "--resume", cursor)

    assert (first.code, second.code) == (1, 0)
    assert first.err.count("\n") == 1
    assert 0 < len(ids(first.out)) < 250
    assert ids(first.out) + ids(second.out) == list(range(1, 251))


async def test_warnings_of_the_service_are_passed_on() -> None:
    """Pending events are news, on stderr; the entries come all the same."""
    async with Sandbox([SandboxCustomer(MOBILE, rows(2), pending=True)]) as box:
        shown = await run(box, *ABOUT, "--json")

    assert (shown.code, ids(shown.out)) == (0, [1, 2])
    assert "(code 11002)" in shown.err
