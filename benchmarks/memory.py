"""Peak memory of a walk that keeps no entries: it must not grow with the length of the ledger."""

from __future__ import annotations

import asyncio
from multiprocessing import get_context
from statistics import median
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Table, peak_memory
from benchmarks.server import serving, walk

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

_SPAWN: Final = get_context("spawn")


def measure(rounds: int = 5, sizes: tuple[int, ...] = (100_000, 1_000_000), prefetch: int = 8) -> Table:
    """Return the peak memory of walks over ledgers of different lengths, each in a new process."""
    peaks = {size: median(_peak_of(size, prefetch) for _ in range(rounds)) for size in sizes}
    lowest = min(peaks.values())
    rows = [(f"{size:,} entries", f"{peak:.1f}", f"{peak - lowest:+.1f}") for size, peak in peaks.items()]
    return Table(f"Peak memory of a walk, median of {rounds} processes", ("", "MiB", "difference"), rows)


def _peak_of(size: int, prefetch: int) -> float:
    with serving(size) as url:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_walk, args=(theirs, url, prefetch))
        process.start()
        peak: float = ours.recv()
        process.join()
    return peak


def _walk(pipe: Connection, url: str, prefetch: int) -> None:
    asyncio.run(walk(url, prefetch))
    pipe.send(peak_memory())
