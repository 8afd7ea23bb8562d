"""A CONNECT proxy on loopback, and TLS in front of a sandbox."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from yarl import URL


@define
class ConnectProxy:
    """Relays every tunnel to one port of this machine, whatever host the client names."""

    target: int
    port: int = 0
    tunnels: list[tuple[str, str | None]] = field(factory=list)
    """Host and port of each tunnel, and the value of ``Proxy-Authorization``."""

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        method, address, _ = head[0].split(" ")
        assert method == "CONNECT"
        self.tunnels.append((address, fields.get("proxy-authorization")))
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await relay(reader, writer, self.target)


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Copy bytes in both directions until either side ends."""
    far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
    pipes = [asyncio.create_task(_pipe(reader, far_writer)), asyncio.create_task(_pipe(far_reader, writer))]
    try:
        await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for pipe in pipes:
            pipe.cancel()
        for end in (far_writer, writer):
            end.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def connect_proxy(target: int) -> AsyncIterator[ConnectProxy]:
    """A running proxy before a port of this machine."""
    proxy = ConnectProxy(target)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()


@asynccontextmanager
async def tls_before(url: URL, context: ssl.SSLContext) -> AsyncIterator[int]:
    """The port of a TLS server that passes everything on to the server at a URL."""
    assert url.port is not None
    port = url.port
    server = await asyncio.start_server(lambda r, w: relay(r, w, port), "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
