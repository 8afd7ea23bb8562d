from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager, suppress
from random import Random
from typing import TYPE_CHECKING

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st
from support.clock import run, virtual_time
from support.service import new_context, new_transport, page_request

from capledger import CapledgerError
from capledger._transport.retry import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from capledger._transport.client import Transport

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
PACKED = gzip.compress(b'{"ledgerEntries": [], "warnings": [{"code": 11003, "message": "none", "status": false}]}')
WHOLE = HEAD + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (
    len(PACKED),
    PACKED,
)

NO_ANSWERS = [
    b"",
    b"\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"HTTP/1.1 200\r\n\r\n",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\n\r\n",
    b"HTTP/1.1 999 What\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 429 Slow\r\nRetry-After: \xff\xfe\r\nContent-Length: 0\r\n\r\n",
    HEAD + b"Content-Length: -5\r\n\r\nabc",
    HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n",
    HEAD + b"Content-Length: 50\r\n\r\nabc",
    HEAD + b"Content-Length: 5\r\nContent-Encoding: gzip\r\n\r\nabcde",
    HEAD + b"Content-Length: 5\r\nContent-Encoding: deflate\r\n\r\nabcde",
    HEAD + b"Content-Length: 5\r\nContent-Encoding: br\r\n\r\nabcde",
    HEAD + b"Content-Length: 5\r\nContent-Encoding: what\r\n\r\nabcde",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    HEAD + b"X: " + b"a" * 20_000 + b"\r\n\r\n",
    HEAD + b"X: a\r\n" * 2_000 + b"\r\n",
    HEAD + b"Location: \x00\r\n\r\n",
    HEAD + b"Set-Cookie: a=\x01b\r\nContent-Length: 0\r\n\r\n",
]


@define
class RawServer:
    """Sends the same bytes to everyone, and hangs up."""

    sent: bytes

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.sent)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def before(raw: RawServer) -> AsyncIterator[Transport]:
    async with await asyncio.start_server(raw.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        transport = new_transport(f"http://127.0.0.1:{port}", retry=RetryPolicy(attempts=1))
        yield transport
        await transport.close()


@pytest.mark.parametrize("sent", NO_ANSWERS, ids=lambda sent: repr(sent[-30:]))
@virtual_time
async def test_bytes_that_are_not_http_are_a_capledger_error(sent: bytes) -> None:
    """Whatever a server sends in place of a response, an error of the tree comes out, and no connection is held."""
    async with before(RawServer(sent)) as transport:
        with pytest.raises(CapledgerError) as caught:
            await transport.fetch(page_request(), new_context())

        assert caught.value.__context__ is None
        assert transport.limiter.free_slots == 8


@virtual_time
async def test_the_unchanged_bytes_are_a_response() -> None:
    """Unchanged, they are an empty page."""
    async with before(RawServer(WHOLE)) as transport:
        assert (await transport.fetch(page_request(), new_context())).entries == []


def changed(seed: int) -> bytes:
    """Return the response with some bytes changed, lost or put in."""
    random, sent = Random(seed), bytearray(WHOLE)
    for _ in range(random.randint(1, 5)):
        at = random.randrange(len(sent))
        sent[at : at + random.choice([0, 1, 1, 10])] = random.randbytes(random.choice([0, 1, 1, 5]))
    return bytes(sent)


@given(seeds=st.lists(st.integers(0, 1_000_000), min_size=5, max_size=5))
def test_changed_bytes_are_a_response_or_a_capledger_error(seeds: list[int]) -> None:
    """However a response is mangled on its way, nothing but a page or an error of the tree comes out."""

    async def main() -> None:
        raw = RawServer(b"")
        async with before(raw) as transport:
            for seed in seeds:
                raw.sent = changed(seed)
                with suppress(CapledgerError):
                    await transport.fetch(page_request(), new_context())
            assert transport.limiter.free_slots == 8

    run(main())
