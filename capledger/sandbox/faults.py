"""Faults that are ready to use, and the scripts that say which requests get them."""

from __future__ import annotations

import socket
import struct
import zlib
from asyncio import Event, sleep
from random import Random
from typing import TYPE_CHECKING, Final

from aiohttp import web

from capledger.sandbox.page_faults import (
    doubled_row,
    edit_page,
    empty_page,
    error_beside,
    moving_total,
    null,
    null_entry,
    null_ledger,
    repeat_page,
    reversed_rows,
    short_page,
    swapped_types,
    warning_beside,
    without,
    wrong_page_number,
    wrong_total,
)
from capledger.sandbox.responses import GatewayRefusal, json_answer, notice
from capledger.sandbox.scripts import (
    always,
    either,
    every,
    first,
    nth,
    numbered,
    on_events,
    on_ledgers,
    on_tokens,
    random_faults,
    when,
)
from capledger.sandbox.turns import Fault, FaultScript, Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = [
    "Fault",
    "FaultScript",
    "Turn",
    "always",
    "cut_body",
    "deep",
    "doubled_row",
    "drip",
    "edit_page",
    "either",
    "empty_page",
    "error_beside",
    "every",
    "first",
    "garbage",
    "gateway",
    "gzip_bomb",
    "hang",
    "html",
    "huge",
    "json_body",
    "moving_total",
    "nan",
    "nth",
    "null",
    "null_entry",
    "null_ledger",
    "numbered",
    "on_events",
    "on_ledgers",
    "on_tokens",
    "random_faults",
    "redirect",
    "refusal",
    "repeat_page",
    "reset",
    "reversed_rows",
    "short_page",
    "slow",
    "stall",
    "status",
    "swapped_types",
    "text_body",
    "too_many",
    "warning_beside",
    "when",
    "without",
    "wrong_content_type",
    "wrong_page_number",
    "wrong_total",
]

_MEBIBYTE: Final = 1 << 20
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)
_HTML: Final = "<!DOCTYPE html><html><head><title>Attention Required!</title></head><body><h1>502</h1></body></html>"


def _fixed(name: str, make: Callable[[], web.Response]) -> Fault:
    """The same answer each time, made anew: a response can be sent only once."""

    async def play(_: Turn) -> web.Response:
        return make()

    return Fault(name, play)


def status(
    code: int, body: bytes | str = b"", *, headers: Mapping[str, str] | None = None, content_type: str = "text/plain"
) -> Fault:
    """An HTTP status with any body."""
    content = body.encode() if isinstance(body, str) else body
    fields = {"Content-Type": content_type, **(headers or {})}
    return _fixed(f"status {code}", lambda: web.Response(status=code, body=content, headers=fields))


