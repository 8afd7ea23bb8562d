"""``capledger entries``: its output, its requests and its errors."""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal
from typing import Any

import pytest
from support.shell import ENTRIES, MOBILE, invoke, nets, process_environment, rows, run, sandbox

from capledger.sandbox import Sandbox, SandboxCustomer, SandboxGroup, faults

CURSOR = re.compile(r"--resume (\S+)")


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def ids(text: str) -> list[int]:
    return [item["event_log_id"] for item in objects(text)]


async def test_json_has_every_entry_with_exact_amounts() -> None:
    """--json prints one object a line, in order; amounts are strings with every digit of the wire."""
    async with sandbox() as box:
        result = await run(box, *ENTRIES, "--json")

    entries = objects(result.out)
    assert (result.code, result.err) == (0, "capledger: 250 entries, 3 requests, 3 pages, complete\n")
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
    """The columns of --csv are the model's fields; nested values are JSON."""
    async with sandbox(3) as box:
        result = await run(box, *ENTRIES, "--csv")

    table = list(csv.DictReader(io.StringIO(result.out)))
    assert [Decimal(row["net_points_on_event"]) for row in table] == nets(rows(3))
    assert json.loads(table[0]["entry_details"])[0]["points"] == "20000.00"
    assert table[0]["concept_name"] == ""


async def test_csv_of_an_empty_ledger_is_its_header() -> None:
    """The CSV of an empty ledger is its header."""
    async with sandbox(0) as box:
        result = await run(box, *ENTRIES, "--csv")

    assert (result.code, len(result.lines)) == (0, 1)
    assert result.out.startswith("event_log_id,event_name,ledger_created_date,")


async def test_table_shows_entries_in_order_in_plain_text() -> None:
    """Without a terminal the table has no color codes, one heading for all pages, and lines of one width."""
    async with sandbox() as box:
        result = await run(box, *ENTRIES)

    heading, *lines = result.lines
    assert heading.split()[:4] == ["Entry", "Date", "Event", "Points"]
    assert [line.split()[0] for line in lines] == [str(number) for number in range(1, 251)]
    assert "+1,234,567,890,123,456.789" in result.out
    assert "\x1b" not in result.out
    assert {len(line) for line in result.lines} == {len(heading)}


@pytest.mark.parametrize("width", [140, 80, 60, 40])
async def test_table_cuts_no_number(width: int) -> None:
    """On any width, ids and amounts are in the table in full, each on one line that fits."""
    async with sandbox(4) as box:
        result = await invoke(ENTRIES, process_environment(box) | {"COLUMNS": str(width)})

    assert max(map(len, result.lines)) <= width
    for number in ("+20,000.00", "+0.10", "+1,234,567,890,123,456.789", "+46.690"):
        assert sum(number in line for line in result.lines) == 1
    assert [word for word in result.out.split() if word in {"1", "2", "3", "4"}] == ["1", "2", "3", "4"]


async def test_table_shows_alternate_currencies() -> None:
    """The table shows each alternate currency with its amount."""
    ledger = rows(2, currencies={"Stars": "12.500"})
    async with Sandbox([SandboxCustomer(MOBILE, ledger)]) as box:
        result = await run(box, *ENTRIES, "-a")

    assert [line.count("Stars +12.500") for line in result.lines] == [0, 1, 1]


async def test_table_escapes_control_characters() -> None:
    """Control characters and markup in the service's strings reach no terminal."""
    ledger = rows(1, event_name="\x1b[31m[red]Odd")
    async with Sandbox([SandboxCustomer(MOBILE, ledger)]) as box:
        result = await run(box, *ENTRIES)

    assert "\x1b" not in result.out
    assert "[31m[red]Odd" in result.out


async def test_span_is_half_open() -> None:
    """--from is included and --to is not; offsets are converted to server time."""
    async with sandbox() as box:
        result = await run(
            box, *ENTRIES, "--from", "2025-01-01T05:00:00", "--to", "2025-01-01T13:30:00+05:30", "--json"
        )

    assert ids(result.out) == [6, 7, 8]


async def test_limit_and_resume_print_each_entry_once() -> None:
    """A command stopped at --limit prints a cursor that another process can resume from."""
    span = ("--to", "2025-02-01", "--json")
    async with sandbox() as box:
        first = await run(box, *ENTRIES, *span, "--limit", "130")
        [cursor] = CURSOR.findall(first.err)
        second = await run(box, *ENTRIES, *span, "--resume", cursor)

    assert ids(first.out) + ids(second.out) == list(range(1, 251))
    assert MOBILE not in first.err
    assert second.err.endswith(", complete\n")


