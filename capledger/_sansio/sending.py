"""The callables that walks get to send requests, in place of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from capledger._sansio.context import RequestContext
    from capledger._sansio.requests import PageT, Request

T_co = TypeVar("T_co", covariant=True)


class Received(Protocol[T_co]):
    """A response that has come and may still have to be decoded."""

    async def value(self) -> T_co:
        """Return what was requested."""


class Send(Protocol):
    """What walks get in place of a session."""

    def __call__(self, request: Request[PageT], context: RequestContext, /) -> Coroutine[Any, Any, Received[PageT]]:
        """Send a typed request and return its response."""


class Fetch(Protocol):
    """The same for small responses, which are decoded at once."""

    def __call__(self, request: Request[PageT], context: RequestContext, /) -> Coroutine[Any, Any, PageT]:
        """Send a typed request and return what was requested."""
