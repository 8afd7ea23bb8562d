"""Timing in turns, peak memory, and tables of results.

Candidates take turns, so that a busy machine affects all of them, and the results are ratios of medians within one run;
absolute times are only an indication.
"""

from __future__ import annotations

import gc
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

#: Where Linux states the peak memory of a process; ``getrusage`` would include the peak of its parent.
_STATUS: Final = Path("/proc/self/status")


@frozen
class Table:
    """Results of one benchmark."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    figures: dict[str, float] = field(factory=dict)
    """Numbers for the picture, by label."""
    unit: str = ""
    """What the figures count."""

    def render(self) -> str:
        """Return the table as text, with the first column aligned left and the others right."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.head))]
        body = ("  ".join(_cells(line, widths)).rstrip() for line in lines)
        return "\n".join([self.title, "", *body])


def _cells(line: tuple[str, ...], widths: list[int]) -> Iterable[str]:
    yield line[0].ljust(widths[0])
    yield from (cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))


@frozen
class Duration:
    """How long something took."""

    wall: float
    """Seconds of the clock."""
    cpu: float
    """Seconds of CPU time in this process, which a busy machine affects less."""


def in_turns(candidates: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Duration]:
    """Return the median duration of each candidate; each runs once before, unmeasured."""
    for run in candidates.values():
        run()
    durations: dict[str, list[Duration]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in candidates.items():
            durations[name].append(_time(run))
    return {
        name: Duration(median(one.wall for one in measured), median(one.cpu for one in measured))
        for name, measured in durations.items()
    }


def _time(run: Callable[[], object]) -> Duration:
    gc.collect()
    wall, cpu = perf_counter(), process_time()
    run()
    return Duration(perf_counter() - wall, process_time() - cpu)


def repeated(times: int, run: Callable[[], object]) -> Callable[[], None]:
    """Return a function that calls another this many times, for what is too short to be timed alone."""

    def run_repeatedly() -> None:
        for _ in range(times):
            run()

    return run_repeatedly


def peak_memory() -> float:
    """Return the peak memory of this process in MiB."""
    if not _STATUS.exists():
        return float("nan")
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
