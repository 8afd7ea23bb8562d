"""Timing in turns, and tables of what was timed.

Contestants take turns, so that a busy minute of the machine is everybody's, and what counts are ratios of medians in
one run; absolute times are there to give an idea.
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

#: Where Linux tells of a process's peak; ``getrusage`` would count in the peak of the process it was started by.
_STATUS: Final = Path("/proc/self/status")


@frozen
class Table:
    """What one benchmark found."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    #: For the picture: a number for each label, and what it says.
    figures: dict[str, float] = field(factory=dict)
    unit: str = ""

    def text(self) -> str:
        """The table in plain text: the first column to the left, the numbers to the right."""
        lines = [self.head, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.head))]
        body = ("  ".join(_cells(line, widths)).rstrip() for line in lines)
        return "\n".join([self.title, "", *body])


def _cells(line: tuple[str, ...], widths: list[int]) -> Iterable[str]:
    yield line[0].ljust(widths[0])
    yield from (text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True))


@frozen
class Taken:
    """Seconds of the clock, and of the processor in this process; the second does not mind a busy machine."""

    clock: float
    processor: float


def in_turns(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Taken]:
    """Give the medians of what each takes; everyone runs once before, unmeasured."""
    for run in contestants.values():
        run()
    taken: dict[str, list[Taken]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            taken[name].append(_time(run))
    return {
        name: Taken(median(one.clock for one in all_of), median(one.processor for one in all_of))
        for name, all_of in taken.items()
    }


def _time(run: Callable[[], object]) -> Taken:
    gc.collect()
    began, used = perf_counter(), process_time()
    run()
    return Taken(perf_counter() - began, process_time() - used)


def repeated(times: int, run: Callable[[], object]) -> Callable[[], None]:
    """Give what runs so many times, for what is too short to be timed alone."""

    def many() -> None:
        for _ in range(times):
            run()

    return many


def peak_memory() -> float:
    """Give the most memory that this process has had, in MiB."""
    if not _STATUS.exists():
        return float("nan")
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
