"""Time for tests: an event loop that does not wait, and a clock that goes with it."""

from __future__ import annotations

import asyncio
import functools
import selectors
import threading
import time
from bisect import bisect_left
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor
    from contextvars import Context

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

#: When every test begins.
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class _JumpingSelector(selectors.DefaultSelector):
    """Looks for I/O without waiting; where there is none, what would have been waited for is over at once."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0.0
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        time.sleep(0)  # lets the kernel bring what is on its way over loopback
        ready = super().select(0)
        if ready or (timeout is not None and not self.threads):
            self.time += 0.0 if ready or timeout is None else timeout
            return ready
        return super().select(0.001 if self.threads else timeout)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer when nothing is ready; sockets within the process work as ever.

    Not for sockets to other processes: while their response is on its way, all timers would run out.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        self._thread = threading.get_ident()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.time

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - asyncio's
        """Hold the time still while threads end, for which asyncio allows some minutes from Python 3.12 on."""
        self._jumping.threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._jumping.threads -= 1

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Refuse other threads, as asyncio's debug mode does, whose tracebacks take more time than the tests."""
        self._refuse_other_threads()
        return super().call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Refuse other threads."""
        self._refuse_other_threads()
        return super().call_at(when, callback, *args, context=context)

    def _refuse_other_threads(self) -> None:
        if threading.get_ident() != self._thread:
            raise RuntimeError("the event loop was called from another thread")

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Hold the time still while a thread works."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: asyncio.Future[Any]) -> None:
        self._jumping.threads -= 1


class LoopClock:
    """A ``Clock`` by the running loop's time, which starts at :data:`EPOCH`."""

    def now(self, zone: tzinfo) -> datetime:
        return (EPOCH + timedelta(seconds=self.monotonic())).astimezone(zone)

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run *main* to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


def virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Make an async test one that runs in virtual time."""

    @functools.wraps(test)
    def run_test(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(test(*args, **kwargs))

    return run_test


def busiest(moments: list[float], seconds: float = 60.0) -> int:
    """Return how many of the moments lie within any so many seconds."""
    ordered = sorted(moments)
    return max(bisect_left(ordered, moment + seconds) - index for index, moment in enumerate(ordered))
