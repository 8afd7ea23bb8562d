"""Progress of a job on stderr: a bar on a terminal, otherwise a line a minute."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as RichProgress
from rich.table import Column as RichColumn

from capledger.cli.exit_codes import print_message

if TYPE_CHECKING:
    from types import TracebackType

    from capledger.backfill import JobProgress

#: Seconds between two lines where there is no terminal.
_INTERVAL: Final = 60.0
_HOUR, _DAY = 3_600, 86_400


class ProgressDisplay:
    """Shows the progress of a job, without identifiers."""

    def __init__(self, rate: int | None) -> None:
        self._limit = "" if rate is None else f" of {rate:,}"
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self._last_line = time.monotonic()

    def __enter__(self) -> Self:
        console = Console(stderr=True)
        if console.is_terminal:
            text = RichColumn(ratio=1, overflow="fold")  # on as many lines as it takes
            columns = (BarColumn(bar_width=16), TextColumn("{task.description}", table_column=text))
            self._bar = RichProgress(*columns, console=console, expand=True, transient=True)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def show(self, progress: JobProgress) -> None:
        """Show the progress as it is now."""
        if self._bar is None:
            self._print_line(progress)
            return
        text = format_progress(progress, self._limit)
        if self._task is None:
            self._task = self._bar.add_task(text, total=progress.customers)
        self._bar.update(self._task, completed=progress.finished, total=progress.customers, description=text)

    def _print_line(self, progress: JobProgress) -> None:
        now = time.monotonic()
        if now - self._last_line >= _INTERVAL:
            self._last_line = now
            print_message(format_progress(progress, self._limit))

    def close(self) -> None:
        """Release the terminal; may be called again."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        sys.stderr.flush()


def format_progress(progress: JobProgress, limit: str) -> str:
    """Return the progress in one line."""
    parts = [
        f"{progress.finished:,} of {progress.customers:,} customers",
        f"{progress.entries:,} entries",
        f"{progress.requests_per_minute:,.0f}{limit} requests/min",
    ]
    failed = progress.set_aside + progress.incomplete
    parts += [f"{failed:,} set aside"] if failed else []
    parts += [f"{progress.retries:,} retries"] if progress.retries else []
    parts += [f"{format_duration(progress.seconds_left)} left"] if progress.seconds_left is not None else []
    return ", ".join(parts)


def format_duration(seconds: float) -> str:
    """Return ``3 d 4 h``, ``2 h 05 min``, ``7 min``, ``40 s``."""
    if seconds >= _DAY:
        return f"{int(seconds // _DAY)} d {int(seconds % _DAY // _HOUR)} h"
    if seconds >= _HOUR:
        return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // 60):02} min"
    return f"{int(seconds // 60)} min" if seconds >= 120 else f"{seconds:.0f} s"  # noqa: PLR2004 - two minutes
