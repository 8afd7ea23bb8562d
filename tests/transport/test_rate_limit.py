from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import busiest

from capledger import ConfigurationError
from capledger._transport.pause import RateLimitedStreak
from capledger._transport.rate_limit import (
    AdaptiveRateLimiter,
    FixedRateLimiter,
    RateLimit,
    RateLimiter,
)


class Sender:
    """Sends whenever the limiter allows it, on a clock of its own; responses take the given latencies in turn."""

    def __init__(self, rate_limiter: RateLimiter, latencies: list[float] | None = None) -> None:
        self.rate_limiter = rate_limiter
        self.now = 0.0
        self.sent: list[float] = []
        self._latencies = latencies or [0.0]
        self._answers: list[float] = []

    def send_until(self, end: float) -> None:
        while True:
            self._hear_answers()
            delay = self.rate_limiter.delay(self.now)
            ahead = self.now + max(delay, 0.0)
            next_event = min([ahead, *self._answers]) if delay > 0 else ahead
            if next_event >= end:
                self.now = end
                return
            self.now = next_event
            if delay <= 0:
                self.send()

    def send(self) -> None:
        self.rate_limiter.acquire(self.now)
        self._answers.append(self.now + self._latencies[len(self.sent) % len(self._latencies)])
        self.sent.append(self.now)

    def _hear_answers(self) -> None:
        for response in sorted(response for response in self._answers if response <= self.now):
            self._answers.remove(response)
            self.rate_limiter.complete(response)


@pytest.mark.parametrize(
    "wrong",
    [
        {"requests_per_minute": 0},
        {"requests_per_minute": -1},
        {"requests_per_minute": 1.5},
        {"requests_per_minute": True},
        {"requests_per_minute": "600"},
        {"requests_per_minute": 600, "burst": 0},
        {"requests_per_minute": 600, "burst": 601},
        {"requests_per_minute": 600, "burst": 1.5},
        {"requests_per_minute": 600, "max_wait": -1},
        {"requests_per_minute": 600, "max_wait": "1"},
    ],
)
def test_a_limit_is_checked_when_it_is_made(wrong: dict[str, Any]) -> None:
    """What makes no sense is reported at once."""
    with pytest.raises(ConfigurationError):
        RateLimit(**wrong)


def test_max_wait_may_be_a_timedelta() -> None:
    """Times are seconds or a timedelta."""
    assert RateLimit(600, max_wait=timedelta(minutes=1)) == RateLimit(600, max_wait=60)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(RateLimit(600), 10), (RateLimit(60), 1), (RateLimit(1), 1), (RateLimit(100), 1), (RateLimit(600, burst=25), 25)],
)
def test_a_second_s_worth_goes_at_once_unless_said_otherwise(limit: RateLimit, expected: int) -> None:
    """At the start, and after any rest, no more than the burst goes at once."""
    sender = Sender(FixedRateLimiter(limit))
    sender.send_until(0.0001)
    at_start = len(sender.sent)
    sender.now = 1_000.0

    sender.send_until(1_000.0001)

    assert at_start == expected
    assert len(sender.sent) == 2 * expected


@given(
    limit=st.integers(1, 40),
    latencies=st.lists(st.floats(0, 90), min_size=1, max_size=50),
    counted=st.lists(st.floats(0, 1), min_size=1, max_size=50),
    burst=st.integers(1, 40),
)
def test_the_limit_holds_whenever_the_server_counts(
    limit: int, latencies: list[float], counted: list[float], burst: int
) -> None:
    """However long responses take, and wherever between sending and response the server counts, no minute has more."""
    sender = Sender(FixedRateLimiter(RateLimit(limit, burst=min(burst, limit))), latencies)

    sender.send_until(300.0)

    moments = [
        sent + counted[index % len(counted)] * latencies[index % len(latencies)]
        for index, sent in enumerate(sender.sent)
    ]
    assert busiest(moments) <= limit


@given(limit=st.integers(20, 300), latencies=st.lists(st.floats(0, 1), min_size=5, max_size=50))
def test_the_limit_is_used(limit: int, latencies: list[float]) -> None:
    """With responses within a second, at least 95% of the limit is used over the minutes."""
    sender = Sender(FixedRateLimiter(RateLimit(limit)), latencies)

    sender.send_until(300.0)

    assert len(sender.sent) >= 0.95 * limit * 5


