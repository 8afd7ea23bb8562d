"""One time limit for many exchanges, kept by one timer of the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    Task = asyncio.Task[Any]


class TimeLimit:
    """Ends what takes longer than a number of seconds, as ``asyncio.timeout`` does: ``with time_limit: await ...``.

    All exchanges have the same limit, so they are due in the order in which they began, and one timer serves all that
    are under way, one in each task. A timer for each takes a twelfth of the time of an exchange.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._under_way: dict[Task, tuple[float, int]] = {}
        """When the exchange of each task must be over, in seconds of the event loop's time, the first one first; and
        how often the task had been cancelled before."""
        self._ended: dict[Task, int] = {}
        """The tasks whose exchange was ended here, and how often each had been cancelled before the exchange."""
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task: Task = asyncio.current_task(loop)  # type: ignore[assignment]  # exchanges run in tasks
        self._under_way[task] = loop.time() + self.seconds, task.cancelling()
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._end_overdue)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise a TimeoutError where the exchange took too long, or :meth:`end_all` was called."""
        task: Task = asyncio.current_task()  # type: ignore[assignment]  # exchanges run in tasks
        is_ended = self._under_way.pop(task, None) is None
        if not self._under_way and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        before = self._ended.pop(task, None) if is_ended else None
        if before is not None and task.uncancel() <= before and kind is asyncio.CancelledError:
            raise TimeoutError

    def end_all(self) -> None:
        """End all exchanges under way."""
        for task in list(self._under_way):
            self._end(task)

    def _end_overdue(self) -> None:
        loop, self._timer = asyncio.get_running_loop(), None
        for task, (due, _) in list(self._under_way.items()):
            if due > loop.time():
                self._timer = loop.call_at(due, self._end_overdue)
                return
            self._end(task)

    def _end(self, task: Task) -> None:
        _, self._ended[task] = self._under_way.pop(task)
        task.cancel()
