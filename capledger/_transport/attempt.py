"""One thing to be fetched: what is known of it over all its attempts, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Generic, Protocol, TypeVar

from attrs import define, field

from capledger._sansio.requests import Request
from capledger._sansio.response import Response
from capledger._transport.limiter import Slot
from capledger._transport.log import log
from capledger._transport.retry import Failure

T = TypeVar("T")


class Tally(Protocol):
    """Where requests are counted, for one walk; those of one tally take turns with those of the others.

    An attribute ``deadline`` (seconds of the clock's monotonic time, or None), if it has one, ends its requests.
    """

    requests: int
    retries: int
    #: Seconds spent waiting for the rate limit, in pauses and before retries.
    waited: float


@define(eq=False)
class Attempt(Generic[T]):
    """One thing to be fetched, over all its attempts."""

    request: Request[T]
    report: Tally
    decode: Callable[[Request[T], Response], T]
    #: False for the request that gets the token itself.
    signed: bool = True
    attempt: int = 1
    #: Failures in a row like the last one, and what it was.
    alike: int = 0
    kind: object = None
    #: Seconds that the last refusal for the rate pauses everybody.
    pause: float = 0.0
    signature: Mapping[str, str] = field(factory=dict, repr=False)
    #: Whether a refused token was replaced already.
    renewed: bool = False

    @property
    def deadline(self) -> float | None:
        """When to give up; a token is for everybody, whatever the deadline of the one who asks for it."""
        return getattr(self.report, "deadline", None) if self.signed else None

    def count(self, failure: Failure) -> None:
        """Count one that says nothing about the rate."""
        self.alike = self.alike + 1 if failure.kind == self.kind else 1
        self.kind = failure.kind

    def log(self, level: int, text: str, *values: object, **extra: object) -> None:
        request = self.request
        log(level, text, *values, endpoint=request.endpoint, subject=request.subject, attempt=self.attempt, **extra)


@define(eq=False)
class Unread:
    """A large answer that is here and has given up its turn."""

    answer: Response
    permit: Slot


@define(eq=False, repr=False)
class PendingResponse(Generic[T]):
    """What was asked for is here: a large answer is decoded when somebody wants it, any other was decoded at once."""

    _came: T | Unread
    _call: Attempt[T]
    _read: Callable[[Attempt[T], Unread], T | Failure]
    _ask_again: Callable[[Attempt[T], Failure], Coroutine[object, object, PendingResponse[T]]]
    _failure: Failure | None = None

    def read(self) -> T | None:
        """Make of it what was asked for, once; None where it is broken, and has to be asked for :meth:`again`."""
        if not isinstance(self._came, Unread):
            return self._came
        outcome = self._read(self._call, self._came)
        if isinstance(outcome, Failure):
            self._failure = outcome
            return None
        return outcome

    def again(self) -> Coroutine[object, object, PendingResponse[T]]:
        """Ask again for what was broken.

        Raises:
            CapledgerError: as :meth:`Transport.fetch` does; what was wrong with it, if asking again is no use.
            LookupError: nothing was wrong with it.
        """
        if self._failure is None:
            raise LookupError
        return self._ask_again(self._call, self._failure)
