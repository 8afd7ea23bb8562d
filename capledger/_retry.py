"""Whether to ask again, and after how long: pure decisions. Who waits, and where, is the transport's affair.

Written out rather than taken from tenacity or stamina: those wait around a callable, while here the wait is read from
the answer, is spent without the connection slot, and after a 429 belongs to the whole session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from attrs import field, frozen

from capledger._clock import to_optional_seconds, to_seconds
from capledger.errors import (
    AnswerTooLargeError,
    CapledgerError,
    ConfigurationError,
    ConnectionFailedError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
)

#: Statuses after which the same request may well succeed; 461, 520 and 521 are of api-facts 2 and 3.1.
RETRIED_STATUSES = frozenset({429, 461, 500, 502, 503, 504, 520, 521})


@frozen(kw_only=True)
class RetryPolicy:
    """How often and how patiently a session asks again. Times are seconds or a ``timedelta``.

    Raises:
        ConfigurationError: a value is out of its range.
    """

    #: Requests for one answer, the first included; 1 means no retries.
    attempts: int = 6
    #: The shortest wait before asking again. The longest doubles with each attempt, up to ``max_wait``.
    min_wait: float = field(default=0.25, converter=to_seconds)
    #: The longest wait that is our own choice.
    max_wait: float = field(default=20.0, converter=to_seconds)
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
        _in_range(self.attempts >= 1, "attempts must be at least 1")
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
    #: None where there was no answer at all.
    status: int | None = None
    headers: Mapping[str, str] = field(factory=dict, repr=False)

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
    not_of_the_api = isinstance(error, ServerError) and (status is None or status < HTTPStatus.MULTIPLE_CHOICES)
    return not_of_the_api or status in RETRIED_STATUSES


def wait_before_retry(
    failure: Failure, *, attempt: int, policy: RetryPolicy, now: datetime, random: Callable[[], float]
) -> float | None:
    """Return the seconds to wait before asking again, or None to give up.

    Args:
        failure: what became of the attempt.
        attempt: its number, from 1.
        policy: the limits.
        now: the time of day, aware, to read a ``Retry-After`` date by.
        random: gives numbers from 0 to 1.
    """
    if attempt >= policy.attempts or not is_retryable(failure):
        return None
    if failure.refused_for_rate:
        pause = pause_after_refusal(failure, attempt=attempt, policy=policy, now=now)
        return pause if pause <= policy.max_retry_after else None
    stated = retry_after(failure.headers, now)
    if stated is None:
        return _backoff(attempt, policy, random())
    return stated + policy.min_wait * random() if stated <= policy.max_retry_after else None


def pause_after_refusal(failure: Failure, *, attempt: int, policy: RetryPolicy, now: datetime) -> float:
    """Return the seconds in which nobody should ask: as the service says, or else our own choice.

    That is a quarter, a half, then the whole of the longest wait; with the usual policy together more than the minute
    that limits go by. There is no jitter, since the session's gate lets its requests go one by one afterwards.
    """
    stated = retry_after(failure.headers, now)
    return min(policy.max_wait, policy.max_wait / 4 * 2.0 ** min(attempt - 1, 60)) if stated is None else stated


def _backoff(attempt: int, policy: RetryPolicy, random: float) -> float:
    """Full jitter: anything from the shortest wait to one that doubles with each attempt."""
    longest = min(policy.max_wait, policy.min_wait * 2.0 ** min(attempt, 60))
    return policy.min_wait + random * (longest - policy.min_wait)


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, given as seconds or as an HTTP date; None if it is not there.

    A date is compared with the answer's own ``Date`` where there is one, so that a wrong clock here does no harm.
    """
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value[:_LONGEST_NUMBER])
    until = _http_date(value)
    if until is None:
        return None
    return max(0.0, (until - (_http_date(headers.get("Date", "")) or now)).total_seconds())


#: Digits of a number of seconds that are looked at: far beyond any policy, and no overflow.
_LONGEST_NUMBER = 18


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
