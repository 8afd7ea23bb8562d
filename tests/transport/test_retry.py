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
    EventNotFoundError,
    LedgerUnavailableError,
    PermissionDeniedError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
)
from capledger._sansio.response import Response
from capledger._transport.retry import (
    Failure,
    RetryBudget,
    RetryPolicy,
    is_exhausted,
    is_retryable,
    rate_limit_pause,
    wait_before_retry,
)
from capledger.errors import AnswerTooLargeError

NOW = datetime(2026, 1, 5, 12, 0, 0, tzinfo=UTC)


def failure(error: CapledgerError, status: int | None = None, **headers: str) -> Failure:
    """Headers are given with underscores for dashes."""
    if status is None:
        return Failure(error)
    return Failure(error, Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, b""))


def decide(given_failure: Failure, *, attempt: int = 1, policy: RetryPolicy | None = None, random: float = 0.5) -> Any:
    return wait_before_retry(
        given_failure, attempt=attempt, policy=policy or RetryPolicy(), now=NOW, random=lambda: random
    )


def pause(refusal: Failure, in_a_row: int = 1, **policy: Any) -> float:
    return rate_limit_pause(refusal, in_a_row=in_a_row, policy=RetryPolicy(**policy), now=NOW)


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (ConnectionFailedError("reset"), None, True),
        (RequestTimeoutError("slow"), None, True),
        (RateLimitedError("slow down"), 429, True),
        (RateLimitedError("slow down"), 200, True),
        *((ServerError("failed", status), status, True) for status in (500, 502, 503, 504, 520, 521)),
        *((ServerError("failed", status), status, True) for status in (408, 425, 460, 522, 523, 524, 525, 529, 530)),
        (ServerError("busy", 461), 461, True),
        (ApiError("busy", 1, 461), 461, True),
        (LedgerUnavailableError("failed", 9003, 500), 500, True),
        *(
            (LedgerUnavailableError(f"Error fetching points ledger data : {reason}", 9003, status), status, True)
            for reason in ("Read timed out", "call failed", "getExplodeLedgerInfo failed and fallback failed")
            for status in (200, 400)
        ),
        (EventNotFoundError("Event detail fetch failed for event log id 7", 11016, 400), 400, True),
        (EventNotFoundError("Event detail not found for event log id 7", 11016, 400), 400, False),
        (CustomerNotFoundError("lookup failed", 8015, 400), 400, False),
        (ServerError("Authorization status unavailable!", 400, 4001), 400, True),
        (ApiError("new", 987654, 501), 501, True),
        (ApiError("new", 987654, 599), 599, True),
        (ApiError("new", 987654, 400), 400, False),
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
def test_transient_failures_are_retryable(error: CapledgerError, status: int | None, *, expected: bool) -> None:
    """What may pass by itself is retried, and a response of the API's is not."""
    assert is_retryable(failure(error, status), RetryPolicy()) is expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": "0"}, 0.0),
        ({"Retry_After": "120"}, 120.0),
        ({"Retry_After": "99999999999999999999999999"}, 999_999_999.0),
        ({"Retry_After": "Mon, 05 Jan 2026 12:00:30 GMT"}, 30.0),
        ({"Retry_After": "Mon, 05 Jan 2026 11:59:30 GMT"}, 0.0),
        ({"Retry_After": "Mon, 05 Jan 2026 13:00:00 GMT"}, 3_600.0),
        ({"Retry_After": "Mon, 05 Jan 2026 13:00:09 GMT", "Date": "Mon, 05 Jan 2026 13:00:00 GMT"}, 9.0),
        ({"Retry_After": "5.0"}, 5.0),
        ({"Retry_After": "0.25"}, 0.25),
        ({"Retry_After": "soon"}, 0.1),
        ({"Retry_After": "1e3"}, 0.1),
        ({"Retry_After": "-3"}, 0.1),
        ({"Retry_After": ""}, 0.1),
        ({}, 0.1),
    ],
)
def test_retry_after_is_the_pause(headers: dict[str, str], expected: float) -> None:
    """Seconds and dates are obeyed; what cannot be read counts as not given."""
    assert pause(failure(RateLimitedError("slow down"), 429, **headers)) == expected


@pytest.mark.parametrize(
    ("stated", "expected"),
    [("0", [0, 0.7, 4.9, 30, 30]), ("1", [1, 1, 4.9, 30, 30]), ("60", [60] * 5)],
)
def test_a_stated_wait_that_proves_too_short_is_lengthened(stated: str, expected: list[float]) -> None:
    """The service is believed once; afterwards the longer of its wait and ours is waited."""
    refusal = failure(RateLimitedError("slow down"), 429, Retry_After=stated)

    assert [pause(refusal, number) for number in range(1, 6)] == pytest.approx(expected)


