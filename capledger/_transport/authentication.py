"""What the transport needs in order to authenticate requests; :mod:`capledger.auth` implements it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from capledger._sansio.requests import Request
    from capledger._sansio.response import Response
    from capledger._transport.clock import Clock

T = TypeVar("T")


class SendUnauthenticated(Protocol):
    """Sends an unauthenticated request within the session's limits and retries."""

    def __call__(self, request: Request[T], decode: Callable[[Request[T], Response], T], /) -> Awaitable[T]:
        """Return the decoded response."""


class Authenticator(Protocol):
    """The credentials of one session, as headers."""

    def headers(self) -> Mapping[str, str] | None:
        """Return the headers that authenticate a request, or None when :meth:`renew` must be awaited first."""

    async def renew(self, send: SendUnauthenticated) -> None:
        """Fetch what :meth:`headers` lacks."""

    def invalidate(self, headers: Mapping[str, str]) -> bool:
        """Record that the service refused these headers; return whether a retry with other ones can help."""


class Auth(Protocol):
    """What a session takes as its ``auth``."""

    def authenticator(self, clock: Clock) -> Authenticator:
        """Return a new authenticator for one session."""
