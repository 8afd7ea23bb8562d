"""Walking over a network: what reading ahead makes of answers that take their time."""

from __future__ import annotations

import asyncio
from statistics import median
from time import perf_counter
from typing import Final

from benchmarks.measure import Table
from benchmarks.server import serving, walk

#: Seconds that each answer takes.
LATENCY: Final = 0.05


def measure(rounds: int = 5, pages: int = 60, prefetches: tuple[int, ...] = (1, 4, 8, 16)) -> Table:
    """Time a walk for each number of pages ahead, against all of them being asked for without a pause."""
    taken: dict[int, list[float]] = {prefetch: [] for prefetch in prefetches}
    with serving(pages * 100, latency=LATENCY) as url:
        for _ in range(rounds):
            for prefetch, times in taken.items():
                began = perf_counter()
                asyncio.run(walk(url, prefetch))
                times.append(perf_counter() - began)
    rows = [
        (
            f"prefetch={prefetch}",
            f"{median(times):.3f}",
            f"{_ideal(pages, prefetch):.3f}",
            f"{median(times) / _ideal(pages, prefetch):.2f}",
        )
        for prefetch, times in taken.items()
    ]
    title = f"A walk over {pages} pages, {LATENCY * 1000:.0f} ms an answer, median of {rounds} rounds"
    return Table(title, ("", "seconds", "ideal", "times the ideal"), rows)


def _ideal(pages: int, prefetch: int) -> float:
    return pages / prefetch * LATENCY
