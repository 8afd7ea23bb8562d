"""The connections of a sandbox: their numbers, and those that are reset at their next use."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

from attrs import define

if TYPE_CHECKING:
    from asyncio import BaseTransport
    from collections.abc import Callable

    from aiohttp import web

_LINGER_ZERO: Final = struct.pack("ii", 1, 0)


@define(eq=False)
class ClientConnection:
    """A connection of a client."""

    number: int
    """From 1, in the order of their first requests."""
    last_used: float
    """Time at which its last request ended, in seconds of the sandbox's clock."""
    requests: int = 0
    """Number of its requests so far."""
    expired: bool = False
    """Whether it is reset at its next use."""

    def is_stale(self, now: float, idle_timeout: float | None) -> bool:
        """Return whether it is to be reset: it expired, or was idle for longer than the timeout."""
        idle = idle_timeout is not None and self.requests > 0 and now - self.last_used > idle_timeout
        return self.expired or idle


class Connections:
    """The open connections of a sandbox."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._connections: WeakKeyDictionary[BaseTransport, ClientConnection] = WeakKeyDictionary()
        self._count = 0

    def of(self, transport: BaseTransport | None) -> ClientConnection:
        """Return the connection of a transport; a new one for its first request, or if it is closed already."""
        connection = None if transport is None else self._connections.get(transport)
        if connection is None:
            self._count += 1
            connection = ClientConnection(self._count, self._clock())
            if transport is not None:
                self._connections[transport] = connection
        return connection

    def expire(self) -> None:
        """Let every connection that is open now be reset at its next use."""
        for connection in self._connections.values():
            connection.expired = True


def reset_connection(request: web.BaseRequest) -> None:
    """Reset the connection of a request: the client gets no byte of a response."""
    transport = request.transport
    if transport is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        transport.abort()
