"""``capledger backfill``: its options, its messages and its exit codes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import get_type_hints

import pytest
from attrs import fields
from support.command_jobs import GOES_ON, OTHER, backfill, command_of, customers
from support.jobs import rows as file_rows
from support.shell import MOBILE, finish, rows, sandbox, start

from capledger import CustomerLedgerQuery, GroupLedgerQuery
from capledger.cli.options import LedgerOptions
from capledger.sandbox import Rules, Sandbox, SandboxCustomer


async def test_one_of_each_is_singular(tmp_path: Path) -> None:
    """One entry, customer, file and request are told in the singular."""
    customers(tmp_path / "c.csv")
    async with sandbox(1) as box:
        plan = await backfill(box, tmp_path, "--plan")
        result = await backfill(box, tmp_path)

    assert result.lines == [
        "1 entry of 1 customer in 1 file",
        "0 customers without entries, 0 set aside",
        "1 request, 0 of them retries",
    ]
    assert plan.lines[0] == "1 customer (0 repeats left out), 1 to be fetched"
    assert plan.lines[1] == "about 1 request for 1 entry"
    assert (plan.code, plan.err, result.code) == (0, "", 0)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--from", "2025-02-01", "--to", "2025-01-01"), "--to is before --from"),
        (("--from", "2025-02-01T00:00:00+05:30", "--to", "2025-01-01"), "--to is before --from"),
        (("--till-id", "1", "--store-id", "2"), "--till-id, --store-id, --store-code"),
        (("-a", "--alternate-currency", "Stars"), "--alternate-currency"),
        (("--include-till-concept-events",), "--program-id"),
        (("--from", "0001-01-01"), "--from is at the edge of the calendar"),
        (("--to", "9999-12-31"), "--to is at the edge of the calendar"),
        (("--source", "a\udcff"), "--source contains half of a surrogate pair"),
        (("--out", ""), "'--out': it is empty"),
        (("--out", __file__), "'--out': it is a file"),
        (("--out", f"{__file__}/x"), "'--out': test_cli_backfill.py is a file"),
        (("--on-incomplete", "ignore"), "'--on-incomplete': 'ignore' is not one of 'raise', 'warn'"),
        (("--column", "Phone"), "'--column': not of the form NAME=HEADER"),
        (("--column", "phone=Phone"), "there is no column phone"),
    ],
    ids=lambda item: " ".join(item) if isinstance(item, tuple) else "",
)
async def test_usage_errors_speak_of_options(arguments: tuple[str, ...], named: str, tmp_path: Path) -> None:
    """Options that contradict each other exit with 2 and one line about them, not about a line of the list."""
    customers(tmp_path / "c.csv")
    async with sandbox(1) as box:
        result = await backfill(box, tmp_path, *arguments)

    assert (result.code, result.out, box.requests, result.err.count("\n")) == (2, "", [], 1)
    assert named in result.err
    assert "line 2" not in result.err


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (("--source", "ECOMMERCE", "--account-id", "7"), {"source": "ECOMMERCE", "accountId": "7"}),
        ((), {"includeAlternateCurrencies": "true"}),
        (("--alternate-currency", "Stars"), {"alternateCurrencyNames": "Stars"}),
        (("--till-id", "9301"), {"tillId": "9301"}),
        (("--store-code", "quay"), {"storeCode": "quay"}),
        (("--program-id", "4110", "--include-till-concept-events"), {"includeTillConceptEvents": "true"}),
        (("--ledger-entry-type", "DEBIT"), {"ledgerEntryType": "DEBIT"}),
        (("--include-concept-details",), {"includeConceptDetails": "true"}),
        (
            ("--is-filter-based-on-date", "true", "--include-last-one-year-data", "--type", "CUSTOMER"),
            {"isFilterBasedOnDate": "true", "includeLastOneYearData": "true", "type": "CUSTOMER"},
        ),
    ],
    ids=lambda item: " ".join(item) if isinstance(item, tuple) else "",
)
async def test_filters_reach_the_service(options: tuple[str, ...], sent: dict[str, str], tmp_path: Path) -> None:
    """Every filter of a query is an option of ``backfill``."""
    customers(tmp_path / "c.csv")
    async with sandbox(1) as box:
        await backfill(box, tmp_path, *options)

    assert box.requests[0].query.items() >= sent.items()


def test_every_field_of_a_query_is_an_option() -> None:
    """The filters of ``entries`` and ``backfill`` are the fields of a query, apart from those that have other names."""
    own = {"identifier_name", "identifier_value", "start", "end", "order", "page_size", "till_id"}
    names = {item.name for kind in (CustomerLedgerQuery, GroupLedgerQuery) for item in fields(kind)}

    assert get_type_hints(LedgerOptions).keys() == names - own


async def test_columns_of_a_spreadsheet(tmp_path: Path) -> None:
    """--column names a header, other columns are named once, and formatted mobile numbers are counted."""
    (tmp_path / "c.csv").write_text(f"Name,Phone,City\nAda,+{MOBILE[:2]} {MOBILE[2:]},London\n")
    async with sandbox(1) as box:
        plan = await backfill(box, tmp_path, "--column", "mobile=Phone", "--plan")
        result = await backfill(box, tmp_path, "--column", "mobile=Phone")

    for one in (plan, result):
        assert one.code == 0
        assert "capledger: ignored columns: Name, City\n" in one.err
        assert "capledger: 1 mobile number brought to digits alone\n" in one.err
        assert MOBILE not in one.err


async def test_many_repeats_are_a_warning(tmp_path: Path) -> None:
    """More than a tenth of repeated lines is a warning; each customer is fetched once."""
    customers(tmp_path / "c.csv", [f"mobile,{MOBILE}"] * 3)
    async with sandbox(1) as box:
        plan = await backfill(box, tmp_path, "--plan")
        result = await backfill(box, tmp_path)

    assert (plan.code, result.code) == (0, 0)
    for one in (plan, result):
        assert "capledger: WARNING: 2 of 3 lines (67%) repeat an earlier customer" in one.err


async def test_growing_list_continues_the_job(tmp_path: Path) -> None:
    """New customers are added and counted, missing ones are kept, and --exact refuses both."""
    async with Sandbox([SandboxCustomer(MOBILE, rows(3)), SandboxCustomer(OTHER, rows(2))]) as box:
        customers(tmp_path / "c.csv")
        await backfill(box, tmp_path)
        customers(tmp_path / "c.csv", [f"mobile,{OTHER}"])
        refused = await backfill(box, tmp_path, "--exact")
        grown = await backfill(box, tmp_path)

    assert (refused.code, grown.code) == (2, 0)
    assert "capledger: 1 new customer added to the job\n" in grown.err
    assert "capledger: 1 customer of the job not in the list any more: kept in the job\n" in grown.err
    assert grown.lines[0] == "5 entries of 2 customers in 2 files"


async def test_nothing_to_retry(tmp_path: Path) -> None:
    """--retry-set-aside says so where nobody is set aside, and exits with 0, also before the job is finished."""
    customers(tmp_path / "c.csv")
    async with sandbox(1) as box:
        begun = await backfill(box, tmp_path, "--retry-set-aside")
        await backfill(box, tmp_path)
        finished = await backfill(box, tmp_path, "--retry-set-aside")

    nothing = "capledger: no customer is set aside: nothing to retry\n"
    assert (begun.code, finished.code) == (0, 0)
    assert begun.err.startswith(nothing)
    assert "capledger: 1 customer still to be fetched: run the command without --retry-set-aside\n" in begun.err
    assert finished.err == nothing


async def test_first_progress_line_is_printed_at_once(tmp_path: Path) -> None:
    """Without a terminal the first line is printed at once, with a time; --progress-interval 0 prints none."""
    customers(tmp_path / "c.csv")
    async with sandbox(1) as box:
        silent = await backfill(box, tmp_path, "--progress-interval", "0", FORCE_COLOR="1")
    async with sandbox(1) as box:
        result = await backfill(box, tmp_path, "--out", tmp_path / "other", FORCE_COLOR="1")

    assert silent.err == ""
    assert result.err.count("\n") == 1
    assert " 0 of 1 customer, 0 entries\n" in result.err
    assert "\x1b" not in result.err


async def test_full_stdout_names_the_manifest(tmp_path: Path) -> None:
    """Where standard output takes nothing, the job is done all the same, and the line says where its result is."""
    customers(tmp_path / "c.csv")
    async with sandbox(1) as box:
        with Path("/dev/full").open("wb") as full:  # noqa: ASYNC230 - handed to the process
            command = (*command_of(tmp_path), "--progress-interval", "0")
            result = await finish(await start(box, *command, stdout=full))

    assert result.code == 1
    assert result.err.startswith("capledger: standard output cannot be written: No space left on device; ")
    assert f"{tmp_path / 'out'}/manifest.json has the result" in result.err
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["complete"]


async def test_dead_service_sets_nobody_aside(tmp_path: Path) -> None:
    """Where nothing listens, exit code 1 and the reason; the same command goes on once the service is there."""
    customers(tmp_path / "c.csv")
    async with sandbox(3) as box:
        address = {"CAPLEDGER_BASE_URL": box.url}
    plan = await backfill(None, tmp_path, "--plan", hurried=True, **address)
    dead = await backfill(None, tmp_path, "--progress-interval", "0", hurried=True, **address)
    async with sandbox(3, port=int(address["CAPLEDGER_BASE_URL"].rpartition(":")[2])) as box:
        alive = await backfill(box, tmp_path)

    assert (dead.code, plan.code, alive.code) == (1, 1, 0)
    reason = "the connection to the service failed: connection refused (ECONNREFUSED)"
    assert plan.err == f"capledger: {reason}\n"
    assert dead.err == f"capledger: 1 customer was not fetched, since the service fails: {reason}; {GOES_ON}"
    assert alive.lines[0] == "3 entries of 1 customer in 1 file"


async def test_results_are_in_a_manifest_and_a_table(tmp_path: Path) -> None:
    """The manifest has ranges with their zone, the port and the states; a table has a row for each customer."""
    customers(tmp_path / "c.csv", [f"mobile,{MOBILE}", f"mobile,{OTHER}"])
    async with sandbox(3) as box:
        result = await backfill(box, tmp_path, "--from", "2025-01-01", "--to", "2025-02-01", "--json")
        service = box.url.removeprefix("http://")

    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    with (tmp_path / "out" / "customers.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert json.loads(result.out) == manifest
    assert manifest["service"] == service
    assert manifest["ranges"] == [{"start": "2025-01-01T00:00:00Z", "end": "2025-02-01T00:00:00Z"}]
    assert (manifest["states"]["done"], manifest["states"]["set_aside"]) == (1, 1)
    assert [(row["identifier_value"], row["state"], row["rows"], row["requests"]) for row in table] == [
        (MOBILE, "done", "3", "1"),
        (OTHER, "set_aside", "0", "1"),
    ]
    assert (table[0]["first_entry"][:13], table[0]["last_entry"][:13]) == ("2025-01-01T00", "2025-01-01T02")


async def test_plan_has_the_options_of_the_job(tmp_path: Path) -> None:
    """--plan estimates the job of the same options: with --details more requests, with --exact no other list."""
    customers(tmp_path / "c.csv")
    async with sandbox(3) as box:
        plain = await backfill(box, tmp_path, "--plan", "--json")
        detailed = await backfill(box, tmp_path, "--plan", "--details", "--json")
        first = await backfill(box, tmp_path, "--details")
        again = await backfill(box, tmp_path, "--details", "--plan")
        customers(tmp_path / "c.csv", [f"mobile,{MOBILE}", f"mobile,{OTHER}"])
        other = await backfill(box, tmp_path, "--details", "--exact", "--plan")

    assert (first.code, again.code, other.code) == (0, 0, 2)
    assert json.loads(detailed.out)["requests"] > json.loads(plain.out)["requests"]
    assert "the list of customers is not that of the job: customers 1 there and 2 here" in other.err


async def test_plan_retries_and_repairs(tmp_path: Path) -> None:
    """--plan estimates what the run would fetch: those set aside, or those of damaged files, or nobody."""
    customers(tmp_path / "c.csv", [f"mobile,{MOBILE}", f"mobile,{OTHER}"])
    async with sandbox(3) as box:
        before = await backfill(box, tmp_path, "--plan")
        await backfill(box, tmp_path)
        finished = await backfill(box, tmp_path, "--plan")
        box.add(SandboxCustomer(OTHER, rows(2)))
        retried = await backfill(box, tmp_path, "--plan", "--retry-set-aside")
        next((tmp_path / "out" / "entries").iterdir()).unlink()
        damaged = await backfill(box, tmp_path, "--plan")
        repaired = await backfill(box, tmp_path, "--plan", "--repair", "--on-incomplete", "warn")
        both = await backfill(box, tmp_path, "--plan", "--repair", "--retry-set-aside", "--exact", "--json")

    assert (finished.code, finished.out) == (0, "2 customers (0 repeats left out), none to be fetched\n")
    assert before.err.startswith("capledger: 1 of the sample failed with CustomerNotFoundError: ")
    assert (retried.code, retried.lines[:2]) == (
        0,
        ["2 customers (0 repeats left out), 1 to be fetched", "about 1 request for 2 entries"],
    )
    assert (damaged.code, damaged.err.count("\n")) == (1, 1)
    assert damaged.err.endswith("(missing); --repair fetches their customers again\n")
    assert (repaired.code, repaired.lines[1]) == (0, "about 1 request for 3 entries")
    assert (both.code, json.loads(both.out)["left"], json.loads(both.out)["entries"]) == (0, 2, 5)


async def test_unproven_ledgers_are_kept_with_warn(tmp_path: Path) -> None:
    """--on-incomplete warn keeps a ledger that cannot be proven complete, with exit code 3 and complete False."""
    customers(tmp_path / "c.csv")
    async with sandbox(3, rules=Rules(total_offset=2)) as box:
        result = await backfill(box, tmp_path, "--on-incomplete", "warn", "--json")

    manifest = json.loads(result.out)
    assert result.code == 3
    assert "capledger: 1 ledger not proven complete: kept, with the state unproven" in result.err
    assert (manifest["complete"], manifest["finished"], manifest["states"]["unproven"]) == (False, True, 1)
    assert manifest["entries"] == 3


async def test_details_are_a_column(tmp_path: Path) -> None:
    """--details adds each entry's event."""
    customers(tmp_path / "c.csv")
    async with sandbox(3) as box:
        result = await backfill(box, tmp_path, "--details")

    assert result.code == 0
    assert any(request.path.endswith("getLedgerExplodeInfo") for request in box.requests)
    assert [json.loads(row["event"])["event_log_id"] for row in file_rows(tmp_path / "out")] == [1, 2, 3]
