from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capledger import (
    ApiError,
    AuthenticationError,
    CapledgerError,
    ConfigurationError,
    ConnectionFailedError,
    CustomerNotFoundError,
    DecodeError,
    LedgerUnavailableError,
    PermissionDeniedError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
)
from capledger._answer import Answer
from capledger._retry import Failure, RetryBudget, RetryPolicy, is_retryable, pause_after_refusal, wait_before_retry
from capledger.errors import AnswerTooLargeError

NOW = datetime(2026, 1, 5, 12, 0, 0, tzinfo=UTC)


def failure(error: CapledgerError, status: int | None = None, **headers: str) -> Failure:
    """Headers are given with underscores for dashes."""
    if status is None:
        return Failure(error)
    return Failure(error, Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, b""))


def decide(given_failure: Failure, *, attempt: int = 1, policy: RetryPolicy | None = None, random: float = 0.5) -> Any:
    return wait_before_retry(
        given_failure, attempt=attempt, policy=policy or RetryPolicy(), now=NOW, random=lambda: random
    )


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (ConnectionFailedError("reset"), None, True),
        (RequestTimeoutError("slow"), None, True),
        (RateLimitedError("slow down"), 429, True),
        (RateLimitedError("slow down"), 200, True),
        *((ServerError("failed", status), status, True) for status in (500, 502, 503, 504, 520, 521)),
        (ServerError("busy", 461), 461, True),
        (ApiError("busy", 1, 461), 461, True),
        (LedgerUnavailableError("failed", 9003, 500), 500, True),
        (ServerError("not JSON", 200), 200, True),
        (ServerError("told by the gateway", 400, 503), 400, True),
        (ServerError("a redirect", 302), 302, False),
        (ServerError("not JSON", 404), 404, False),
        (ServerError("not implemented", 501), 501, False),
        (AnswerTooLargeError("200 MB"), None, False),
        (DecodeError("another shape"), 200, False),
        (CustomerNotFoundError("unknown", 8015, 400), 400, False),
        (LedgerUnavailableError("bad input", 9003, 400), 400, False),
        (AuthenticationError("refused", 401), 401, False),
        (PermissionDeniedError("refused", 403), 403, False),
    ],
)
def test_what_is_asked_again(error: CapledgerError, status: int | None, *, expected: bool) -> None:
    """What may pass by itself is asked again, and an answer of the API's is not."""
    assert is_retryable(failure(error, status)) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": "0"}, 0.0),
        ({"Retry_After": "120"}, 120.0),
        ({"Retry_After": "121"}, None),
        ({"Retry_After": "99999999999999999999999999"}, None),
        ({"Retry_After": "Mon, 05 Jan 2026 12:00:30 GMT"}, 30.0),
        ({"Retry_After": "Mon, 05 Jan 2026 11:59:30 GMT"}, 0.0),
        ({"Retry_After": "Mon, 05 Jan 2026 13:00:00 GMT"}, None),
        ({"Retry_After": "Mon, 05 Jan 2026 13:00:09 GMT", "Date": "Mon, 05 Jan 2026 13:00:00 GMT"}, 9.0),
        ({"Retry_After": "soon"}, 5.0),
        ({"Retry_After": "-3"}, 5.0),
        ({"Retry_After": ""}, 5.0),
        ({}, 5.0),
    ],
)
def test_retry_after_is_obeyed_or_refused(headers: dict[str, str], expected: float | None) -> None:
    """Seconds and dates are obeyed up to the policy's longest; what cannot be read counts as not given."""
    assert decide(failure(RateLimitedError("slow down"), 429, **headers)) == expected


def test_other_answers_may_state_a_wait_as_well() -> None:
    """A failing service's Retry-After is obeyed, with a little jitter since only the gate's pauses are paced."""
    stated = failure(ServerError("failed", 503), 503, Retry_After="7")

    assert decide(stated, random=0.0) == 7.0
    assert decide(stated, random=1.0) == 7.25
    assert decide(failure(ServerError("failed", 503), 503, Retry_After="121")) is None


