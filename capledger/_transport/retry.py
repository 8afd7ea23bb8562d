"""Whether to ask again, and after how long: pure decisions. Who waits, and where, is the transport's affair.

Written out rather than taken from tenacity or stamina: those wait around a callable, while here the wait is read from
the answer, is spent without the connection slot, and after a 429 belongs to the whole session.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from attrs import field, frozen

from capledger._sansio.response import Response
from capledger._transport.clock import to_optional_seconds, to_seconds
from capledger.errors import (
    AnswerTooLargeError,
    CapledgerError,
    ConfigurationError,
    ConnectionFailedError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

#: Statuses after which the same request may well succeed; 461, 520 and 521 are of api-facts 2 and 3.1.
RETRIED_STATUSES = frozenset({429, 461, 500, 502, 503, 504, 520, 521})
_REDIRECTS = 300

#: A request that fails in changing ways has this many times the attempts in all.
_MOST_IN_ALL = 3
#: How many times as long each wait is as the one before, and each pause after refusals.
_WAIT_GROWTH, _PAUSE_GROWTH = 3.0, 7.0


@frozen(kw_only=True)
class RetryPolicy:
    """How often and how patiently a session asks again. Times are seconds or a ``timedelta``.

    A request is given up after ``attempts`` failures of one kind in a row: the same status, or no whole answer, or none
    in time. One that fails now so and now otherwise has met a service that stumbles rather than one that is down; it is
    given up after three times as many in all. Where three requests in ten fail in ten ways, two or three in ten million
    are given up like that, and seven in ten thousand would be if any six failures were the end.

    Refusals for the rate (HTTP 429) are in a row when nothing of the whole session got through between them.

    Raises:
        ConfigurationError: a value is out of its range.
    """

    #: Requests for one answer that fail in the same way, the first included; 1 means no retries.
    attempts: int = 6
    #: The shortest wait before asking again. The longest is twice that, and three times as long with each attempt, up
    #: to ``max_wait``: short for what is over at once, and half a minute or so in all for a restart.
    min_wait: float = field(default=0.05, converter=to_seconds)
    #: The longest wait that is our own choice.
    max_wait: float = field(default=30.0, converter=to_seconds)
    #: The longest ``Retry-After`` that is obeyed; a longer one is an error at once.
    max_retry_after: float = field(default=120.0, converter=to_seconds)
    #: Time for a whole walk, from its first request; None for no end.
    deadline: float | None = field(default=None, converter=to_optional_seconds)
    #: Retries that the session may spend beyond ``budget_share`` of its successes; what keeps an outage from
    #: being made worse by everybody asking again.
    budget: int = 100
    #: Retries earned by each success, up to ``budget``. At 1.0 half of all requests may fail for good.
    budget_share: float = 1.0

    def __attrs_post_init__(self) -> None:
        _in_range(type(self.attempts) is int and self.attempts >= 1, "attempts must be a whole number, at least 1")
        _in_range(self.deadline != 0, "deadline must be longer than nothing")
        _in_range(self.min_wait <= self.max_wait, "min_wait must not be longer than max_wait")
        _in_range(self.budget >= 0 and self.budget_share >= 0, "budget and budget_share must not be negative")


def _in_range(condition: bool, text: str) -> None:  # noqa: FBT001 (a check, not an option)
    if not condition:
        raise ConfigurationError(text)


class RetryBudget:
    """Retries that the whole session may still spend: a reserve, spent by retries and earned back by successes."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._most = float(policy.budget)
        self._share = policy.budget_share
        self._left = self._most

    def earn(self) -> None:
        """Count a success."""
        self._left = min(self._most, self._left + self._share)

    def spend(self) -> bool:
        """Take one retry; return False when none is left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


@frozen
class Failure:
    """One attempt that gave no answer, and what it tells about the next one."""

    error: CapledgerError
    #: None where no whole answer came.
    answer: Response | None = None

    @property
    def status(self) -> int | None:
        """The HTTP status, where there was an answer."""
        return None if self.answer is None else self.answer.status

    def retry_after(self, now: datetime) -> float | None:
        """Return the seconds that the answer asks to wait."""
        return None if self.answer is None else self.answer.retry_after(now)

    @property
    def kind(self) -> tuple[str, int | None]:
        """What two failures have in common that are alike."""
        return type(self.error).__name__, self.status

    @property
    def refused_for_rate(self) -> bool:
        """Whether the service said that too many ask, which concerns the whole session."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS or isinstance(self.error, RateLimitedError)


def is_retryable(failure: Failure) -> bool:
    """Return whether the same request may well succeed later."""
    error, status = failure.error, failure.status
    if isinstance(error, AnswerTooLargeError):
        return False
    if isinstance(error, ConnectionFailedError | RequestTimeoutError) or failure.refused_for_rate:
        return True
    if isinstance(error, ServerError) and (error.code in RETRIED_STATUSES or (status or 0) < _REDIRECTS):
        return True
    return status in RETRIED_STATUSES


def gives_up(attempt: int, alike: int, policy: RetryPolicy) -> bool:
    """Return whether so many attempts, of which the last so many failed alike, are enough."""
    return alike >= policy.attempts or attempt >= policy.attempts * _MOST_IN_ALL


def wait_before_retry(
    failure: Failure, *, attempt: int, policy: RetryPolicy, now: datetime, random: Callable[[], float]
) -> float | None:
    """Return the seconds to wait before asking again, or None where that is no use; not for refusals for the rate.

    Args:
        failure: what became of the attempt.
        attempt: its number, from 1.
        policy: the limits.
        now: the time of day, aware, to read a ``Retry-After`` date by.
        random: gives numbers from 0 to 1.
    """
    if not is_retryable(failure):
        return None
    stated = failure.retry_after(now)
    if stated is None:
        return _backoff(attempt, policy, random())
    return stated + policy.min_wait * random() if stated <= policy.max_retry_after else None


def pause_after_refusal(failure: Failure, *, in_a_row: int, policy: RetryPolicy, now: datetime) -> float:
    """Return the seconds in which nobody should ask: as the service says, or else our own choice.

    That is a tenth of a second at first, since a lone refusal says little, and seven times as long with each one in a
    row: five pauses of the usual policy are more than the minute that limits go by. What the service says is obeyed to
    the letter once; when it proves too short, the longer of both is waited. There is no jitter, since the session's
    gate lets requests go one by one afterwards.
    """
    stated = failure.retry_after(now)
    if stated is not None and in_a_row == 1:
        return stated
    own = min(policy.max_wait, 2.0 * policy.min_wait * _PAUSE_GROWTH ** min(in_a_row - 1, 60))
    return max(own, stated or 0.0)


def _backoff(attempt: int, policy: RetryPolicy, random: float) -> float:
    """Full jitter: anything from the shortest wait to one that grows with each attempt."""
    longest = min(policy.max_wait, 2.0 * policy.min_wait * _WAIT_GROWTH ** min(attempt - 1, 60))
    return policy.min_wait + random * (max(longest, policy.min_wait) - policy.min_wait)
