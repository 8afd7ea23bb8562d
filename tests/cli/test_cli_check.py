"""``capledger check``: what it finds in at most five requests."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import pytest
from support.shell import MOBILE, PASSWORD, SECRET, invoke, process_environment, run, sandbox

from capledger.sandbox import Rules, Sandbox, SandboxCustomer, faults, make_row

if TYPE_CHECKING:
    from capledger.sandbox import FaultScript

CLIENT = {"USERNAME": None, "PASSWORD": None, "CLIENT_KEY": "sandbox-key", "CLIENT_SECRET": SECRET}


def recent(
    hours: int, *, date_style: Literal["iso", "plain"] = "iso", faults: FaultScript | None = None, **rules: Any
) -> Sandbox:
    """Return a sandbox whose customer has one entry, dated so many hours before now, in UTC."""
    date = (datetime.now(UTC) - timedelta(hours=hours)).replace(tzinfo=None, microsecond=0)
    customers = [SandboxCustomer(MOBILE, [make_row(1, date)])]
    return Sandbox(customers, rules=Rules(date_style=date_style, **rules), faults=faults)


def results(report: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["result"] for item in report["checks"]}


async def test_all_checks_pass_in_one_request() -> None:
    """With a customer, one request shows that service, credentials, clock, zone and limits are right."""
    async with recent(3) as box:
        result = await run(box, "check", "mobile", MOBILE, "--json")

    report = json.loads(result.out)
    assert (result.code, result.err) == (0, "")
    assert set(results(report).values()) == {"ok"}
    assert (report["ok"], report["page_limit"], report["range_limit_days"]) == (True, 100, 90)
    assert abs(report["clock_difference_seconds"]) < 2
    assert report["requests"] == len(box.requests) == 1


@pytest.mark.parametrize("changes", [{}, CLIENT], ids=["basic", "client"])
async def test_limits_are_found_in_five_requests(changes: dict[str, str | None]) -> None:
    """Smaller limits are taken from the refusals; a token, two refusals and an empty range are five requests."""
    async with recent(24 * 40, max_limit=20, max_days=30) as box:
        result = await run(box, "check", "mobile", MOBILE, "--json", **changes)

    report = json.loads(result.out)
    assert (report["ok"], report["page_limit"], report["range_limit_days"]) == (True, 20, 30)
    assert report["requests"] == len(box.requests) <= 5
    assert results(report)["time zone"] == "ok"


async def test_without_a_customer_limits_are_unknown() -> None:
    """Without a customer, service, credentials and clock are checked, and the rest is unknown and no failure."""
    async with sandbox(3) as box:
        result = await run(box, "check")

    assert result.code == 0
    assert [line.split("  ")[0] for line in result.lines[1:7]] == [
        "service",
        "credentials",
        "clock",
        "time zone",
        "page limit",
        "range limit",
    ]
    assert result.out.count("unknown") == 3
    assert result.lines[-1] == "1 request sent"


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York"])
async def test_wrong_zone_is_found(zone: str) -> None:
    """A CAPLEDGER_TIMEZONE that differs from the zone of the dates fails, with the difference."""
    async with recent(3) as box:
        result = await run(box, "check", "mobile", MOBILE, TIMEZONE=zone)

    assert result.code == 1
    assert f"the service's dates are not in {zone}" in " ".join(result.out.split())
    assert result.err == "capledger: the check failed: time zone\n"


@pytest.mark.parametrize(
    ("zone", "code", "found"), [("UTC", 0, "would be 3 h 00 min old"), ("Etc/GMT+9", 1, "ahead: change")]
)
async def test_zone_without_dates_that_state_theirs(zone: str, code: int, found: str) -> None:
    """Dates without a zone fail where they lie ahead, and else the age of the newest is there to judge by."""
    async with recent(3, date_style="plain") as box:
        result = await run(box, "check", "mobile", MOBILE, TIMEZONE=zone)

    assert result.code == code
    assert found in " ".join(result.out.split())


async def test_refused_credentials_fail() -> None:
    """Refused credentials fail, and neither they nor the identifier are printed."""
    async with recent(3) as box:
        result = await run(box, "check", "mobile", MOBILE, PASSWORD="wrong-password")

    assert (result.code, result.err) == (1, "capledger: the check failed: credentials\n")
    assert not any(secret in result.out for secret in ("wrong-password", PASSWORD, MOBILE))


async def test_dead_service_fails() -> None:
    """Where nothing listens, the service fails after one request, with the reason."""
    result = await run(None, "check", "--json")

    report = json.loads(result.out)
    assert (result.code, result.err) == (1, "capledger: the check failed: service\n")
    assert results(report) == dict.fromkeys(results(report), "unknown") | {"service": "failed"}
    assert "ECONNREFUSED" in report["checks"][0]["detail"]


async def test_failing_service_is_not_retried() -> None:
    """An error of the service fails after one request."""
    async with recent(3, faults=faults.random_faults(1, 1.0, [faults.status(503)])) as box:
        result = await run(box, "check", "mobile", MOBILE)

    assert (result.code, len(box.requests)) == (1, 1)


async def test_check_cuts_nothing_in_a_narrow_terminal() -> None:
    """Where details have no room for a column, each check is a line that the terminal wraps."""
    async with recent(3) as box:
        url, result = box.url, await invoke(["check"], process_environment(box) | {"COLUMNS": "30"})

    assert result.lines[0].startswith(f"service: ok, {url} in ")
    assert len(result.lines) == 7


async def test_wrong_url_names_the_variable() -> None:
    """Where another service responds, the detail says which variable to change."""
    async with recent(3, faults=faults.always(faults.status(404))) as box:
        result = await run(box, "check", "--json")

    assert result.code == 1
    assert json.loads(result.out)["checks"][0]["detail"].endswith("(HTTP 404): check CAPLEDGER_BASE_URL")


@pytest.mark.parametrize("width", [60, 80, 140])
async def test_check_fits_every_width(width: int) -> None:
    """The table fits the terminal, and no number is cut."""
    async with recent(3) as box:
        result = await invoke(["check", "mobile", MOBILE], process_environment(box) | {"COLUMNS": str(width)})

    assert max(map(len, result.lines)) <= width
    assert "100 entries in a request" in result.out
