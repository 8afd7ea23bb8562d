"""Whether to retry and after how long: pure decisions; :mod:`~capledger._transport.client` does the waiting.

Written out rather than taken from tenacity or stamina: those wait around a callable, while here the wait is read from
the response, is spent without a slot, and after HTTP 429 applies to the whole session.
"""

from __future__ import annotations

import re
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from capledger._sansio.api_errors import WRONG_URL
from capledger._sansio.response import Response
from capledger._transport.arguments import as_int, to_optional_seconds, to_positive_int, to_seconds
from capledger.errors import (
    ERROR_CLASSES,
    AnswerTooLargeError,
    ApiError,
    AuthenticationError,
    CapledgerError,
    ConfigurationError,
    ConnectionFailedError,
    PermissionDeniedError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

#: Statuses of a failure that passes: of the service, a proxy, a load balancer (460, 52x) or the rate limit. The
#: vendor's error-code pages have 461, 520 and 521.
_STATUSES = frozenset({408, 425, 429, 460, 461, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 529, 530})
#: "Authorization status unavailable".
_CODES = frozenset({4001})
#: Codes that stand for a failure of the service or for bad input, and the messages of the former.
_AMBIGUOUS_CODES = frozenset({9003, 9004, 11015, 11016})
_TRANSIENT_MESSAGE = re.compile(r"time[ds]?[ -]?out|failed|failure|unavailable|try again|temporar", re.IGNORECASE)

#: Number of responses without any other that show that base_url is wrong.
_MAX_WRONG_URL = 20

#: A request that fails in changing ways has this many times ``RetryPolicy.attempts`` in all.
_TOTAL_ATTEMPTS_FACTOR = 3
#: Factor from one wait to the next, and from one pause after HTTP 429 to the next.
_WAIT_GROWTH, _PAUSE_GROWTH = 3.0, 7.0


def _to_numbers(values: Iterable[int]) -> frozenset[int]:
    with suppress(TypeError):
        numbers = frozenset(values)
        if all(type(number) is int for number in numbers):
            return numbers
    raise ConfigurationError("statuses and codes must be collections of integers, such as {503}")


@frozen(kw_only=True)
class RetryPolicy:
    """How often a session retries, and how long it waits. Times are seconds or a ``timedelta``.

    A request fails after ``attempts`` failures of one kind in a row: the same status, or a lost connection, or a
    time-out. Where the kind of failure changes, the service is unreliable rather than down, and the request fails
    after three times as many attempts in all. Where three requests in ten fail in ten ways, two or three in ten million
    fail for good like that; seven in ten thousand would if any six failures were the end.

    HTTP 429 is counted in a row over the whole session, until another response comes.

    Raises:
        ConfigurationError: a value is out of its range.
    """

    attempts: int = field(default=6, converter=as_int)
    """Maximum number of attempts that fail in the same way, the first included; 1 means no retries."""
    min_wait: float = field(default=0.05, converter=to_seconds)
    """The shortest wait before a retry, in seconds. The longest is twice that at first and three times as long with
    each attempt, up to ``max_wait``: short for what is over at once, about half a minute in all for a restart."""
    max_wait: float = field(default=30.0, converter=to_seconds)
    """The longest wait in seconds that the service did not state."""
    max_retry_after: float = field(default=120.0, converter=to_seconds)
    """The longest ``Retry-After`` in seconds that is obeyed; a longer one is an error at once."""
    deadline: float | None = field(default=None, converter=to_optional_seconds)
    """Maximum time in seconds for a whole walk, from its first request; None for no maximum."""
    budget: int = field(default=100, converter=as_int)
    """Number of retries that the session may spend beyond ``budget_share`` of its successes, so that retries do not
    make an outage worse."""
    budget_share: float = 1.0
    """Number of retries earned by each success, up to ``budget``. At 1.0 half of all requests may fail for good."""
    statuses: frozenset[int] = field(default=_STATUSES, converter=_to_numbers)
    """HTTP statuses that are retried; ``RetryPolicy().statuses | {418}`` adds one."""
    codes: frozenset[int] = field(default=_CODES, converter=_to_numbers)
    """Codes of the API that are retried whatever the HTTP status and message. Unknown codes with HTTP 5xx are retried
    too, and 9003, 9004, 11015 and 11016 where their message says that the service failed or timed out."""

    def __attrs_post_init__(self) -> None:
        to_positive_int("attempts", self.attempts)
        _require(self.deadline != 0, "deadline must be longer than zero")
        _require(self.min_wait <= self.max_wait, "min_wait must not be longer than max_wait")
        amounts = _is_amount(self.budget) and _is_amount(self.budget_share)
        _require(amounts, "budget and budget_share must be numbers, 0 or more")


def _is_amount(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _require(condition: bool, message: str) -> None:  # noqa: FBT001 - a condition, not an option
    if not condition:
        raise ConfigurationError(message)


class RetryBudget:
    """Retries that the whole session may still spend: a reserve, spent by retries and earned back by successes."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._max = float(policy.budget)
        self._share = policy.budget_share
        self._left = self._max

    def earn(self) -> None:
        """Record a success."""
        if self._left < self._max:
            self._left = min(self._max, self._left + self._share)

    def spend(self) -> bool:
        """Spend one retry; return False where none is left."""
        if self._left < 1:
            return False
        self._left -= 1
        return True


class StaleConnectionError(ConnectionFailedError):
    """A connection that had served a request was reset before any byte of a response; not raised to callers."""


@frozen
class Failure:
    """The outcome of an attempt that failed."""

    error: CapledgerError
    response: Response | None = None
    """None where no complete response came."""

    @property
    def status(self) -> int | None:
        """HTTP status, None without a response."""
        return None if self.response is None else self.response.status

    def retry_after(self, now: datetime) -> float | None:
        """Return the seconds that the response states in ``Retry-After``, None without one."""
        return None if self.response is None else self.response.retry_after(now)

    @property
    def kind(self) -> tuple[str, int | None]:
        """What failures of the same kind have in common."""
        return type(self.error).__name__, self.status

    @property
    def is_success(self) -> bool:
        """Whether the HTTP status is 2xx all the same."""
        return self.response is not None and self.response.is_success

    @property
    def is_rate_limited(self) -> bool:
        """Whether the service refused for the rate (HTTP 429), which concerns the whole session."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS or isinstance(self.error, RateLimitedError)


def is_retryable(failure: Failure, policy: RetryPolicy) -> bool:
    """Return whether the same request may well succeed later."""
    error, status = failure.error, failure.status
    if isinstance(error, AnswerTooLargeError):
        return False
    if isinstance(error, ConnectionFailedError | RequestTimeoutError) or failure.is_rate_limited:
        return True
    if status in policy.statuses or getattr(error, "code", None) in policy.codes:
        return True
    if isinstance(error, ServerError):
        return error.code in policy.statuses or failure.is_success
    return isinstance(error, ApiError) and _is_transient(error)


def _is_transient(error: ApiError) -> bool:
    """Return whether a code of the API stands for a failure of the service, not for the request."""
    if error.code not in ERROR_CLASSES:
        return (error.status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR
    return error.code in _AMBIGUOUS_CODES and bool(_TRANSIENT_MESSAGE.search(error.message))


@define
class UrlCheck:
    """Whether a session's base_url is wrong: every response so far, of several, says so.

    A single HTTP 404 without an error of the API is a proxy's failure, and concerns one request alone.
    """

    passed: bool = False
    """Set when the service answered at all."""
    _failures: int = 0

    def error(self, error: CapledgerError, status: int) -> CapledgerError:
        """Return the error of a response, or a ConfigurationError where base_url is wrong."""
        if self.passed or not isinstance(error, ServerError) or status not in WRONG_URL:
            self.passed = self.passed or isinstance(error, ApiError | AuthenticationError | PermissionDeniedError)
            return error
        self._failures += 1
        return error if self._failures < _MAX_WRONG_URL else ConfigurationError(error.message)


def is_exhausted(attempt: int, repeats: int, policy: RetryPolicy) -> bool:
    """Return whether a request has had all its attempts, of which the last *repeats* failed in the same way."""
    return repeats >= policy.attempts or attempt >= policy.attempts * _TOTAL_ATTEMPTS_FACTOR


def wait_before_retry(
    failure: Failure, *, attempt: int, policy: RetryPolicy, now: datetime, random: Callable[[], float]
) -> float | None:
    """Return the seconds to wait before the retry, None for no retry; not for HTTP 429.

    Args:
        failure: outcome of the attempt.
        attempt: number of the attempt, from 1.
        policy: limits of retries and waits.
        now: current date and time, aware, for ``Retry-After`` dates.
        random: returns numbers from 0 to 1.
    """
    if not is_retryable(failure, policy):
        return None
    stated = failure.retry_after(now)
    if stated is None:
        return _backoff(attempt, policy, random())
    return stated + policy.min_wait * random() if stated <= policy.max_retry_after else None


def rate_limit_pause(failure: Failure, *, in_a_row: int, policy: RetryPolicy, now: datetime) -> float:
    """Return the seconds for which the session sends nothing after HTTP 429, as the service states or else our own.

    Our own pause is a tenth of a second at first, since a single 429 says little, and seven times as long with each
    one in a row: five pauses of the default policy are more than the minute that rate limits go by. What the service
    states is obeyed to the letter once; where it proves too short, the longer of both is used. There is no jitter,
    since the session's limiter sends requests one by one afterwards.
    """
    stated = failure.retry_after(now)
    if stated is not None and in_a_row == 1:
        return stated
    own = min(policy.max_wait, 2.0 * policy.min_wait * _PAUSE_GROWTH ** min(in_a_row - 1, 60))
    return max(own, stated or 0.0)


def _backoff(attempt: int, policy: RetryPolicy, random: float) -> float:
    """Return a wait with full jitter: between the shortest one and one that grows with each attempt."""
    longest = min(policy.max_wait, 2.0 * policy.min_wait * _WAIT_GROWTH ** min(attempt - 1, 60))
    return policy.min_wait + random * (max(longest, policy.min_wait) - policy.min_wait)
