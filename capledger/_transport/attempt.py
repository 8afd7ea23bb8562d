"""The state of one request across its attempts, and the response that comes of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import define, field

from capledger._sansio.context import RequestContext
from capledger._sansio.requests import Request
from capledger._sansio.response import Response
from capledger._transport.limiter import Slot
from capledger._transport.log import log, logger

if TYPE_CHECKING:
    from capledger._transport.retry import Failure

T = TypeVar("T")


@define(eq=False)
class Attempt(Generic[T]):
    """The current attempt of one request, with what is known from those before it."""

    request: Request[T]
    context: RequestContext
    decode: Callable[[Request[T], Response], T]
    authenticated: bool = True
    """False for the request that fetches the token itself."""
    beside: Slot | None = None
    """For a token's request, the slot of the request that needs the token."""
    retried: bool = True
    """False for a token's request ahead of time, which may fail while the old token is valid."""
    sent_at: float = 0.0
    """When the last attempt was sent, in seconds of the clock's monotonic time."""
    number: int = 1
    """Number of the attempt, from 1."""
    repeats: int = 0
    """Failures in a row of the same kind as the last one."""
    last_kind: object = None
    """Kind of the last failure."""
    pause: float = 0.0
    """Seconds for which the last HTTP 429 pauses the session."""
    auth_headers: Mapping[str, str] = field(factory=dict, repr=False)
    """Headers that authenticated the last attempt."""
    reauthenticated: bool = False
    """Whether a refused token was replaced already."""
    expired_tokens: int = 0
    """Number of tokens that expired on the way."""

    @property
    def deadline(self) -> float | None:
        """When to give up; a token is shared, so its request ignores the deadline of the walk that needed it first."""
        return self.context.deadline if self.authenticated else None

    def record_failure(self, failure: Failure) -> None:
        """Count a failure other than HTTP 429."""
        self.repeats = self.repeats + 1 if failure.kind == self.last_kind else 1
        self.last_kind = failure.kind

    def log(self, level: int, message: str, *values: object, **extra: object) -> None:
        """Write a record about this attempt; the message begins with ``%s`` for the endpoint."""
        request = self.request
        log(level, message, *values, endpoint=request.endpoint, subject=request.subject, attempt=self.number, **extra)

    def log_response(self, response: Response) -> None:
        """Write a record about a response."""
        if logger.isEnabledFor(logging.DEBUG):  # finding the request's id takes longer than all else here
            status, request_id = response.status, response.request_id
            self.log(logging.DEBUG, "%s: HTTP %d", status, status=status, request_id=request_id)

    def log_failure(self, failure: Failure, wait: float | None) -> None:
        """Write a record about a failure, and the seconds until the retry, None for no retry."""
        kind = type(failure.error).__name__
        next_step = "giving up" if wait is None else f"retrying in {wait:.2f} s"
        self.log(
            logging.INFO,
            f"%s: attempt %d failed (%s), {next_step}",
            self.number,
            kind,
            error=kind,
            reason=failure.error.message,
            wait=wait,
            status=failure.status,
            request_id=failure.response and failure.response.request_id,
        )


@define(eq=False)
class Undecoded:
    """A large response whose slot was released before decoding."""

    response: Response
    slot: Slot


@define(eq=False, repr=False)
class PendingResponse(Generic[T]):
    """A response that has arrived; a large body is decoded when :meth:`value` is awaited, any other already was."""

    _outcome: T | Undecoded
    _attempt: Attempt[T]
    _decode_late: Callable[[Attempt[T], Undecoded], Coroutine[Any, Any, T]]

    async def value(self) -> T:
        """Return the decoded response; where the body proves broken, retry the request first.

        Raises:
            CapledgerError: as :meth:`Transport.fetch` does.
        """
        if isinstance(self._outcome, Undecoded):
            self._outcome = await self._decode_late(self._attempt, self._outcome)
        return self._outcome