def test_requests_are_spread_over_the_minute() -> None:
    """No second has much more than its share, in the first minute and in those that follow."""
    sender = Sender(FixedRateLimiter(RateLimit(600)), [0.05])

    sender.send_until(300.0)

    assert busiest(sender.sent, 1.0) <= 2 * 10


def test_a_cancelled_place_is_free_again() -> None:
    """A request that was never sent costs nothing."""
    rate_limiter = FixedRateLimiter(RateLimit(1))
    rate_limiter.acquire(5.0)

    rate_limiter.cancel(5.0)

    assert rate_limiter.delay(5.0) == 0


def test_the_delay_of_later_requests_is_predicted() -> None:
    """Who is third in line at one a second waits two seconds longer than the first."""
    rate_limiter = FixedRateLimiter(RateLimit(60))
    rate_limiter.acquire(0.0)

    assert rate_limiter.delay(0.0) == pytest.approx(1.0)
    assert rate_limiter.delay(0.0, 2) == pytest.approx(3.0)
    assert FixedRateLimiter(RateLimit(60)).delay(0.0, 60) >= 60


def test_the_memory_of_a_limiter_is_bounded_by_the_limit() -> None:
    """After hours at full rate it remembers a minute."""
    rate_limiter = FixedRateLimiter(RateLimit(100))

    Sender(rate_limiter).send_until(3_600.0)

    assert len(rate_limiter._expiries) <= 100


def test_without_a_limit_nothing_waits() -> None:
    """Until the first refusal there is nothing to learn from."""
    rate_limiter = AdaptiveRateLimiter()
    for _ in range(10_000):
        rate_limiter.acquire(0.0)

    assert rate_limiter.delay(0.0) == 0


def test_an_http_429_sets_a_rate_below_what_succeeded() -> None:
    """After 600 in a minute and an HTTP 429 it goes on below 600 a minute, one by one."""
    sender = Sender(AdaptiveRateLimiter())
    for second in range(60):
        sender.now = float(second)
        for _ in range(10):
            sender.send()
    sender.send()

    sender.rate_limiter.rate_limited(sender.now)
    before = len(sender.sent)
    sender.send_until(sender.now + 60)

    assert 0.85 * 600 <= len(sender.sent) - before < 600
    assert busiest(sender.sent[before:], 0.1) == 1


def test_http_429_that_come_together_count_once() -> None:
    """Eight refused at once do not cut the rate eight times."""
    one, eight = AdaptiveRateLimiter(), AdaptiveRateLimiter()
    for rate_limiter in (one, eight):
        for _ in range(1_000):
            rate_limiter.acquire(0.0)

    one.rate_limited(1.0)
    for _ in range(8):
        eight.rate_limited(1.0)

    assert eight.rate(1.0) == one.rate(1.0) == pytest.approx(0.9 * 999)


def test_the_learned_rate_increases_by_addition_and_decreases_by_multiplication() -> None:
    """A tenth of the decreased rate for each minute; a later HTTP 429 takes a tenth off what was reached."""
    rate_limiter = AdaptiveRateLimiter()
    for _ in range(1_000):
        rate_limiter.acquire(0.0)
    rate_limiter.rate_limited(0.0)
    learned = rate_limiter.rate(0.0)

    assert rate_limiter.rate(60.0) == pytest.approx(1.1 * learned)
    assert rate_limiter.rate(600.0) == pytest.approx(2 * learned)

    rate_limiter.rate_limited(600.0)
    assert rate_limiter.rate(600.0) == pytest.approx(0.9 * 2 * learned)


def test_a_learned_rate_has_a_minimum() -> None:
    """An HTTP 429 of the first request of all still leaves one a second."""
    rate_limiter = AdaptiveRateLimiter()
    rate_limiter.acquire(0.0)

    rate_limiter.rate_limited(0.0)

    assert rate_limiter.rate(0.0) == 60


