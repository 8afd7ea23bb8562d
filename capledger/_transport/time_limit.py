"""One time limit for many exchanges, kept by one timer of the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class TimeLimit:
    """Ends what takes longer than a number of seconds, as ``asyncio.timeout`` does.

    All exchanges have the same limit, so they are due in the order in which they began, and one timer serves all that
    are under way. A timer for each takes a twelfth of the time of an exchange.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._due: dict[asyncio.Task[Any], float] = {}
        """When the exchange of each task must be over, in seconds of the event loop's time; the first is due first."""
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, exchange: Coroutine[Any, Any, T]) -> T:
        """Await an exchange; one at a time in each task.

        Raises:
            TimeoutError: it took too long, or :meth:`end_all` was called.
        """
        loop, task = asyncio.get_running_loop(), cast("asyncio.Task[Any]", asyncio.current_task())
        cancelling, cancelled = task.cancelling(), False
        self._due[task] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._end_overdue)
        try:
            return await exchange
        except asyncio.CancelledError:
            cancelled = True
            raise
        finally:
            if self._stop(task) and task.uncancel() <= cancelling and cancelled:
                raise TimeoutError

    def end_all(self) -> None:
        """End all exchanges under way."""
        for task in list(self._due):
            self._end(task)

    def _end_overdue(self) -> None:
        loop, self._timer = asyncio.get_running_loop(), None
        for task, due in list(self._due.items()):
            if due > loop.time():
                self._timer = loop.call_at(due, self._end_overdue)
                return
            self._end(task)

    def _end(self, task: asyncio.Task[Any]) -> None:
        del self._due[task]
        task.cancel()

    def _stop(self, task: asyncio.Task[Any]) -> bool:
        """Forget an exchange that is over; return whether it was ended here."""
        ended = self._due.pop(task, None) is None
        if not self._due and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return ended
