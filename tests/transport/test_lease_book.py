from __future__ import annotations

from random import Random

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from support.clock import busiest

from capledger import ConfigurationError, LeaseBook
from capledger._transport.lease_book import RETRY, VALIDITY, block_size, burst_size, check_grace, unknown_for

GRACE = 20.0


@define
class Holder:
    """Uses each place at some moment of its validity; the service counts the request before it is over."""

    random: Random
    counted: list[float]
    settled: dict[int, float] = field(factory=dict)
    unused: list[int] = field(factory=list)
    over: list[tuple[float, int]] = field(factory=list)

    def lease(self, book: LeaseBook, now: float, want: int, *, reply_arrives: bool = True) -> float:
        self.settled |= {number: at for at, number in self.over if at <= now}
        self.over = [(at, number) for at, number in self.over if at > now]
        delay = self.random.uniform(0, 2)
        ages = [(number, now - at) for number, at in self.settled.items()]
        first, count, wait = book.lease(now + delay, want, ages, self.unused)
        if not reply_arrives:
            return wait
        self.settled, self.unused = {}, []
        for number in range(first, first + count):
            self.use(number, start=now + 2 * delay + wait, end=now + VALIDITY)
        return wait

    def use(self, number: int, start: float, end: float) -> None:
        if start >= end or self.random.random() < 0.1:
            self.unused.append(number)
            return
        sent = self.random.choice((start, self.random.uniform(start, end)))
        over = sent + self.random.choice((0.0, self.random.uniform(0, GRACE)))
        self.counted.append(self.random.uniform(sent, over))
        self.over.append((over, number))


@given(
    limit=st.integers(1, 60),
    holders=st.integers(1, 4),
    seed=st.integers(0, 10_000),
    troubles=st.tuples(st.floats(0, 0.2), st.floats(0, 0.2), st.floats(0, 0.02)),
)
def test_the_limit_holds_whatever_dies(
    limit: int, holders: int, seed: int, troubles: tuple[float, float, float]
) -> None:
    """Holders are killed, replies are lost and books are restarted: no minute has more requests than the limit."""
    random, counted, now = Random(seed), list[float](), 0.0
    kills, losses, restarts = troubles
    book = LeaseBook(limit, now, grace=GRACE, closed_for=0)
    holder_of = [Holder(random, counted) for _ in range(holders)]
    while now < 600:
        now += random.uniform(0, 3)
        index = random.randrange(holders)
        if random.random() < kills:
            holder_of[index] = Holder(random, counted)
        if random.random() < restarts:
            book = LeaseBook(limit, now, grace=GRACE)
        now += 4  # the messages of one call are over before the next, so that the book's clock never goes back
        holder_of[index].lease(book, now, random.randint(0, 80), reply_arrives=random.random() >= losses)

    assert busiest(counted) <= limit


def test_places_are_paced_and_a_burst_goes_at_once() -> None:
    """After a rest a second's worth goes at once; then blocks follow evenly, each reserved for its time."""
    book = LeaseBook(600, 0.0, closed_for=0)

    leases = [book.lease(0.0, 100, [], [])[1:] for _ in range(4)]

    assert [count for count, _ in leases] == [10, 5, 5, 5]
    assert [wait for _, wait in leases] == pytest.approx([0.0, 0.5, 1.0, 1.5])


def test_a_place_is_free_a_minute_after_the_report() -> None:
    """The minute begins at the moment that the holder reports as an age, and is over for that place alone."""
    book = LeaseBook(1, 0.0, grace=GRACE, closed_for=0)
    first, count, wait = book.lease(0.0, 1, [], [])

    assert (count, wait) == (1, 0.0)
    assert book.lease(5.0, 1, [], [])[1:] == (0, RETRY)
    assert book.lease(6.0, 1, [(first, 2.0)], []) == pytest.approx((0, 0, 48.05))
    number, count, wait = book.lease(60.0, 1, [], [])
    assert (number, count) == (first + 1, 1)
    assert 60.0 + wait == pytest.approx(64.05)


