"""What the transport needs in order to authenticate requests; :mod:`capledger.auth` implements it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from capledger._sansio.requests import Request
    from capledger._sansio.response import Response
    from capledger._transport.clock import Clock

T = TypeVar("T")


class SendUnauthenticated(Protocol):
    """Sends an unauthenticated request within the session's limits and retries."""

    def __call__(
        self, request: Request[T], decode: Callable[[Request[T], Response], T], /
    ) -> Awaitable[tuple[T, float]]:
        """Return the decoded response, and when its request was sent, in seconds of the clock's monotonic time."""


class Refused(Enum):
    """What a refusal of credentials means for the request."""

    FINAL = "final"
    """No other credentials exist."""
    RENEWABLE = "renewable"
    """One retry with renewed credentials can help."""
    EXPIRED = "expired"
    """The credentials expired on the way, which says nothing about them."""


class Authenticator(Protocol):
    """The credentials of one session, as headers."""

    @property
    def renewals(self) -> int:
        """Number of renewals so far, failed ones included."""

    @property
    def renewal_is_due(self) -> bool:
        """Whether the credentials expire soon, and no request renews them."""

    def headers(self) -> Mapping[str, str] | None:
        """Return the headers that authenticate a request, or None when :meth:`renew` must be awaited first."""

    async def renew(self, send: SendUnauthenticated, since: int) -> None:
        """Renew the credentials, if they are expired or due.

        Args:
            send: sends the request for a token.
            since: :attr:`renewals` when the caller began to wait; a renewal that failed since then fails it as well.
        """

    def invalidate(self, headers: Mapping[str, str]) -> Refused:
        """Record that the service refused these headers; return what that means."""


class Auth(Protocol):
    """What a session takes as its ``auth``."""

    def authenticator(self, clock: Clock) -> Authenticator:
        """Return a new authenticator for one session."""
