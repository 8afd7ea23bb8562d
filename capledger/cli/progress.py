"""Progress of a job on stderr: a few lines that are redrawn on a terminal, otherwise a line from time to time."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import textwrap
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from rich.cells import cell_len
from rich.console import Console, RenderHook
from rich.control import Control
from rich.live import Live
from rich.segment import ControlType
from rich.text import Text

from capledger.cli.exit_codes import print_message
from capledger.cli.log import local_time
from capledger.cli.tables import format_count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from rich.console import ConsoleOptions, ConsoleRenderable, RenderResult

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
        self._terminal: _TerminalLines | None = None
        self._last_line: float | None = None

    def __enter__(self) -> Self:
        console = Console(stderr=True, highlight=False, emoji=False, markup=False)
        if sys.stderr.isatty() and not console.is_dumb_terminal:
            self._terminal = _TerminalLines(console)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def show(self, progress: JobProgress) -> None:
        """Show the progress as it is now."""
        parts = progress_parts(progress, self._limit)
        if self._terminal is not None:
            self._terminal.show([_bar(progress, self._terminal.encoding), *parts])
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
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None
        sys.stderr.flush()


class _TerminalLines(RenderHook):
    """Lines at the bottom of a terminal, redrawn at once where its size changes."""

    def __init__(self, console: Console) -> None:
        self.encoding = console.encoding
        self._console = console
        self._parts: list[str] = []
        self._shown: list[str] = []
        console.push_render_hook(self)
        self._live = Live(self, console=console, auto_refresh=False, transient=True)
        self._live.start()
        with suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):  # such as on Windows
            asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, self._live.refresh)

    def show(self, parts: list[str]) -> None:
        """Replace what is shown."""
        self._parts = parts
        self._live.refresh()

    def close(self) -> None:
        """Remove what is shown, and release the terminal."""
        self._parts = []
        self._live.stop()
        with suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().remove_signal_handler(signal.SIGWINCH)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self._shown = filled_lines(self._parts, options.max_width - 1)
        yield Text("\n".join(self._shown))

    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        """Erase the additional lines that a narrower terminal has made of those shown, which rich does not know of."""
        broken = sum(max(0, cell_len(line) - 1) // self._console.width for line in self._shown)
        return [Control(*[(ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)] * broken), *renderables]


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