def test_a_place_without_a_report_is_free_after_validity_grace_and_a_minute() -> None:
    """Of a holder that was killed nothing is assumed but the time limit of its requests."""
    book = LeaseBook(1, 0.0, grace=GRACE, closed_for=0)
    book.lease(0.0, 1, [], [])

    assert book.lease(88.0, 1, [], [])[1] == 0
    _, count, wait = book.lease(99.9, 1, [], [])
    assert count == 1
    assert 99.9 + wait == pytest.approx(VALIDITY + GRACE + 60.05)


def test_an_unused_place_is_free_at_once() -> None:
    """What was not sent was not counted."""
    book = LeaseBook(1, 0.0, closed_for=0)
    first, _, _ = book.lease(0.0, 1, [], [])

    assert book.lease(0.1, 1, [], [first])[1:] == (1, 0.0)


def test_a_report_counts_once() -> None:
    """A report that arrives twice, or after the place was freed, changes nothing."""
    book = LeaseBook(2, 0.0, grace=GRACE, closed_for=0)
    first, _, _ = book.lease(0.0, 1, [], [])
    book.lease(1.0, 0, [(first, 0.0)], [])
    book.lease(30.0, 0, [(first, 0.0)], [first])
    second, _, _ = book.lease(30.0, 1, [], [])
    book.lease(31.0, 0, [(second, 0.0)], [])

    _, _, wait = book.lease(58.0, 1, [], [])

    assert 58.0 + wait == pytest.approx(61.05)


def test_a_new_book_is_closed_until_a_lost_one_cannot_matter() -> None:
    """What a lost book has leased may be counted until validity and grace are over, and holds for a minute."""
    book = LeaseBook(600, 100.0, grace=GRACE)

    assert book.lease(100.0, 1, [], []) == pytest.approx((0, 0, unknown_for(GRACE)))
    assert book.lease(100.0 + unknown_for(GRACE), 1, [], [])[1] == 1


def test_numbers_of_a_lost_book_mean_nothing_to_the_next() -> None:
    """A report to a restarted book about places of the old one frees nothing."""
    old = LeaseBook(1, 0.0, closed_for=0)
    first, _, _ = old.lease(0.0, 1, [], [])
    new = LeaseBook(1, 0.0, closed_for=0)
    number, _, _ = new.lease(0.0, 1, [], [])

    assert number > first
    assert new.lease(0.1, 1, [(first, 0.0)], [first])[1] == 0


@pytest.mark.parametrize(
    ("limit", "block", "burst"), [(1, 1, 1), (10, 1, 1), (60, 2, 2), (100, 4, 4), (600, 5, 10), (1500, 12, 25)]
)
def test_blocks_grow_with_the_limit(limit: int, block: int, burst: int) -> None:
    """A block is half a second's worth, where that is at least four places; a burst is at least a block."""
    assert (block_size(limit), burst_size(limit)) == (block, burst)


@pytest.mark.parametrize("limit", [0, -1, 1.5, "600"])
def test_the_limit_is_checked(limit: object) -> None:
    """A limit is a number of requests."""
    with pytest.raises(ConfigurationError, match="requests_per_minute"):
        LeaseBook(limit, 0.0)  # type: ignore[arg-type]  # what is tested


def test_a_timeout_beyond_the_grace_is_refused() -> None:
    """A request that takes longer than the book assumes could be counted after its place was freed."""
    check_grace(60.0, 60.0)
    with pytest.raises(ConfigurationError, match=r"timeout of 61 s is longer than the 60 s"):
        check_grace(60.0, 61.0)


def test_a_book_can_be_closed() -> None:
    """What others have sent without places counts as taken, and a shorter time does not open a book earlier."""
    book = LeaseBook(60, 0.0, closed_for=0)

    book.close(10.0, 50.0)
    book.close(11.0, 5.0)

    assert book.lease(12.0, 1, [], [])[1:] == (0, 48.0)
    assert book.lease(60.0, 1, [], [])[1] == 1
    assert book.taken_for(60.0) > 60
