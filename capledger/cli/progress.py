"""Progress of a job on stderr: a few lines that are redrawn on a terminal, otherwise a line from time to time."""

from __future__ import annotations

import re
import sys
import textwrap
import time
from typing import TYPE_CHECKING, Final, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from capledger.cli.exit_codes import print_message
from capledger.cli.log import local_time
from capledger.cli.tables import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from capledger.backfill import JobProgress

#: Seconds between two lines where there is no terminal.
LINE_INTERVAL: Final = 60
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
#: What surrounds the reason of a failure: its type, and the system's name for it.
_AROUND_REASON: Final = re.compile(r"^\w+Error: (?:the connection to the service failed: )?| \(E[A-Z]+\)$")
_BAR_WIDTH: Final = 16
_BAR, _ASCII_BAR = ("━", "╌"), ("#", "-")


class ProgressDisplay:
    """Shows the progress of a job, without identifiers.

    Args:
        rate: the limit in requests a minute, if there is one.
        interval: seconds between two lines where stderr is not a terminal; 0 for no lines.
    """

    def __init__(self, rate: int | None, *, interval: float = LINE_INTERVAL) -> None:
        self._limit = rate
        self._interval = interval
        self._live: Live | None = None
        self._last_line: float | None = None

    def __enter__(self) -> Self:
        console = Console(stderr=True, highlight=False, emoji=False, markup=False)
        if sys.stderr.isatty() and not console.is_dumb_terminal:
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def show(self, progress: JobProgress) -> None:
        """Show the progress as it is now."""
        parts = progress_parts(progress, self._limit)
        if self._live is not None:
            console = self._live.console
            lines = filled_lines([_bar(progress, console.encoding), *parts], console.width - 1)
            self._live.update(Text("\n".join(lines)), refresh=True)
        elif self._is_line_due():
            print_message(f"{local_time(time.time())} {', '.join(parts)}")

    def _is_line_due(self) -> bool:
        now = time.monotonic()
        if not self._interval or (self._last_line is not None and now - self._last_line < self._interval):
            return False
        self._last_line = now
        return True

    def close(self) -> None:
        """Remove what is shown, and release the terminal; may be called again."""
        if self._live is not None:
            self._live.update(Text(), refresh=True)
            self._live.stop()
            self._live = None
        sys.stderr.flush()


def progress_parts(progress: JobProgress, limit: int | None) -> list[str]:
    """Return the parts of a progress line, the most important first; *limit* is in requests a minute."""
    failed = progress.set_aside + progress.incomplete
    parts = [
        f"{progress.finished:,} of {format_count(progress.customers, 'customer')}",
        "" if progress.seconds_left is None else f"{format_duration(progress.seconds_left)} left",
        format_count(progress.entries, "entry", "entries"),
        f"{_requests(progress.requests_per_minute, limit)} in the last minute" if progress.requests else "",
        f"{failed:,} set aside" if failed else "",
        f"{progress.unproven:,} not proven complete" if progress.unproven else "",
        format_count(progress.retries, "retry", "retries") if progress.retries else "",
        _last_failure(progress),
    ]
    return [part for part in parts if part]


def _requests(number: int, limit: int | None) -> str:
    return format_count(number, "request") if limit is None else f"{number:,} of {format_count(limit, 'request')}"


def _last_failure(progress: JobProgress) -> str:
    if progress.last_failure is None or progress.seconds_since_failure is None:
        return ""
    return f"last failure: {short_reason(progress.last_failure)}, {format_duration(progress.seconds_since_failure)} ago"


def short_reason(failure: str) -> str:
    """Return the message of an error without its type, of a failed connection the system's words alone."""
    return _AROUND_REASON.sub("", failure)


def _bar(progress: JobProgress, encoding: str) -> str:
    share = progress.finished / progress.customers if progress.customers else 1.0
    filled = int(share * _BAR_WIDTH)
    done, left = _BAR if encoding.lower().startswith("utf") else _ASCII_BAR
    return f"{done * filled}{left * (_BAR_WIDTH - filled)} {int(share * 100):3}%"


def filled_lines(parts: Sequence[str], width: int) -> list[str]:
    """Return the parts on as few lines of this width as it takes; a part longer than a line is wrapped at spaces."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(part) + 2 <= width:
            lines[-1] += f"  {part}"
        else:
            lines += textwrap.wrap(part, max(width, 1))
    return lines


def format_duration(seconds: float) -> str:
    """Return ``3 d 4 h``, ``2 h 05 min``, ``7 min``, ``40 s``."""
    if seconds >= _DAY:
        return f"{int(seconds // _DAY)} d {int(seconds % _DAY // _HOUR)} h"
    if seconds >= _HOUR:
        return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE):02} min"
    return f"{int(seconds // _MINUTE)} min" if seconds >= 2 * _MINUTE else f"{seconds:.0f} s"
