"""What a fault is: a function that responds to a request in place of the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from attrs import frozen

from capledger.sandbox.request_log import LoggedRequest


@frozen
class FaultContext:
    """The request that a fault responds to."""

    request: web.BaseRequest
    """The request as aiohttp received it, with its transport."""
    logged: LoggedRequest
    """The request in the log of the sandbox."""
    respond: Callable[[web.BaseRequest, Mapping[str, str]], Awaitable[web.Response]]
    """Returns the response without the fault; the second argument replaces query parameters."""

    async def regular_response(self, **changed: str) -> web.Response:
        """Return the response without the fault, with these query parameters changed."""
        return await self.respond(self.request, changed)


@frozen
class Fault:
    """One way for a response to go wrong."""

    name: str
    """The name in the log of the sandbox."""
    respond: Callable[[FaultContext], Awaitable[web.StreamResponse]]
    """Returns the response with the fault."""


#: Returns the fault of a request, or None.
FaultScript = Callable[[LoggedRequest], Fault | None]
