"""Requests of a session's own client pass a proxy and trust the certificates that arguments or the environment name."""

from __future__ import annotations

import asyncio
import os
import ssl
from base64 import b64encode
from contextlib import asynccontextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import trustme
from yarl import URL

from capledger import (
    BasicAuth,
    ConfigurationError,
    ConnectionFailedError,
    CustomerLedgerQuery,
    LedgerSession,
    RetryPolicy,
    ServerError,
)
from capledger._transport.proxies import find_certificates, find_proxy
from capledger.sandbox import DEMO_MOBILE, Sandbox, SandboxProxy

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
async def proxied(**options: Any) -> AsyncIterator[tuple[Sandbox, SandboxProxy]]:
    """A sandbox behind TLS, which only the proxy can reach under its name."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("ledger.example").configure_cert(server)
    async with Sandbox(ssl=server) as box, SandboxProxy(box, **options) as proxy:
        yield box, proxy


def tunnels(proxy: SandboxProxy) -> set[tuple[str, str | None]]:
    assert {(request.method, request.status) for request in proxy.requests} == {("CONNECT", 200)}
    return {(request.target, request.authorization) for request in proxy.requests}


async def collect(host: str = HOST, **options: Any) -> int:
    async with LedgerSession(host, AUTH, timezone=UTC, retry=RetryPolicy(attempts=1), **options) as session:
        return len(await session.entries(QUERY).collect())


async def test_a_proxy_and_certificates_are_arguments() -> None:
    """The tunnel is to the service's own name, and the credentials of the proxy go to the proxy alone."""
    async with proxied(users={"me": "se cret"}) as (box, proxy):
        entries = await collect(proxy=proxy.url.replace("//", "//me:se%20cret@"), ssl=trusting())

        assert entries > 0
        assert tunnels(proxy) == {("ledger.example:443", "Basic " + b64encode(b"me:se cret").decode())}
        assert not [request for request in box.requests if "proxy-authorization" in request.headers]
        assert {request.headers["authorization"][:6] for request in box.requests} == {"Basic "}


async def test_the_proxy_of_a_tunnel_receives_no_header_of_requests() -> None:
    """Headers of the caller's, and the session's own, are for the service alone."""
    heads: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(ConnectionFailedError):
            await collect(proxy=url, headers={"X-Team": "data"}, ssl=trusting())

    assert [head.split()[0] for head in heads] == [b"CONNECT"]
    assert not [name for name in (b"x-team", b"content-type", b"authorization") if name in heads[0].lower()]


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("certificates", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
async def test_a_proxy_and_certificates_of_the_environment(
    variable: str, certificates: str, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are found without an argument; the password of ``.netrc`` is not sent."""
    async with proxied() as (box, proxy):
        monkeypatch.setenv(variable, proxy.url)
        monkeypatch.setenv(certificates, str(bundle))

        assert await collect() > 0
        assert tunnels(proxy) == {("ledger.example:443", None)}
        assert {request.status for request in box.requests} == {200}


@pytest.mark.parametrize("refusal", [{"users": {"me": "another"}}, {"status": 407}])
async def test_a_proxy_that_refuses_is_named(refusal: dict[str, Any]) -> None:
    """The status of a proxy that wants other credentials is in the message, and its URL is not."""
    async with proxied(**refusal) as (box, proxy):
        with pytest.raises(ConnectionFailedError, match=r"\(the proxy answered HTTP 407\)$") as caught:
            await collect(proxy=proxy.url.replace("//", "//me:secret@"), ssl=trusting())

    assert "secret" not in repr(caught.value)
    assert box.requests == []


async def test_plain_http_passes_a_proxy() -> None:
    """The proxy reads each request itself, and its credentials end there."""
    async with Sandbox() as box, SandboxProxy(box, users={"me": "secret"}) as proxy:
        url = proxy.url.replace("//", "//me:secret@")

        assert await collect("http://ledger.example", proxy=url, allow_plain_http=True) > 0
        assert {request.target[:28] for request in proxy.requests} == {"http://ledger.example/v2/poi"}
        assert not [request for request in box.requests if "proxy-authorization" in request.headers]

        with pytest.raises(ServerError, match="407"):
            await collect("http://ledger.example", proxy=proxy.url, allow_plain_http=True)


async def test_dropped_tunnels_are_made_again() -> None:
    """A proxy that forgets its idle tunnels costs a walk nothing."""
    async with (
        proxied() as (_, proxy),
        LedgerSession(HOST, AUTH, timezone=UTC, proxy=proxy.url, ssl=trusting()) as session,
    ):
        for _ in range(3):
            walk = session.entries(QUERY)
            assert await walk.collect()
            assert walk.report.last_failure is None
            proxy.drop_connections()


async def test_certificates_are_verified(monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority that nobody named is not trusted."""
    async with proxied() as (box, proxy):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)

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


def test_certificates_are_loaded_once(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions share them until the file is replaced."""
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    first = find_certificates(None)
    again = find_certificates(None)
    trustme.CA().cert_pem.write_to_path(str(bundle))
    os.utime(bundle, ns=(1, 1))
    replaced = find_certificates(None)

    assert first is again is not replaced
    assert first is not None
    assert replaced is not None
    assert first.get_ca_certs() != replaced.get_ca_certs()


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
