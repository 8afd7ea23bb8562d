"""Faults of the connection: delays, stalls, resets and bodies of the wrong length."""

from __future__ import annotations

import zlib
from asyncio import Event, sleep
from typing import TYPE_CHECKING, Final

from aiohttp import web

from capledger.sandbox.connections import reset_connection
from capledger.sandbox.faults.context import Fault, FaultContext
from capledger.sandbox.responses import body_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_MEBIBYTE: Final = 1 << 20


def slow(seconds: float) -> Fault:
    """Delay the regular response by so many seconds."""

    async def respond(context: FaultContext) -> web.Response:
        await sleep(seconds)
        return await context.regular_response()

    return Fault("slow", respond)


def hang() -> Fault:
    """Send nothing, until the client disconnects or the sandbox is closed."""

    async def respond(context: FaultContext) -> web.Response:
        await Event().wait()
        return await context.regular_response()

    return Fault("hang", respond)


def drip(interval: float, chunk: int = 1) -> Fault:
    """Send ``chunk`` bytes of the regular body every ``interval`` seconds."""

    async def respond(context: FaultContext) -> web.StreamResponse:
        body, stream = await _send_head(context)
        for start in range(0, len(body), chunk):
            await stream.write(body[start : start + chunk])
            await sleep(interval)
        return stream

    return Fault("drip", respond)


def stall(share: float = 0.5) -> Fault:
    """Send a share (0 to 1) of the regular body, and then nothing until the client disconnects."""

    async def respond(context: FaultContext) -> web.StreamResponse:
        body, stream = await _send_head(context)
        await stream.write(body[: int(len(body) * share)])
        await Event().wait()
        return stream

    return Fault("stall", respond)


def cut_body(share: float = 0.5) -> Fault:
    """Send a share (0 to 1) of the regular body, and then close the connection."""

    async def respond(context: FaultContext) -> web.StreamResponse:
        body, stream = await _send_head(context)
        await stream.write(body[: int(len(body) * share)])
        if context.request.transport is not None:
            context.request.transport.close()
        return stream

    return Fault("cut_body", respond)


async def _send_head(context: FaultContext) -> tuple[bytes, web.StreamResponse]:
    """Send the head of the regular response, with its full length; return its body and the stream."""
    response = await context.regular_response()
    body = body_of(response)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    stream = web.StreamResponse(status=response.status, headers=headers)
    await stream.prepare(context.request)
    return body, stream


def reset() -> Fault:
    """Reset the connection before a byte is sent."""

    async def respond(context: FaultContext) -> web.Response:
        reset_connection(context.request)
        return web.Response()

    return Fault("reset", respond)


def huge(size: int = 200 * _MEBIBYTE) -> Fault:
    """Send an empty page padded with spaces to so many bytes; no ``Content-Length``."""
    return _streamed("huge", {}, lambda: _padded_page(size))


def gzip_bomb(size: int = 200 * _MEBIBYTE) -> Fault:
    """Send an empty page that is small in transfer and so many bytes when decompressed."""
    return _streamed("gzip_bomb", {"Content-Encoding": "gzip"}, lambda: _compressed(_padded_page(size)))


def _streamed(name: str, headers: dict[str, str], chunks: Callable[[], Iterator[bytes]]) -> Fault:
    async def respond(context: FaultContext) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "application/json", **headers})
        await stream.prepare(context.request)
        for chunk in chunks():
            await stream.write(chunk)
        return stream

    return Fault(name, respond)


def _padded_page(size: int) -> Iterator[bytes]:
    yield b'{"ledgerEntries":[],"warnings":[]'
    spaces = b" " * _MEBIBYTE
    for _ in range(size // _MEBIBYTE):
        yield spaces
    yield b"}"


def _compressed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(level=1, wbits=31)
    for chunk in chunks:
        yield compressor.compress(chunk)
    yield compressor.flush()