def test_pauses_without_a_stated_wait_are_longer_than_a_minute_together() -> None:
    """Limits go by the minute: five pauses of the usual policy outlast one."""
    refusal = failure(RateLimitedError("slow down"), 429)

    pauses = [pause_after_refusal(refusal, attempt=attempt, policy=RetryPolicy(), now=NOW) for attempt in range(1, 6)]

    assert pauses == [5, 10, 20, 20, 20]


@given(
    attempt=st.integers(1, 5),
    random=st.floats(0, 1),
    least=st.floats(0, 10),
    more=st.floats(0, 100),
)
def test_the_backoff_stays_within_the_policy(attempt: int, random: float, least: float, more: float) -> None:
    """Any wait of our own lies between the shortest and the longest, and below the doubling."""
    policy = RetryPolicy(min_wait=least, max_wait=least + more)

    wait = decide(failure(ConnectionFailedError("reset")), attempt=attempt, policy=policy, random=random)

    assert least <= wait <= min(policy.max_wait, least * 2**attempt) * (1 + 1e-9)


@pytest.mark.parametrize(("attempt", "attempts"), [(6, 6), (1, 1), (7, 6)])
def test_the_last_attempt_is_the_last(attempt: int, attempts: int) -> None:
    """After as many attempts as allowed nothing is asked again."""
    assert (
        decide(failure(ConnectionFailedError("reset")), attempt=attempt, policy=RetryPolicy(attempts=attempts)) is None
    )


def test_a_policy_with_thousands_of_attempts_does_not_overflow() -> None:
    """The doubling stops at the longest wait."""
    policy = RetryPolicy(attempts=1_000_000)

    assert decide(failure(ConnectionFailedError("reset")), attempt=99_999, policy=policy, random=1.0) == 20.0
    assert decide(failure(RateLimitedError("slow down"), 429), attempt=99_999, policy=policy) == 20.0


def test_times_may_be_timedeltas() -> None:
    """Every time of a policy is seconds or a timedelta."""
    policy = RetryPolicy(
        min_wait=timedelta(milliseconds=100),
        max_wait=timedelta(seconds=5),
        max_retry_after=timedelta(minutes=1),
        deadline=timedelta(hours=1),
    )

    assert policy == RetryPolicy(min_wait=0.1, max_wait=5, max_retry_after=60, deadline=3600)


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"attempts": 2.5},
        {"attempts": True},
        {"min_wait": -1},
        {"min_wait": "1"},
        {"min_wait": 5, "max_wait": 1},
        {"max_wait": float("inf")},
        {"max_wait": float("nan")},
        {"max_retry_after": timedelta(seconds=-1)},
        {"deadline": -1},
        {"deadline": 0},
        {"budget": -1},
        {"budget_share": -0.5},
    ],
)
def test_a_policy_is_checked_when_it_is_made(wrong: dict[str, Any]) -> None:
    """What makes no sense is told at once."""
    with pytest.raises(ConfigurationError):
        RetryPolicy(**wrong)


def test_an_outage_spends_the_reserve_and_no_more() -> None:
    """Without successes the session asks again as often as its reserve allows."""
    budget = RetryBudget(RetryPolicy(budget=10))

    assert [budget.spend() for _ in range(12)] == [True] * 10 + [False] * 2


@pytest.mark.parametrize(("share", "always_allowed"), [(0.3, True), (0.7, False)])
def test_single_faults_never_use_the_budget_up(share: float, *, always_allowed: bool) -> None:
    """When three requests in ten fail the budget stays full; when seven do, it ends."""
    budget = RetryBudget(RetryPolicy())
    allowed = True

    for number in range(10_000):
        if number % 10 < share * 10:
            allowed = budget.spend() and allowed
        else:
            budget.earn()

    assert allowed is always_allowed
