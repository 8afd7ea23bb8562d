"""Requests of a session's own client pass a proxy and trust the certificates that arguments or the environment name."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from contextlib import asynccontextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import trustme
from support.proxy import ConnectProxy, connect_proxy, tls_before
from yarl import URL

from capledger import (
    BasicAuth,
    ConfigurationError,
    ConnectionFailedError,
    CustomerLedgerQuery,
    LedgerSession,
    RetryPolicy,
)
from capledger._transport.proxies import find_certificates, find_proxy
from capledger.sandbox import DEMO_MOBILE, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HOST = "https://ledger.example"
AUTH = BasicAuth("store.server", "server123")
QUERY = CustomerLedgerQuery.mobile(DEMO_MOBILE)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")

AUTHORITY = trustme.CA()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*PROXIES, *CERTIFICATES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    netrc = tmp_path / "netrc"
    netrc.write_text("machine ledger.example login intruder password intruder\n")
    monkeypatch.setenv("NETRC", str(netrc))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return path


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[Sandbox, ConnectProxy]]:
    """A sandbox behind TLS, which only the proxy can reach under its name."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("ledger.example").configure_cert(server)
    async with Sandbox() as box, tls_before(URL(box.url), server) as port, connect_proxy(port) as proxy:
        yield box, proxy
        await asyncio.sleep(0.05)  # until both ends of the tunnels are closed


async def collect(**options: Any) -> int:
    async with LedgerSession(HOST, AUTH, timezone=UTC, retry=RetryPolicy(attempts=1), **options) as session:
        return len(await session.entries(QUERY).collect())


async def test_a_proxy_and_certificates_are_arguments() -> None:
    """The tunnel is to the service's own name, and the credentials of the proxy go to the proxy alone."""
    async with proxied() as (box, proxy):
        entries = await collect(proxy=f"http://me:se%20cret@127.0.0.1:{proxy.port}", ssl=trusting())

        assert entries > 0
        authorization = "Basic " + b64encode(b"me:se cret").decode()
        assert set(proxy.tunnels) == {("ledger.example:443", authorization)}
        assert not [request for request in box.requests if "proxy-authorization" in request.headers]
        assert {request.headers["authorization"][:6] for request in box.requests} == {"Basic "}


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("certificates", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
async def test_a_proxy_and_certificates_of_the_environment(
    variable: str, certificates: str, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are found without an argument; the password of ``.netrc`` is not sent."""
    async with proxied() as (box, proxy):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv(certificates, str(bundle))

        assert await collect() > 0
        assert set(proxy.tunnels) == {("ledger.example:443", None)}
        assert {request.status for request in box.requests} == {200}


async def test_a_proxy_that_refuses_is_named() -> None:
    """The status of a proxy that wants other credentials is in the message, and its URL is not."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    proxy = f"http://user:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, LedgerSession(HOST, AUTH, timezone=UTC, proxy=proxy, retry=RetryPolicy(attempts=1)) as session:
        with pytest.raises(ConnectionFailedError, match=r"\(the proxy answered HTTP 407\)$") as caught:
            await session.entries(QUERY).collect()

    assert "secret" not in repr(caught.value)


async def test_certificates_are_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority that nobody named is not trusted."""
    async with proxied() as (box, proxy):
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.port}")

        with pytest.raises(ConnectionFailedError, match="secure connection"):
            await collect()
        assert box.requests == []


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy.example:3128"}, "http://proxy.example:3128"),
        ({"https_proxy": "proxy.example:3128"}, "http://proxy.example:3128"),
        ({"ALL_PROXY": "http://proxy.example"}, "http://proxy.example"),
        ({"HTTP_PROXY": "http://proxy.example"}, None),
        ({"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "ledger.example"}, None),
        ({"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": ".example"}, None),
        ({"HTTPS_PROXY": "http://proxy.example", "NO_PROXY": "other.example, localhost"}, "http://proxy.example"),
        ({"HTTPS_PROXY": "http://proxy.example", "no_proxy": "*"}, None),
        ({"HTTPS_PROXY": ""}, None),
    ],
)
def test_the_proxy_of_the_environment(
    environment: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As curl, requests and httpx read it."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    found = find_proxy(URL(HOST), None)

    assert (found and found.url) == (expected and URL(expected))


@pytest.mark.parametrize("proxy", ["socks5://proxy.example", "http://", "ftp://proxy.example", 3128, b"proxy"])
def test_what_is_no_proxy_is_refused(proxy: Any) -> None:
    """The message shows no credentials of it."""
    with pytest.raises(ConfigurationError, match="proxy must be the URL of an HTTP proxy"):
        LedgerSession(HOST, AUTH, timezone=UTC, proxy=proxy)


def test_a_proxy_of_the_environment_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its variable, without its value."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://me:secret@proxy.example")

    with pytest.raises(ConfigurationError, match="HTTPS_PROXY") as caught:
        LedgerSession(HOST, AUTH, timezone=UTC)
    assert "secret" not in str(caught.value)


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is missing or holds something else; a directory is one of hashed names."""
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert find_certificates(None) is not None

    for path in (tmp_path / "missing.pem", tmp_path / "netrc"):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
            find_certificates(None)


@pytest.mark.parametrize("wrong", [True, False, "authority.pem"])
def test_only_a_tls_context_is_one(wrong: Any) -> None:
    """Verification cannot be turned off by a boolean."""
    with pytest.raises(ConfigurationError, match=r"ssl must be an ssl\.SSLContext"):
        LedgerSession(HOST, AUTH, timezone=UTC, ssl=wrong)


async def test_a_borrowed_client_has_its_own_proxy_and_certificates() -> None:
    """Arguments that it would ignore are refused; the environment is its owner's affair."""
    async with aiohttp.ClientSession() as http:
        for options in ({"proxy": "http://proxy.example"}, {"ssl": trusting()}):
            with pytest.raises(ConfigurationError, match="configure that"):
                LedgerSession(HOST, AUTH, timezone=UTC, http=http, **options)