async def test_limit_requests_no_unneeded_page() -> None:
    """The newest five entries of a long ledger take at most two requests."""
    async with sandbox(2_000) as box:
        result = await run(box, *ENTRIES, "--order", "desc", "--limit", "5", "--json")

    assert ids(result.out) == [2000, 1999, 1998, 1997, 1996]
    assert len(box.requests) <= 2


async def test_resumed_csv_has_no_header() -> None:
    """A resumed --csv has no header, so it can be appended to a file."""
    async with sandbox(20) as box:
        first = await run(box, *ENTRIES, "--csv", "--limit", "5")
        [cursor] = CURSOR.findall(first.err)
        second = await run(box, *ENTRIES, "--csv", "--resume", cursor)

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
    """Each option is sent as the API's parameter."""
    async with sandbox(5) as box:
        await run(box, *ENTRIES, "--json", *options)

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
    """A scope is sent to v2.1, in the documented headers."""
    async with sandbox(5) as box:
        await run(box, *ENTRIES, "--scope", scope)

    assert box.requests[0].path.startswith("/v2.1/")
    assert box.requests[0].headers.items() >= headers.items()


async def test_group_ledger() -> None:
    """--group requests the ledger of a user group."""
    async with Sandbox(groups=[SandboxGroup("4400001", rows(5))]) as box:
        result = await run(box, "entries", "groupId", "4400001", "--group", "--json")

    assert ids(result.out) == [1, 2, 3, 4, 5]
    assert box.requests[0].query["type"] == "USERGROUP2"


async def test_details_add_events() -> None:
    """--details fills in each entry's event."""
    async with sandbox(3) as box:
        result = await run(box, *ENTRIES, "--details", "--json")

    assert [entry["event"]["event_log_id"] for entry in objects(result.out)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--json", "--csv"], "--json and --csv"),
        (["--from", "2025-02-01", "--to", "2025-01-01"], "--to is before --from"),
        (["--till-id", "1", "--store-id", "2"], "--till-id, --store-id, --store-code"),
        (["--resume", "nonsense"], "--resume is not a cursor of this command"),
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
async def test_usage_errors_send_no_request(options: list[str], named: str) -> None:
    """A usage error exits with 2, names the option as spelled on the command line, and sends nothing."""
    async with sandbox(5) as box:
        result = await run(box, *ENTRIES, *options)

    assert (result.code, result.out, box.requests) == (2, "", [])
    assert named in result.err
    assert MOBILE not in result.err


async def test_service_errors_are_one_line() -> None:
    """An error of the service exits with 1 and one line with its code, without the identifier."""
    async with sandbox(5) as box:
        result = await run(box, "entries", "mobile", "910000000404")

    assert (result.code, result.out) == (1, "")
    assert result.err == "capledger: Customer not found for the given identifiers (code 8015)\n"


async def test_unknown_kind_of_identifier_lists_the_kinds() -> None:
    """Where the service refuses the identifier, the line lists the kinds there are, without the value."""
    async with sandbox(5) as box:
        result = await run(box, "entries", "phone", MOBILE)

    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert "kinds of identifiers are mobile, email, id, customerId, externalId" in result.err
    assert MOBILE not in result.err


async def test_failure_keeps_entries_and_prints_cursor() -> None:
    """After an error in the middle, stdout and the entries from the cursor on are the whole ledger."""
    span = ("--to", "2025-02-01", "--json")
    async with sandbox(faults=faults.nth(3, faults.status(403))) as box:
        first = await run(box, *ENTRIES, *span)
        [cursor] = CURSOR.findall(first.err)
        second = await run(box, *ENTRIES, *span, "--resume", cursor)

    assert (first.code, second.code) == (1, 0)
    assert first.err.count("\n") == 1
    assert 0 < len(ids(first.out)) < 250
    assert ids(first.out) + ids(second.out) == list(range(1, 251))


async def test_warnings_of_the_service_are_printed() -> None:
    """A warning of pending events is printed on stderr, and the entries are printed all the same."""
    async with Sandbox([SandboxCustomer(MOBILE, rows(2), pending=True)]) as box:
        result = await run(box, *ENTRIES, "--json")

    assert (result.code, ids(result.out)) == (0, [1, 2])
    assert "(code 11002)" in result.err
