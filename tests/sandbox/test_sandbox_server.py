"""The server: its log, its rate limit, its request hook, and its lifecycle."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
from support.sandbox_client import ABOUT, LEDGER, basic, opened

from capledger.sandbox import (
    DEMO_END,
    DEMO_MOBILE,
    LoggedRequest,
    Rules,
    Sandbox,
    SandboxCustomer,
    busiest_minute,
    make_row,
    synthetic_rows,
)
from capledger.sandbox.__main__ import BIG_MOBILE, build, parse

START = datetime(2024, 1, 1)


def two() -> SandboxCustomer:
    return SandboxCustomer("1", [make_row(1, START), make_row(2, START)])


async def test_the_log_has_each_request_as_received() -> None:
    """Path, parameters, the URL as sent, headers in lower case, status and times."""
    async with opened(two()) as client:
        await client.ledger(limit=1)
        (logged,) = client.box.requests

    assert (logged.method, logged.path, logged.status) == ("GET", f"/v2/{LEDGER}", 200)
    assert logged.query == {**ABOUT, "limit": "1"}
    assert logged.url.endswith("identifierName=mobile&identifierValue=1&source=INSTORE&limit=1")
    assert logged.headers["authorization"] == basic()["Authorization"]
    assert logged.finished is not None
    assert logged.finished >= logged.started
    assert "Basic" not in repr(logged)


async def test_requests_in_flight_are_counted() -> None:
    """Three at once are three in flight, and the log has the number at each request."""
    release = asyncio.Event()

    async def wait_for_three(box: Sandbox, _: LoggedRequest) -> None:
        if box.max_in_flight == 3:
            release.set()
        await release.wait()

    async with opened(two(), on_request=wait_for_three) as client:
        await asyncio.gather(*(client.ledger() for _ in range(3)))

    assert client.box.max_in_flight == 3
    assert [logged.in_flight for logged in client.box.requests] == [1, 2, 3]


async def test_a_request_hook_writes_between_pages() -> None:
    """A row appended when a request arrives is in its response, and shifts the following pages."""

    def write(box: Sandbox, _: LoggedRequest) -> None:
        box.append("1", make_row(len(box.requests) + 10, START + timedelta(days=len(box.requests))))

    async with opened(two(), on_request=write) as client:
        first, second = await client.ledger(limit=2), await client.ledger(limit=2, offset=1)

    assert (first.ids, second.ids) == ([11, 2], [2, 1])
    assert second.body["ledgerDetails"]["totalEntries"] == 4


async def test_an_appended_row_is_at_the_position_of_its_date() -> None:
    """A row with an old date is among the old ones, in every existing view."""
    async with opened(two()) as client:
        before = await client.ledger(includeAlternateCurrencies="true")
        client.box.append("1", make_row(3, START - timedelta(days=1), currencies={"Stars": "1.00"}))
        after = [await client.ledger(), await client.ledger(includeAlternateCurrencies="true")]
        debits = await client.ledger(ledgerEntryType="DEBIT")

    assert before.ids == [2, 1]
    assert [page.ids for page in after] == [[2, 1, 3], [2, 1, 3]]
    assert debits.code == 11003


async def test_appending_needs_a_known_customer_with_stored_rows() -> None:
    """An unknown identifier and a synthetic ledger are errors."""
    box = Sandbox([SandboxCustomer("1", synthetic_rows(3, START, timedelta(days=1)))])

    with pytest.raises(LookupError, match="has that identifier"):
        box.append("2", make_row(1, START))
    with pytest.raises(TypeError, match="synthetic ledger cannot change"):
        box.append("1", make_row(1, START))


async def test_requests_above_the_limit_are_429() -> None:
    """Two in any sixty seconds of the clock; token requests do not count."""
    now = [0.0]
    async with opened(two(), rules=Rules(requests_per_minute=2, retry_after=7), clock=lambda: now[0]) as client:
        statuses = []
        for moment in (0, 30, 59.9, 60, 61, 90):
            now[0] = moment
            reply = await client.ledger()
            statuses.append(reply.status)
            assert (reply.headers.get("Retry-After") == "7") == (reply.status == 429)
        token = await client.token()

    assert statuses == [200, 200, 429, 200, 429, 200]
    assert token.status == 200
    passed = [logged for logged in client.box.requests if logged.status == 200 and logged.method == "GET"]
    assert busiest_minute(passed) == 2
    assert busiest_minute(client.box.requests) == 5


async def test_retry_after_can_be_a_date() -> None:
    """The date at which a request is accepted again, in GMT."""
    async with opened(two(), rules=Rules(requests_per_minute=1, retry_after="date")) as client:
        await client.ledger()
        reply = await client.ledger()

    assert reply.code == 429
    assert parsedate_to_datetime(reply.headers["Retry-After"]).tzname() == "UTC"


async def test_latency_delays_every_response() -> None:
    """A hundredth of a second at the least, by the event loop's clock."""
    loop = asyncio.get_running_loop()
    async with opened(two(), rules=Rules(latency=0.01)) as client:
        started = loop.time()
        await client.ledger()

    assert loop.time() - started >= 0.009


