"""The proxy before a sandbox, and a sandbox behind TLS."""

from __future__ import annotations

import ssl
from typing import Any

import aiohttp
import httpx
import pytest
import trustme

from capledger.sandbox import Sandbox, SandboxProxy

AUTHORITY = trustme.CA()
PATH = "/v2/pointsLedger/getCustomerLedgerInfo?identifierName=mobile&identifierValue=1&source=INSTORE"


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("ledger.example", "127.0.0.1").configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def get(url: str, proxy: str | None, **options: Any) -> int:
    async with aiohttp.ClientSession() as http, http.get(url, proxy=proxy, **options) as response:
        await response.read()
        return response.status


async def test_plain_requests_are_passed_on() -> None:
    """The sandbox gets a path instead of a URL and no credentials of the proxy, over one connection."""
    async with Sandbox() as box, SandboxProxy(box, users={"me": "secret"}) as proxy:
        with_credentials = proxy.url.replace("//", "//me:secret@")
        async with httpx.AsyncClient(proxy=with_credentials, base_url="http://ledger.example") as http:
            await http.get(PATH)
            await http.post("/v3/oauth/token/generate", json={"key": "sandbox-key", "secret": "sandbox-secret"})

    assert [request.status for request in box.requests] == [401, 200]

    assert [request.url for request in box.requests] == [PATH, "/v3/oauth/token/generate"]
    assert {request.connection for request in box.requests} == {1}
    assert not any(name.startswith("proxy-") for request in box.requests for name in request.headers)
    assert [(request.method, request.target, request.status) for request in proxy.requests] == [
        ("GET", f"http://ledger.example{PATH}", None),
        ("POST", "http://ledger.example/v3/oauth/token/generate", None),
    ]


async def test_tunnels_go_to_a_sandbox_behind_tls() -> None:
    """Whatever host the client names; the proxy sees the host alone."""
    async with Sandbox(ssl=server_context()) as box, SandboxProxy(box) as proxy:
        assert box.url.startswith("https://127.0.0.1:")
        assert await get(f"https://ledger.example{PATH}", proxy.url, ssl=client_context()) == 401
        assert await get(f"{box.url}{PATH}", None, ssl=client_context()) == 401

    assert [(request.method, request.target, request.status) for request in proxy.requests] == [
        ("CONNECT", "ledger.example:443", 200)
    ]


@pytest.mark.parametrize(("options", "status"), [({"users": {"me": "secret"}}, 407), ({"status": 502}, 502)])
async def test_a_proxy_refuses(options: dict[str, Any], status: int) -> None:
    """Tunnels and plain requests, and nothing reaches the sandbox."""
    async with Sandbox() as box, SandboxProxy(box, **options) as proxy:
        assert await get(f"http://ledger.example{PATH}", proxy.url) == status
        with pytest.raises(aiohttp.ClientHttpProxyError):
            await get(f"https://ledger.example{PATH}", proxy.url)

    assert box.requests == []
    assert [request.status for request in proxy.requests] == [status, status]


async def test_a_sandbox_that_is_not_running() -> None:
    """A bad gateway, until it runs again."""
    box = Sandbox()
    async with SandboxProxy(box) as proxy:
        assert await get(f"http://ledger.example{PATH}", proxy.url) == 502
        async with box:
            assert await get(f"http://ledger.example{PATH}", proxy.url) == 401


async def test_connections_are_dropped() -> None:
    """A connection that was idle is reset, and a new one can be made."""
    async with Sandbox() as box, SandboxProxy(box) as proxy, aiohttp.ClientSession() as http:
        for _ in range(2):
            async with http.get(f"http://ledger.example{PATH}", proxy=proxy.url) as response:
                assert response.status == 401
            proxy.drop_connections()

    assert [request.connection for request in box.requests] == [1, 2]


def test_code_without_an_event_loop() -> None:
    """Both run in threads of their own."""
    with Sandbox() as box, SandboxProxy(box) as proxy, httpx.Client(proxy=proxy.url) as http:
        assert http.get(f"http://ledger.example{PATH}").status_code == 401
        proxy.drop_connections()

    assert len(proxy.requests) == 1
    with pytest.raises(RuntimeError, match="not running"):
        _ = proxy.url
