"""Failures of connection: each is told with a reason that a person understands, and without the URL's query."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest
import trustme
from support.service import new_context, new_transport, page_request

from capledger import CapledgerError, RetryPolicy
from capledger._transport.failures import mapped_error

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.client_reqrep import ConnectionKey

AUTHORITY = trustme.CA()
PAST = datetime(2020, 1, 1, tzinfo=UTC)


def tls(authority: trustme.CA = AUTHORITY, name: str = "localhost", **options: Any) -> ssl.SSLContext:
    """Return the context of a server with a certificate of this name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, **options).configure_cert(context)
    return context


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@asynccontextmanager
async def raw_server(sent: bytes | None, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run a server that sends the same bytes to everyone and hangs up, or resets the connection; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        if sent is None:
            writer.transport.abort()
        else:
            writer.write(sent)
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def failure(url: str, **options: Any) -> str:
    """Return the message of the failure of a request."""
    transport = new_transport(url, retry=RetryPolicy(attempts=1), **options)
    try:
        with pytest.raises(CapledgerError) as caught:
            await transport.fetch(page_request(), new_context())
    finally:
        await transport.close()
    assert "identifierValue" not in repr(caught.value)
    return str(caught.value)


async def test_a_refused_connection() -> None:
    """Where nothing listens, the system's words and its name for the error."""
    async with raw_server(b"") as port:
        pass

    expected = "the connection to the service failed: connection refused (ECONNREFUSED)"
    assert await failure(f"http://127.0.0.1:{port}") == expected
    assert await failure("https://ledger.example", proxy=f"http://127.0.0.1:{port}") == expected.replace(
        "service", "proxy"
    )


async def test_a_name_that_is_not_known() -> None:
    """A host that does not resolve is named, of the service or of a proxy."""
    expected = "the host name no-such-host.invalid cannot be resolved: check its spelling, and this machine's network"

    assert await failure("https://no-such-host.invalid") == expected
    assert await failure("https://ledger.example", proxy="http://no-such-host.invalid:3128") == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", "the connection to the service failed: it was closed before a response"),
        (None, "the connection to the service failed: "),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "the connection to the service failed: the response is not HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nabc",
            "the response was cut off or corrupted (ClientPayloadError)",
        ),
    ],
)
async def test_a_connection_that_is_lost(sent: bytes | None, expected: str) -> None:
    """A connection that ends before, within or instead of a response."""
    async with raw_server(sent) as port:
        message = await failure(f"http://127.0.0.1:{port}")

    assert message.startswith(expected)
    assert "Error" not in message.removesuffix("(ClientPayloadError)")


@pytest.mark.parametrize(
    ("context", "reason"),
    [
        (tls(trustme.CA()), "its certificate is not accepted (unable to get local issuer certificate)"),
        (tls(not_after=PAST), "its certificate is not accepted (certificate has expired)"),
        (tls(name="other.example"), "its certificate is not accepted (Hostname mismatch, certificate is not valid"),
        (None, "it does not speak TLS as expected ("),
    ],
    ids=["unknown authority", "expired", "another name", "no TLS"],
)
async def test_a_connection_that_is_not_secure(context: ssl.SSLContext | None, reason: str) -> None:
    """What is wrong with the certificate, as OpenSSL words it, or that the service speaks no TLS."""
    async with raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n", context) as port:
        message = await failure(f"https://localhost:{port}", ssl=trusting())

    assert message.startswith(f"no secure connection to the service: {reason}")


async def test_a_service_that_does_not_respond() -> None:
    """A connection without a response is told with the time that was waited."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"

        assert await failure(url, timeout=0.05) == "no complete response within 0.05 s"


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENETUNREACH, "network is unreachable (ENETUNREACH)"),
        (errno.EHOSTUNREACH, "no route to host (EHOSTUNREACH)"),
        (errno.ETIMEDOUT, "connection timed out (ETIMEDOUT)"),
        (errno.ECONNRESET, "connection reset by peer (ECONNRESET)"),
        (None, "none of its addresses can be reached"),
    ],
)
def test_reasons_of_the_system(number: int | None, reason: str) -> None:
    """An error of the system is told in the system's words; that of several addresses has no number."""
    cause = OSError(number, "secret") if number else OSError("Multiple exceptions: secret")
    error = aiohttp.ClientConnectorError(cast("ConnectionKey", None), cause)

    assert str(mapped_error(error)) == f"the connection to the service failed: {reason}"
