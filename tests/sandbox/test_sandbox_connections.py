"""Connections that are reset at their next use or closed in the end, failures that pass, and the times of tokens."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from datetime import datetime

import aiohttp
import pytest
from support.sandbox_client import ABOUT, EVENTS, LEDGER, Client, basic, opened
from yarl import URL

from capledger.sandbox import Rules, Sandbox, SandboxCustomer, SandboxProxy, faults, make_row

CUSTOMER = SandboxCustomer("1", [make_row(1, datetime(2024, 1, 1))])


async def several(client: Client, count: int) -> list[int]:
    """Send so many requests at once, each on a connection of its own; return their connections."""
    sent = len(client.box.requests)
    await asyncio.gather(*(client.ledger() for _ in range(count)))
    return sorted(logged.connection for logged in client.box.requests[sent:])


async def test_the_log_has_the_connection_of_each_request() -> None:
    """Connections are numbered, and a request on a kept one is marked."""
    async with opened(CUSTOMER) as client:
        for _ in range(2):
            await client.ledger()
        async with aiohttp.ClientSession() as other:
            await Client(client.box, other).ledger()

    assert [(logged.connection, logged.reused) for logged in client.box.requests] == [(1, False), (1, True), (2, False)]


async def test_expired_connections_are_reset_at_their_next_use() -> None:
    """Eight idle connections get no byte of a response; new connections work."""
    async with opened(CUSTOMER, rules=Rules(latency=0.05)) as client:
        connections = await several(client, 8)
        client.box.expire_connections()
        # POST, as aiohttp repeats a GET on another connection by itself.
        failed = await asyncio.gather(*(post(client) for _ in range(8)), return_exceptions=True)
        again = await several(client, 8)

    assert connections == [1, 2, 3, 4, 5, 6, 7, 8]
    assert all(isinstance(error, aiohttp.ClientConnectionError) for error in failed)
    resets = client.box.requests[8:16]
    assert {(logged.fault, logged.status, logged.reused) for logged in resets} == {("stale connection", None, True)}
    assert again == [9, 10, 11, 12, 13, 14, 15, 16]


async def post(client: Client) -> int:
    async with client.http.post(f"{client.box.url}/v2/{LEDGER}", params=ABOUT, headers=basic()) as response:
        return response.status


async def test_idle_connections_are_reset_after_a_time() -> None:
    """Longer idle than the timeout of the rules, by the clock of the sandbox."""
    now = [0.0]
    async with opened(CUSTOMER, rules=Rules(idle_timeout=60), clock=lambda: now[0]) as client:
        statuses = []
        for moment in (0.0, 60.0, 121.0):
            now[0] = moment
            try:
                statuses.append(await post(client))
            except aiohttp.ClientConnectionError:
                statuses.append(0)

    assert statuses == [405, 405, 0]


@pytest.mark.parametrize("turns", range(6))
@pytest.mark.parametrize("server", [Sandbox(), SandboxProxy(Sandbox())], ids=["sandbox", "proxy"])
async def test_connections_that_are_being_accepted_are_closed(server: Sandbox | SandboxProxy, turns: int) -> None:
    """In whichever turn of the event loop the server is closed, the client of an idle connection sees the end."""
    async with server:
        url = URL(server.url)
        client = socket.create_connection((url.host, url.port))  # before it is accepted, as the loop waits meanwhile
        client.setblocking(False)  # noqa: FBT003 - has no name
        for _ in range(turns):
            await asyncio.sleep(0)
    with client, suppress(ConnectionResetError):
        async with asyncio.timeout(1):
            assert await asyncio.get_running_loop().sock_recv(client, 1) == b""


async def test_faults_can_be_for_reused_connections_alone() -> None:
    """The first request on a connection has none."""
    script = faults.on_reused_connections(faults.always(faults.status(503)))
    async with opened(CUSTOMER, faults=script) as client:
        statuses = [(await raw(client)) for _ in range(3)]

    assert statuses == [200, 503, 503]


async def raw(client: Client, path: str = f"v2/{LEDGER}") -> int:
    async with client.http.get(f"{client.box.url}/{path}", params=ABOUT, headers=basic()) as response:
        return response.status


async def test_transient_errors_have_their_statuses_and_codes() -> None:
    """Each status of a gateway, 9003 and 11016 with a failed backend and any status, and unknown codes with a 5xx."""
    transient = faults.transient_errors()
    found = []
    async with opened(CUSTOMER) as client:
        for fault in transient:
            client.box.faults = faults.always(fault)
            async with client.http.get(f"{client.box.url}/v2.1/{EVENTS}") as response:
                text = await response.text()
                found.append((response.status, fault.name if text else ""))

    assert {408, 425, 460, 522, 523, 524, 525, 529, 530} <= {status for status, name in found if not name}
    codes = {(name, status) for status, name in found if name}
    assert {
        ("api error 9003", 200),
        ("api error 9003", 400),
        ("api error 9003", 500),
        ("api error 11016", 400),
    } <= codes
    assert ("api error 777001", 503) in codes
    assert len({fault.name for fault in transient}) >= 20


@pytest.mark.parametrize("value", ["5", "5.0", "-1", "Wed, 21 Oct 2015 07:28:00 GMT", "soon", ""])
async def test_retry_after_has_any_spelling(value: str) -> None:
    """Of the rate limit of the rules, and of a fault with any status."""
    rules = Rules(requests_per_minute=1, retry_after=value)
    unavailable = faults.status(503, headers={"Retry-After": value})
    async with opened(CUSTOMER, rules=rules, faults=faults.nth(1, unavailable)) as client:
        headers = []
        for _ in range(2):
            async with client.http.get(f"{client.box.url}/v2/{LEDGER}", params=ABOUT, headers=basic()) as response:
                headers.append((response.status, response.headers["Retry-After"]))

    assert headers == [(503, value), (429, value)]


async def test_a_token_can_state_another_time_than_it_lives() -> None:
    """``ttlSeconds`` is that of the rules, and the token expires by ``token_ttl``."""
    now = [0.0]
    rules = Rules(token_ttl=3, stated_token_ttl=300)
    async with opened(CUSTOMER, rules=rules, clock=lambda: now[0]) as client:
        token = (await client.token()).body["data"]
        now[0] = 3.0
        reply = await client.get(f"v2/{LEDGER}", ABOUT, {"X-CAP-API-OAUTH-TOKEN": token["accessToken"]})

    assert (token["ttlSeconds"], reply.status) == (300, 498)