def test_what_was_sent_in_the_last_minute_is_counted_in_bounded_memory() -> None:
    """Hours without an HTTP 429 leave a minute of counts."""
    rate_limiter = AdaptiveRateLimiter()
    for second in range(10_000):
        rate_limiter.acquire(float(second))

    assert len(rate_limiter._succeeded._seconds) <= 62


def test_an_isolated_http_429_sets_no_limit() -> None:
    """One refusal now and then is obeyed with a pause, and is no limit."""
    rate_limiter = AdaptiveRateLimiter()
    for second in range(600):
        rate_limiter.acquire(float(second))
        if second % 15 == 0:
            rate_limiter.rate_limited(float(second), "isolated")

    assert rate_limiter.delay(600.0) == 0


def test_where_some_requests_succeed_the_last_seconds_set_the_rate() -> None:
    """A service that lets ten a second through and refuses the rest is asked for nine a second, burst or no burst."""
    rate_limiter = AdaptiveRateLimiter()
    for _ in range(600):
        rate_limiter.acquire(0.0)
    for tenth in range(100, 200):
        rate_limiter.acquire(tenth / 10)

    rate_limiter.rate_limited(20.0, "frequent")

    assert rate_limiter.rate(20.0) == pytest.approx(0.9 * 600, rel=0.05)


def test_a_learned_rate_that_is_too_high_is_noticed() -> None:
    """When a tenth of a minute's requests is refused, less is asked for, though each refusal might be an accident."""
    rate_limiter = AdaptiveRateLimiter()
    for _ in range(1_000):
        rate_limiter.acquire(0.0)
    rate_limiter.rate_limited(0.0)
    learned = rate_limiter.rate(0.0)

    for tenth in range(600, 1_200):
        rate_limiter.acquire(tenth / 10)
        if tenth % 9 == 0:
            rate_limiter.rate_limited(tenth / 10, "isolated")

    assert rate_limiter.rate(120.0) < learned


def test_a_streak_lasts_until_another_response() -> None:
    """Those of requests sent before the pause are not counted again, and what got through from then says nothing."""
    streak = RateLimitedStreak()

    assert streak.record(1.0, sent=0.5) == 1
    streak.pause_until(2.0)
    assert streak.record(1.1, sent=0.6) == 1
    assert streak.record(2.5, sent=1.5) == 1
    assert not streak.end(sent=1.9)
    assert streak.record(2.6, sent=2.5) == 2
    assert streak.end(sent=2.7)
    assert streak.record(3.0, sent=2.9) == 1


def test_a_streak_ends_after_a_minute_without_responses() -> None:
    """An HTTP 429 an hour later has nothing to do with the last one."""
    streak = RateLimitedStreak()
    streak.record(0.0, sent=0.0)
    streak.pause_until(5.0)

    assert streak.record(3_600.0, sent=3_600.0) == 1
    assert streak.severity() == "isolated"


@pytest.mark.parametrize(("until", "severity"), [(0.1, "isolated"), (9.0, "isolated"), (11.0, "stalled")])
def test_a_long_pause_is_stalled(until: float, severity: str) -> None:
    """More than ten seconds with nothing through are no accident."""
    streak = RateLimitedStreak()
    streak.record(0.0, sent=0.0)
    streak.pause_until(until)

    assert streak.severity() == severity


def test_frequent_http_429_are_reported_once() -> None:
    """Fifteen of the last fifty show a limit; fifteen others have to come before that is said again."""
    streak = RateLimitedStreak()
    severities = []
    for number in range(40):
        streak.record(float(number), sent=float(number))
        severities.append(streak.severity())
        streak.end(sent=float(number))

    assert [number for number, severity in enumerate(severities) if severity == "frequent"] == [14, 29]


def test_random_failures_of_three_in_ten_are_no_limit() -> None:
    """Of ten kinds of faults two are HTTP 429 responses: in a hundred thousand responses they are never called many."""
    random, streak = Random(1), RateLimitedStreak()
    for number in range(100_000):
        if random.random() < 0.3 * 2 / 9:
            streak.record(float(number), sent=float(number))
            assert streak.severity() == "isolated"
        else:
            streak.end(sent=float(number))