@pytest.mark.parametrize(("path", "status"), [("v1/nothing", 404), ("v3/oauth/token/generate", 405)])
async def test_other_paths_and_methods_are_errors(path: str, status: int) -> None:
    """404 for an unknown path, 405 for a GET of a token."""
    async with opened(two()) as client:
        assert (await client.get(path, {}, basic())).status == status


async def test_a_closed_sandbox_has_no_url() -> None:
    """The address is known only while it listens."""
    box = Sandbox([two()])
    with pytest.raises(RuntimeError, match="not running"):
        _ = box.url
    async with box:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", box.url)
    await box.close()
    with pytest.raises(RuntimeError, match="not running"):
        _ = box.url


async def test_without_customers_it_has_those_of_the_demo() -> None:
    """The demo customer has three years of entries, some in alternate currencies, and another organisation."""
    async with opened() as client:
        query = {"identifierValue": DEMO_MOBILE, "includeAlternateCurrencies": "true", "limit": "100"}
        newest = await client.ledger(query)
        oldest = await client.ledger(query, order="ASC")
        empty = await client.ledger(identifierValue="910000000003")
        group = await client.group("4400001")
        child = await client.scoped({"DATA-SCOPE": "OTHER", "DATA-SCOPE-ORG": "70002"}, identifierValue=DEMO_MOBILE)

    assert newest.body["ledgerDetails"]["totalEntries"] == 4_400
    assert any(entry["netAlternateCurrenciesOnEvent"] for entry in newest.body["ledgerEntries"])
    first, last = (page.body["ledgerEntries"][0]["ledgerCreatedDate"] for page in (oldest, newest))
    assert datetime(2016, 7, 1) <= datetime.fromisoformat(first) < datetime.fromisoformat(last) <= DEMO_END
    assert empty.code == 11003
    assert group.body["ledgerEntries"][0]["customerId"] == -4_400_001
    assert child.body["ledgerEntries"][0]["orgId"] == 70002


async def test_the_command_prints_its_url_and_serves() -> None:
    """In a process of its own, it serves at the URL on its first line, until it is interrupted."""
    command = (sys.executable, "-m", "capledger.sandbox", "--rows", "500")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    async with (
        aiohttp.ClientSession(headers=basic()) as http,
        http.get(f"{url}/v2/{LEDGER}", params={**ABOUT, "identifierValue": BIG_MOBILE}) as response,
    ):
        body = await response.json()
    process.send_signal(signal.SIGINT)
    await process.communicate()

    assert body["ledgerDetails"]["totalEntries"] == 500
    assert process.returncode == 0


async def test_the_options_reach_the_sandbox() -> None:
    """Latency and rate become rules."""
    box = build(parse(["--latency", "0.5", "--requests-per-minute", "60"]))

    assert box.rules == Rules(latency=0.5, requests_per_minute=60)
