"""How far a job is, on stderr: a bar on a terminal, else a line a minute."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from capledger.cli.exit_codes import say

if TYPE_CHECKING:
    from types import TracebackType

    from capledger.backfill import Progress as Moment

#: Seconds between lines where there is no terminal.
_PAUSE: Final = 60.0
_HOUR, _DAY = 3_600, 86_400


class Meter:
    """Shows moments of a job. No identifier is in them."""

    def __init__(self, rate: int | None) -> None:
        self._limit = "" if rate is None else f" of {rate:,}"
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._told = time.monotonic()

    def __enter__(self) -> Self:
        console = Console(stderr=True)
        if console.is_terminal:
            text = Column(ratio=1, overflow="fold")  # on as many lines as it takes
            columns = (BarColumn(bar_width=16), TextColumn("{task.description}", table_column=text))
            self._bar = Progress(*columns, console=console, expand=True, transient=True)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def show(self, moment: Moment) -> None:
        """Show one."""
        if self._bar is None:
            self._tell(moment)
            return
        text = describe(moment, self._limit)
        if self._task is None:
            self._task = self._bar.add_task(text, total=moment.customers)
        self._bar.update(self._task, completed=moment.finished, total=moment.customers, description=text)

    def _tell(self, moment: Moment) -> None:
        now = time.monotonic()
        if now - self._told >= _PAUSE:
            self._told = now
            say(describe(moment, self._limit))

    def close(self) -> None:
        """Give the terminal back; may be called again."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        sys.stderr.flush()


def describe(moment: Moment, limit: str) -> str:
    """A moment in one line."""
    parts = [
        f"{moment.finished:,} of {moment.customers:,} customers",
        f"{moment.entries:,} entries",
        f"{moment.requests_per_minute:,.0f}{limit} requests/min",
    ]
    failed = moment.set_aside + moment.incomplete
    parts += [f"{failed:,} set aside"] if failed else []
    parts += [f"{moment.retries:,} retries"] if moment.retries else []
    parts += [f"{duration(moment.seconds_left)} left"] if moment.seconds_left is not None else []
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """``3 d 4 h``, ``2 h 05 min``, ``7 min``, ``40 s``."""
    if seconds >= _DAY:
        return f"{int(seconds // _DAY)} d {int(seconds % _DAY // _HOUR)} h"
    if seconds >= _HOUR:
        return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // 60):02} min"
    return f"{int(seconds // 60)} min" if seconds >= 120 else f"{seconds:.0f} s"  # noqa: PLR2004  (two minutes)
