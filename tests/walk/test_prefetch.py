"""Fetches under way are collected, whatever becomes of them."""

from __future__ import annotations

import asyncio

import pytest

from capledger.walk.prefetch import Ahead


async def fail() -> int:
    raise ArithmeticError


async def test_a_fetch_that_fails_before_it_waits_is_collected() -> None:
    """Where tasks are begun at once (Python 3.12's eager tasks), it is over before it is known."""
    asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory", None))
    ahead: Ahead[str, int] = Ahead()
    ahead.start("a", fail())
    finished = await asyncio.wait_for(ahead.first(), 5)

    assert finished is not None
    with pytest.raises(ArithmeticError):
        await finished[1]


async def test_a_fetch_that_is_cancelled_before_it_begins_is_collected() -> None:
    """Who waits for it is told rather than left waiting."""
    ahead: Ahead[str, int] = Ahead()
    before = asyncio.all_tasks()
    ahead.start("a", fail())
    for task in asyncio.all_tasks() - before:
        task.cancel()
    finished = await asyncio.wait_for(ahead.first(), 5)

    assert finished is not None
    with pytest.raises(asyncio.CancelledError):
        await finished[1]


async def give(value: int) -> int:
    return value


async def test_the_fetch_preferred_comes_before_others_that_are_here() -> None:
    """One that is needed now does not line up; where it is not here, the others come as they finished."""
    ahead: Ahead[str, int] = Ahead()
    for value, key in enumerate("abc"):
        ahead.start(key, give(value))
    await asyncio.sleep(0.0)
    came = [await ahead.first(preferred="c") for _ in range(3)]

    assert [one and (one[0], one[1].result()) for one in came] == [("c", 2), ("a", 0), ("b", 1)]


async def test_a_stopped_fetch_is_neither_collected_nor_kept() -> None:
    """It ends by itself; its key may be fetched anew meanwhile, and only that one is given."""
    ahead: Ahead[str, object] = Ahead()
    ahead.start("a", asyncio.Event().wait())  # never over
    await asyncio.sleep(0)
    [ending] = ahead.stop()
    ahead.start("a", fail())
    await asyncio.wait([ending])
    finished = await asyncio.wait_for(ahead.first(), 5)

    assert finished is not None
    assert finished[1] is not ending
    assert ahead.stop() == []
    with pytest.raises(ArithmeticError):
        await finished[1]
