"""A pool draws items one at a time, no faster than results are taken, and returns every result once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import run

from capledger.many.pool import WorkerPool

if TYPE_CHECKING:
    from typing import Self

    from capledger.many.pool import HandOver

TIMES = st.sampled_from([0.0, 0.0, 1.0, 2.5])


class Source:
    """Items that take a time each to be drawn, and an end or an error; fails if it is drawn from twice at a time."""

    def __init__(self, delays: list[float], *, fails: bool) -> None:
        self.delays = delays
        self.fails = fails
        self.drawn = 0
        self.under_way = self.over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        assert not self.under_way
        assert not self.over, "drawn from again after its end or its error"
        self.under_way = True
        await asyncio.sleep(self.delays[self.drawn] if self.drawn < len(self.delays) else 0.5)
        self.under_way = False
        if self.drawn == len(self.delays):
            self.over = True
            raise LookupError if self.fails else StopAsyncIteration
        self.drawn += 1
        return self.drawn - 1


@settings(max_examples=60)
@given(
    items=st.lists(st.tuples(TIMES, TIMES), max_size=12),
    size=st.integers(1, 5),
    options=st.fixed_dictionaries(
        {"ordered": st.booleans(), "fails": st.booleans(), "broken": st.none() | st.integers(0, 11), "pause": TIMES}
    ),
)
def test_each_result_is_returned_once(items: list[tuple[float, float]], size: int, options: dict[str, Any]) -> None:
    """Whatever draws, works and takes slowly; an error of items or work is raised after what had finished."""
    run(_check(items, size, **options))


async def _check(
    items: list[tuple[float, float]], size: int, *, ordered: bool, fails: bool, broken: int | None, pause: float
) -> None:
    source = Source([delay for delay, _ in items], fails=fails)
    taken: list[int] = []
    in_work = 0

    async def work(item: int, _: HandOver[int]) -> int:
        nonlocal in_work
        in_work += 1
        assert in_work <= size
        await asyncio.sleep(items[item][1])
        in_work -= 1
        if item == broken:
            raise LookupError
        return item

    pool = WorkerPool(source, work, size=size, ordered=ordered)
    error: Exception | None = None
    try:
        async for item in pool:
            taken.append(item)
            assert source.drawn - len(taken) <= size
            await asyncio.sleep(pause)
    except LookupError as caught:
        error = caught

    assert (error is not None) is (fails or broken in range(len(items)))
    assert len(set(taken)) == len(taken)
    assert error or sorted(taken) == list(range(len(items)))
    assert not ordered or taken == sorted(taken)
    assert asyncio.all_tasks() == {asyncio.current_task()}
