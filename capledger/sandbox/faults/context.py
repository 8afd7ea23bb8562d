"""What a fault is: a function that responds to a request in place of the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from aiohttp import web
from attrs import frozen

from capledger.sandbox.request_log import LoggedRequest

if TYPE_CHECKING:
    from capledger.sandbox.server import Sandbox  # noqa: TC004 - the server imports this module


@frozen
class FaultContext:
    """The request that a fault responds to."""

    sandbox: Sandbox
    """The sandbox that received the request."""
    request: web.BaseRequest
    """The request as aiohttp received it, with its transport."""
    logged: LoggedRequest
    """The request in the log of the sandbox."""
    respond: Callable[[Mapping[str, str], Mapping[str, Any]], Awaitable[web.Response]]
    """Returns the response without the fault, with these query parameters and these fields of the rules changed."""

    async def regular_response(self, rules: Mapping[str, Any] | None = None, **changed: str) -> web.Response:
        """Return the response without the fault, with fields of the rules or query parameters changed."""
        return await self.respond(changed, rules or {})


@frozen
class Fault:
    """One way for a response to go wrong."""

    name: str
    """The name in the log of the sandbox."""
    respond: Callable[[FaultContext], Awaitable[web.StreamResponse]]
    """Returns the response with the fault."""


#: Returns the fault of a request, or None.
FaultScript = Callable[[LoggedRequest], Fault | None]
