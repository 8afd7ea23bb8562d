"""An HTTP proxy before a sandbox."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit, urlunsplit

from attrs import frozen

from capledger.sandbox.loop_thread import LoopbackServer, stop_listening

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter
    from collections.abc import Mapping

    from capledger.sandbox.server import Sandbox

_HEAD_END: Final = b"\r\n\r\n"
_CHUNK: Final = 65_536


@frozen
class ProxiedRequest:
    """One request as a proxy received it."""

    method: str
    """CONNECT for a tunnel, which https goes through; what is sent through it, the proxy does not see."""
    target: str
    """Host and port of a tunnel, or the whole URL of a request by plain HTTP."""
    authorization: str | None
    """Value of ``Proxy-Authorization``, None without it."""
    status: int | None
    """Status of the proxy's own response: 200 for a tunnel, None for a request that was passed on."""


class SandboxProxy(LoopbackServer):
    """
    An HTTP proxy on loopback, which passes everything on to one sandbox, whatever host the client names.

    While the sandbox is not running, it responds with 502.

    ::

        async with Sandbox(ssl=certificate) as box, SandboxProxy(box) as proxy:
            ...  # LedgerSession("https://ledger.example", ..., proxy=proxy.url)

    Like a :class:`Sandbox` it is used as ``async with`` or ``with``.
    """

    def __init__(self, box: Sandbox, *, users: Mapping[str, str] | None = None, status: int | None = None) -> None:
        """
        Create a proxy before a sandbox.

        ``users`` are plain passwords by name: without one of them a request gets 407. ``status`` is responded to every
        request instead of passing it on; it may be replaced at any time.
        """
        self.status = status
        """Status of every response from now on; None to pass requests on."""
        self.requests: list[ProxiedRequest] = []
        """Every request so far, and every tunnel, in the order received."""
        self._box = box
        self._credentials = {_basic(name, password) for name, password in (users or {}).items()}
        self._server: asyncio.Server | None = None
        self._connections: set[StreamWriter] = set()

    @property
    def url(self) -> str:
        """URL of the proxy, such as ``http://127.0.0.1:40124``."""
        if self._server is None:
            raise RuntimeError("the proxy is not running; start it with `async with` or `with`")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        """Start to listen; ``url`` is known afterwards."""
        self._server = await asyncio.start_server(self._handle, "127.0.0.1", 0)

    async def close(self) -> None:
        """Stop listening, and drop what is in flight."""
        server, self._server = self._server, None
        if server is not None:
            await stop_listening(server)
        self._drop()

    def drop_connections(self) -> None:
        """Reset every connection and tunnel that is open now."""
        self._change(self._drop)

    def _drop(self) -> None:
        for writer in self._connections:
            writer.transport.abort()

    async def _handle(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._connections.add(writer)
        try:
            with suppress(OSError, EOFError):
                await self._serve(reader, writer)
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Respond to requests of one connection, or make it a tunnel."""
        if not self._box.running:
            await reader.readuntil(_HEAD_END)
            writer.write(_response(502))
            return
        address = urlsplit(self._box.url)
        far_reader, far_writer = await asyncio.open_connection(address.hostname, address.port)
        responses = asyncio.create_task(_pipe(far_reader, writer))
        try:
            while True:
                head = _Head.parse(await reader.readuntil(_HEAD_END))
                status = self._status_of(head)
                self._log(head, status)
                if status is not None:
                    writer.write(_response(status))
                    return
                if head.method == "CONNECT":
                    writer.write(b"HTTP/1.1 200 Connection established" + _HEAD_END)
                    await _pipe(reader, far_writer)
                    return
                far_writer.write(head.passed_on() + await reader.readexactly(head.length))
        finally:
            responses.cancel()
            far_writer.close()

    def _log(self, head: _Head, status: int | None) -> None:
        tunnelled = 200 if head.method == "CONNECT" else None
        authorization = head.fields.get("proxy-authorization")
        self.requests.append(ProxiedRequest(head.method, head.target, authorization, status or tunnelled))

    def _status_of(self, head: _Head) -> int | None:
        if self._credentials and head.fields.get("proxy-authorization") not in self._credentials:
            return 407
        return self.status


@frozen
class _Head:
    """Request line and header fields."""

    method: str
    target: str
    lines: list[str]

    @classmethod
    def parse(cls, data: bytes) -> _Head:
        first, *lines = data.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        return cls(method, target, [line for line in lines if line])

    @property
    def fields(self) -> dict[str, str]:
        """Header fields by lower-case name."""
        pairs = (line.partition(":") for line in self.lines)
        return {name.lower(): value.strip() for name, _, value in pairs}

    @property
    def length(self) -> int:
        """Number of bytes of the body."""
        return int(self.fields.get("content-length", "0"))

    def passed_on(self) -> bytes:
        """Return the head as it goes to the service: without host in the target, and without the proxy's fields."""
        path = urlunsplit(("", "", *urlsplit(self.target)[2:]))
        lines = [line for line in self.lines if not line.lower().startswith("proxy-")]
        return "\r\n".join([f"{self.method} {path} HTTP/1.1", *lines]).encode("latin-1") + _HEAD_END


def _basic(name: str, password: str) -> str:
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode("ascii")


def _response(status: int) -> bytes:
    challenge = 'Proxy-Authenticate: Basic realm="sandbox"\r\n' if status == 407 else ""  # noqa: PLR2004 - a status
    return f"HTTP/1.1 {status} Proxy\r\n{challenge}Content-Length: 0\r\nConnection: close\r\n\r\n".encode("ascii")


async def _pipe(reader: StreamReader, writer: StreamWriter) -> None:
    """Copy bytes until the sender ends."""
    with suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    writer.close()
