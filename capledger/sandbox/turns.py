"""What a fault is: something that answers a request in the server's stead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from attrs import frozen

from capledger.sandbox.request_log import LoggedRequest


@frozen
class Turn:
    """One request in the hands of a fault."""

    request: web.BaseRequest
    logged: LoggedRequest
    #: The answer without the fault; the second argument replaces query parameters.
    answer: Callable[[web.BaseRequest, Mapping[str, str]], Awaitable[web.Response]]

    async def honest(self, **changed: str) -> web.Response:
        """The answer without the fault, with query parameters changed."""
        return await self.answer(self.request, changed)


@frozen
class Fault:
    """One way for an answer to go wrong."""

    name: str
    play: Callable[[Turn], Awaitable[web.StreamResponse]]


#: Says for each request which fault it gets, if any.
FaultScript = Callable[[LoggedRequest], Fault | None]
