"""Faults: what each does to a response, and which requests the scripts select."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import aiohttp
import pytest
from support.sandbox_client import ABOUT, LEDGER, Client, basic, opened

from capledger.sandbox import Fault, LoggedRequest, SandboxCustomer, faults, make_row

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

START = datetime(2024, 1, 1)
OTHER = faults.status(500)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    rows = [make_row(number, START + number * timedelta(days=1)) for number in range(1, 8)]
    async with opened(SandboxCustomer("1", rows)) as opened_client:
        yield opened_client


async def raw(client: Client, fault: Fault, **query: str | int) -> tuple[int, str, bytes]:
    """Status, content type and body of a page with this fault, redirects not followed."""
    client.box.faults = faults.always(fault)
    url = f"{client.box.url}/v2/{LEDGER}"
    timeout = aiohttp.ClientTimeout(total=0.2)
    async with client.http.get(
        url, params={**ABOUT, **query}, headers=basic(), allow_redirects=False, timeout=timeout
    ) as response:
        return response.status, response.content_type, await response.read()


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "start"),
    [
        (faults.status(503, "busy"), 503, "text/plain", b"busy"),
        (faults.too_many("3"), 429, "text/plain", b"Too many"),
        (faults.api_error(8015, http_status=200), 200, "application/json", b'{"errors":[{"status":false,"code":8015'),
        (faults.gateway_error(498), 498, "application/json", b'{"response":{"status":{"success":"true","code":"498"'),
        (faults.gateway_error(401, http_status=200), 200, "application/json", b'{"response":'),
        (faults.html(), 200, "text/html", b"<!DOCTYPE html>"),
        (faults.html(502), 502, "text/html", b"<!DOCTYPE html>"),
        (faults.redirect("http://elsewhere.example/"), 302, "text/plain", b""),
        (faults.json_body([1, 2]), 200, "application/json", b"[1,2]"),
        (faults.text_body(b"{"), 200, "application/json", b"{"),
        (faults.deep(3), 200, "application/json", b"[[[]]]"),
        (faults.wrong_content_type(), 200, "text/plain", b'{"customerDetails":'),
        (faults.huge(1 << 20), 200, "application/json", b'{"ledgerEntries":[],"warnings":[]  '),
        (faults.gzip_bomb(1 << 20), 200, "application/json", b'{"ledgerEntries":[],"warnings":[]  '),
        (faults.slow(0.001), 200, "application/json", b'{"customerDetails":'),
        (faults.drip(0, chunk=100), 200, "application/json", b'{"customerDetails":'),
    ],
)
async def test_responses_that_are_not_the_services(
    client: Client, fault: Fault, status: int, content_type: str, start: bytes
) -> None:
    """Status, content type and the beginning of the body."""
    response = await raw(client, fault)

    assert response[:2] == (status, content_type)
    assert response[2].startswith(start)
    assert client.box.requests[0].fault == fault.name


async def test_headers_of_faults(client: Client) -> None:
    """``Retry-After`` and ``Location`` are sent."""
    client.box.faults = faults.numbered({1: faults.too_many("3"), 2: faults.redirect("http://elsewhere.example/")})
    url = f"{client.box.url}/v2/{LEDGER}"
    found = []
    for name in ("Retry-After", "Location"):
        async with client.http.get(url, allow_redirects=False) as response:
            found.append(response.headers[name])

    assert found == ["3", "http://elsewhere.example/"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.reset(), aiohttp.ClientOSError),
        (faults.cut_body(), aiohttp.ClientPayloadError),
        (faults.hang(), TimeoutError),
        (faults.stall(), TimeoutError),
    ],
)
async def test_responses_that_never_complete(client: Client, fault: Fault, error: type[Exception]) -> None:
    """The client gets a reset, a cut body or no end; no request stays in flight and the server continues."""
    with pytest.raises(error):
        await raw(client, fault)
    client.box.faults = None
    regular = await client.ledger()

    assert regular.status == 200
    assert client.box.requests[0].status is None
    assert client.box.requests[1].in_flight == 1


async def test_garbage_and_nan_are_no_json(client: Client) -> None:
    """Random bytes are the same for a seed, and NaN is in place of a net."""
    first, second = await raw(client, faults.garbage(1)), await raw(client, faults.garbage(1))
    _, _, body = await raw(client, faults.nan())

    assert first == second
    assert b'"netPointsOnEvent":NaN,"netAlternate' in body


def ids(page: dict[str, list[dict[str, int]]]) -> list[int]:
    return [entry["eventLogId"] for entry in page["ledgerEntries"]]


@pytest.mark.parametrize(
    ("fault", "rows", "details"),
    [
        (faults.repeat_page(), [1, 2, 3], {"pageNumber": 1}),
        (faults.repeat_page(echo_requested=False), [1, 2, 3], {"pageNumber": 0}),
        (faults.wrong_page_number(), [4, 5, 6], {"pageNumber": 2}),
        (faults.wrong_total(-1), [4, 5, 6], {"totalEntries": 6}),
        (faults.short_page(), [4, 5], {"totalEntries": 7, "pageNumber": 1}),
        (faults.empty_page(), [], {"totalEntries": 7}),
        (faults.doubled_row(), [4, 4, 5, 6], {}),
        (faults.reversed_rows(), [6, 5, 4], {}),
    ],
)
async def test_pages_that_contradict(client: Client, fault: Fault, rows: list[int], details: dict[str, int]) -> None:
    """The second page of three, as each fault leaves it."""
    client.box.faults = faults.always(fault)
    reply = await client.ledger(limit=3, offset=1, order="ASC")

    assert reply.ids == rows
    assert reply.body["ledgerDetails"] | details == reply.body["ledgerDetails"]


async def test_a_moving_total(client: Client) -> None:
    """The total is one more each time."""
    client.box.faults = faults.always(faults.moving_total())
    totals = [(await client.ledger()).body["ledgerDetails"]["totalEntries"] for _ in range(3)]

    assert totals == [8, 9, 10]


async def test_pages_of_the_wrong_shape(client: Client) -> None:
    """Nulls, missing keys and swapped types in a page that is otherwise complete."""
    shapes = [faults.null_ledger(), faults.null_entry(), faults.without("ledgerDetails"), faults.swapped_types()]
    bodies = []
    for fault in shapes:
        client.box.faults = faults.always(fault)
        bodies.append((await client.ledger(limit=1)).body)

    assert bodies[0]["ledgerEntries"] is None
    assert bodies[1]["ledgerEntries"] == [None]
    assert "ledgerDetails" not in bodies[2]
    entry = bodies[3]["ledgerEntries"][0]
    assert (entry["eventLogId"], entry["entryDetails"][0]["points"]) == ("7", 100.0)


async def test_errors_and_warnings_beside_the_rows(client: Client) -> None:
    """An error or a warning with the rows."""
    client.box.faults = faults.numbered({1: faults.error_beside(9003, "oh"), 2: faults.warning_beside(9004, "hm")})
    failed, warned = await client.ledger(), await client.ledger()

    assert (failed.status, failed.code, len(failed.ids)) == (200, 9003, 7)
    assert (warned.warning_codes, len(warned.ids)) == ([9004], 7)


async def test_a_page_fault_does_not_change_errors(client: Client) -> None:
    """A response that is no page is the regular one."""
    client.box.faults = faults.always(faults.short_page())

    assert (await client.ledger(limit=1000)).code == 11029


async def test_a_custom_fault(client: Client) -> None:
    """``edit_page`` applies any change to a page."""

    def shout(page: dict[str, dict[str, str]], _: faults.FaultContext) -> None:
        page["customerDetails"]["firstName"] = "ADA"

    client.box.faults = faults.always(faults.edit_page("shout", shout))

    assert (await client.ledger()).body["customerDetails"]["firstName"] == "ADA"


def logged(path: str = f"/v2/{LEDGER}") -> LoggedRequest:
    return LoggedRequest(method="GET", path=path, query={}, url=path, headers={}, started=0.0, in_flight=1)


@pytest.mark.parametrize(
    ("make", "played"),
    [
        (lambda: faults.always(OTHER), [1, 2, 3, 4, 5, 6]),
        (lambda: faults.nth(2, OTHER), [2]),
        (lambda: faults.first(2, OTHER), [1, 2]),
        (lambda: faults.every(3, OTHER), [3, 6]),
        (lambda: faults.either(faults.nth(1, OTHER), faults.nth(4, OTHER)), [1, 4]),
        (lambda: faults.when(lambda _: False, faults.always(OTHER)), []),
    ],
)
def test_scripts_select_their_requests(make: Callable[[], faults.FaultScript], played: list[int]) -> None:
    """Which of six requests get the fault, counted from 1."""
    script = make()

    assert [number for number in range(1, 7) if script(logged()) is OTHER] == played


def test_scripts_can_be_for_one_endpoint() -> None:
    """Only the requests of that endpoint are counted."""
    paths = ["/v2/pointsLedger/getLedgerExplodeInfo", f"/v2.1/{LEDGER}", "/v3/oauth/token/generate"] * 2
    found = {}
    for only in (faults.on_events, faults.on_ledgers, faults.on_tokens):
        script = only(faults.nth(2, OTHER))
        found[only.__name__] = [number for number, path in enumerate(paths) if script(logged(path))]

    assert found == {"on_events": [3], "on_ledgers": [4], "on_tokens": [5]}


def test_random_faults_repeat_for_a_seed() -> None:
    """About the requested share, and the same requests each time."""
    played = []
    for _ in range(2):
        script = faults.random_faults(3, 0.3, [OTHER, faults.reset()])
        played.append([fault and fault.name for fault in (script(logged()) for _ in range(1000))])

    assert played[0] == played[1]
    assert 250 < 1000 - played[0].count(None) < 350
    assert set(played[0]) == {None, "status 500", "reset"}


async def test_closing_ends_requests_that_hang() -> None:
    """A sandbox that is closed with a request in flight stops at once."""
    async with opened(SandboxCustomer("1", []), faults=faults.always(faults.hang())) as client:
        request = asyncio.create_task(client.ledger())
        while not client.box.requests:  # noqa: ASYNC110 - the request is on its way
            await asyncio.sleep(0)
        await client.box.close()
        with pytest.raises(aiohttp.ClientError):
            await request