def test_other_responses_may_state_a_wait_as_well() -> None:
    """A failing service's Retry-After is obeyed, with a little jitter since only the limiter's pauses are paced."""
    stated = failure(ServerError("failed", 503), 503, Retry_After="7")

    assert decide(stated, random=0.0) == 7.0
    assert decide(stated, random=1.0) == 7.05
    assert decide(failure(ServerError("failed", 503), 503, Retry_After="121")) is None


def test_pauses_without_a_stated_wait_are_longer_than_a_minute_together() -> None:
    """Limits go by the minute: five pauses of the usual policy outlast one."""
    refusal = failure(RateLimitedError("slow down"), 429)

    pauses = [pause(refusal, number) for number in range(1, 6)]

    assert pauses == pytest.approx([0.1, 0.7, 4.9, 30, 30])
    assert sum(pauses) > 60


@given(
    attempt=st.integers(1, 5),
    random=st.floats(0, 1),
    least=st.floats(0, 10),
    more=st.floats(0, 100),
)
def test_the_backoff_stays_within_the_policy(attempt: int, random: float, least: float, more: float) -> None:
    """Any wait of our own lies between the shortest and the longest, and below what grows with each attempt."""
    policy = RetryPolicy(min_wait=least, max_wait=least + more)

    wait = decide(failure(ConnectionFailedError("reset")), attempt=attempt, policy=policy, random=random)

    assert least <= wait <= min(policy.max_wait, max(least, 2 * least * 3 ** (attempt - 1))) * (1 + 1e-9)


@pytest.mark.parametrize(
    ("attempt", "repeats", "attempts", "expected"),
    [
        (1, 1, 1, True),
        (5, 5, 6, False),
        (6, 6, 6, True),
        (6, 5, 6, False),
        (11, 6, 6, True),
        (17, 1, 6, False),
        (18, 1, 6, True),
        (3, 1, 1, True),
    ],
)
def test_attempts_are_counted_by_kind(attempt: int, repeats: int, attempts: int, *, expected: bool) -> None:
    """As many failures repeats as allowed are the end, and so are three times as many of all kinds."""
    assert is_exhausted(attempt, repeats, RetryPolicy(attempts=attempts)) is expected


def test_three_requests_in_ten_may_fail_in_ten_ways() -> None:
    """Ten thousand requests of a service that stumbles all succeed, but for one time in a hundred and more."""
    kinds = {"500": 1, "502": 1, "503": 1, "521": 1, "429": 2, "no response": 2, "HTML": 1}
    shares = [0.3 * number / sum(kinds.values()) for number in kinds.values()]

    repeats = sum(share**6 * (1 - share) / (1 - sum(shares)) for share in shares)
    in_all = sum(shares) ** 18

    assert 10_000 * (repeats + in_all) < 1 / 200
    assert 10_000 * sum(shares) ** 6 > 7


def test_a_policy_with_thousands_of_attempts_does_not_overflow() -> None:
    """The growth stops at the longest wait."""
    policy = RetryPolicy(attempts=1_000_000)

    assert decide(failure(ConnectionFailedError("reset")), attempt=99_999, policy=policy, random=1.0) == 30.0
    assert pause(failure(RateLimitedError("slow down"), 429), 99_999) == 30.0


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
        {"statuses": 503},
        {"statuses": ["503"]},
        {"codes": [True]},
        {"codes": None},
    ],
)
def test_a_policy_is_checked_when_it_is_made(wrong: dict[str, Any]) -> None:
    """What makes no sense is reported at once."""
    with pytest.raises(ConfigurationError):
        RetryPolicy(**wrong)


def test_an_outage_spends_the_reserve_only() -> None:
    """Without successes the session asks again as often as its reserve allows."""
    budget = RetryBudget(RetryPolicy(budget=10))

    assert [budget.spend() for _ in range(12)] == [True] * 10 + [False] * 2


@pytest.mark.parametrize(("share", "always_allowed"), [(0.3, True), (0.7, False)])
def test_single_faults_never_exhaust_the_budget(share: float, *, always_allowed: bool) -> None:
    """When three requests in ten fail the budget stays full; when seven do, it ends."""
    budget = RetryBudget(RetryPolicy())
    allowed = True

    for number in range(10_000):
        if number % 10 < share * 10:
            allowed = budget.spend() and allowed
        else:
            budget.earn()

    assert allowed is always_allowed


def test_statuses_and_codes_of_a_policy_replace_the_defaults_or_add_to_them() -> None:
    """A status or a code is retried because the policy says so, and not where it says otherwise."""
    teapot, known = failure(ServerError("teapot", 418), 418), failure(CustomerNotFoundError("unknown", 8015, 400), 400)

    assert is_retryable(teapot, RetryPolicy(statuses=RetryPolicy().statuses | {418}))
    assert not is_retryable(failure(ServerError("failed", 503), 503), RetryPolicy(statuses=[418]))
    assert is_retryable(known, RetryPolicy(codes={8015}))
    assert RetryPolicy(statuses=[503, 502]).statuses == {502, 503}