def too_many(retry_after: str | None = None) -> Fault:
    """HTTP 429, with this ``Retry-After`` if any."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return status(429, "Too many requests", headers=headers)


def refusal(code: int, message: str = "Refused by the sandbox", *, http_status: int = 400) -> Fault:
    """An item of ``errors`` alone, with any HTTP status (200 too)."""
    return _fixed(f"refusal {code}", lambda: json_answer({"errors": [notice(code, message)]}, status=http_status))


def gateway(code: int, message: str = "Unauthorized", *, http_status: int | None = None) -> Fault:
    """A refusal in the envelope of v1.1, such as 401 or 498; the HTTP status is the code unless given."""
    return _fixed(f"gateway {code}", lambda: GatewayRefusal(code, message, status=http_status or code).answer())


def html(code: int = 200) -> Fault:
    """A page for people, as an edge server sends it."""
    return status(code, _HTML, content_type="text/html")


def redirect(url: str, code: int = 302) -> Fault:
    """A redirect to another address."""
    return status(code, headers={"Location": url})


def json_body(body: object) -> Fault:
    """Valid JSON of any shape, with HTTP 200."""
    return _fixed("json_body", lambda: json_answer(body))


def text_body(body: bytes | str) -> Fault:
    """Any bytes as ``application/json``, with HTTP 200."""
    return status(200, body, content_type="application/json")


def garbage(seed: int = 0, size: int = 512) -> Fault:
    """Random bytes as JSON."""
    return text_body(Random(seed).randbytes(size))


def deep(levels: int = 100_000) -> Fault:
    """Lists within lists: valid JSON that no recursive reader gets to the end of."""
    return text_body(b"[" * levels + b"]" * levels)


def nan() -> Fault:
    """NaN in place of the first net: what JSON does not have, but some writers write."""

    async def play(turn: Turn) -> web.Response:
        honest = await turn.honest()
        head, key, rest = _body(honest).partition(b'"netPointsOnEvent":')
        _, quote, rest = rest.partition(b'",')
        return _with_body(honest, head + key + b"NaN," + rest if quote else head)

    return Fault("nan", play)


def wrong_content_type(content_type: str = "text/plain") -> Fault:
    """The honest body under another content type."""

    async def play(turn: Turn) -> web.Response:
        honest = await turn.honest()
        return web.Response(body=_body(honest), status=honest.status, content_type=content_type)

    return Fault("wrong_content_type", play)


def _body(answer: web.Response) -> bytes:
    body = answer.body
    if not isinstance(body, bytes):
        raise TypeError("answers of the sandbox have their bytes")
    return body


def _with_body(answer: web.Response, body: bytes) -> web.Response:
    return web.Response(body=body, status=answer.status, content_type=answer.content_type)


def slow(seconds: float) -> Fault:
    """The honest answer after so many seconds."""

    async def play(turn: Turn) -> web.Response:
        await sleep(seconds)
        return await turn.honest()

    return Fault("slow", play)


def hang() -> Fault:
    """No answer, until the client goes away or the sandbox is closed."""

    async def play(turn: Turn) -> web.Response:
        await Event().wait()
        return await turn.honest()

    return Fault("hang", play)


def drip(interval: float, chunk: int = 1) -> Fault:
    """The honest body, ``chunk`` bytes every ``interval`` seconds."""

    async def play(turn: Turn) -> web.StreamResponse:
        body, stream = await _opened(turn)
        for start in range(0, len(body), chunk):
            await stream.write(body[start : start + chunk])
            await sleep(interval)
        return stream

    return Fault("drip", play)


def stall(share: float = 0.5) -> Fault:
    """This share of the honest body, and then nothing until the client goes away."""

    async def play(turn: Turn) -> web.StreamResponse:
        body, stream = await _opened(turn)
        await stream.write(body[: int(len(body) * share)])
        await Event().wait()
        return stream

    return Fault("stall", play)


def cut_body(share: float = 0.5) -> Fault:
    """This share of the honest body, and then the connection is closed."""

    async def play(turn: Turn) -> web.StreamResponse:
        body, stream = await _opened(turn)
        await stream.write(body[: int(len(body) * share)])
        if turn.request.transport is not None:
            turn.request.transport.close()
        return stream

    return Fault("cut_body", play)


async def _opened(turn: Turn) -> tuple[bytes, web.StreamResponse]:
    """The honest body, and an answer whose head (with the full length) is sent."""
    honest = await turn.honest()
    body = _body(honest)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    stream = web.StreamResponse(status=honest.status, headers=headers)
    await stream.prepare(turn.request)
    return body, stream


def reset() -> Fault:
    """The connection is reset before a byte is sent."""

    async def play(turn: Turn) -> web.Response:
        transport = turn.request.transport
        if transport is not None:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
            transport.abort()
        return web.Response()

    return Fault("reset", play)


def huge(size: int = 200 * _MEBIBYTE) -> Fault:
    """An empty page in so many bytes of JSON, nearly all of them blanks; its length is not stated."""
    return _streamed("huge", {}, lambda: _blanks(size))


def gzip_bomb(size: int = 200 * _MEBIBYTE) -> Fault:
    """An empty page that is small on the wire and so many bytes when decompressed."""
    return _streamed("gzip_bomb", {"Content-Encoding": "gzip"}, lambda: _compressed(_blanks(size)))


def _streamed(name: str, headers: Mapping[str, str], chunks: Callable[[], Iterator[bytes]]) -> Fault:
    async def play(turn: Turn) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "application/json", **headers})
        await stream.prepare(turn.request)
        for chunk in chunks():
            await stream.write(chunk)
        return stream

    return Fault(name, play)


def _blanks(size: int) -> Iterator[bytes]:
    yield b'{"ledgerEntries":[],"warnings":[]'
    blank = b" " * _MEBIBYTE
    for _ in range(size // _MEBIBYTE):
        yield blank
    yield b"}"


def _compressed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(level=1, wbits=31)
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()
