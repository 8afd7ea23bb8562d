"""Walk over a network with latency, compared with ``asyncio.gather`` and with the ideal schedule."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import TYPE_CHECKING, Final

from benchmarks.measure import Table, in_turns
from benchmarks.server import expect, get_page, open_http, serving, walk

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds that each response takes.
LATENCY: Final = 0.05


def measure(rounds: int = 5, pages: int = 60, in_flight: tuple[int, ...] = (1, 4, 8, 16)) -> Table:
    """Return the duration of a walk and of a bare gather for each number of pages in flight."""
    with serving(pages * 100, latency=LATENCY) as url:
        durations = in_turns(_candidates(url, pages, in_flight), rounds)
    rows = []
    for count in in_flight:
        ideal = pages / count * LATENCY
        walked, gathered = durations[f"walk {count}"].wall, durations[f"gather {count}"].wall
        cells = (
            f"{ideal:.3f}",
            f"{walked:.3f}",
            f"{gathered:.3f}",
            f"{walked / ideal:.2f}",
            f"{walked / gathered:.2f}",
        )
        rows.append((f"{count} in flight", *cells))
    title = f"A walk over {pages} pages, {LATENCY * 1000:.0f} ms per response, median of {rounds} rounds"
    return Table(title, ("", "ideal s", "walk s", "gather s", "walk / ideal", "walk / gather"), rows)


def _candidates(url: str, pages: int, in_flight: tuple[int, ...]) -> dict[str, Callable[[], None]]:
    """Return a walk and a gather for each number of pages in flight, so that the two take turns."""
    candidates: dict[str, Callable[[], None]] = {}
    for count in in_flight:
        candidates[f"walk {count}"] = partial(_walk, url, pages, count)
        candidates[f"gather {count}"] = partial(_gather, url, pages, count)
    return candidates


def _walk(url: str, pages: int, in_flight: int) -> None:
    expect(asyncio.run(walk(url, in_flight)), pages * 100)


def _gather(url: str, pages: int, in_flight: int) -> None:
    expect(asyncio.run(gather(url, pages, in_flight)), pages * 100)


async def gather(url: str, pages: int, in_flight: int) -> int:
    """Return the number of entries, as dicts, from batches of pages whose number is known beforehand."""
    count = 0
    async with open_http(url) as http:
        for first in range(0, pages, in_flight):
            batch = range(first, min(first + in_flight, pages))
            for body in await asyncio.gather(*(get_page(http, number) for number in batch)):
                count += len(json.loads(body)["ledgerEntries"])
    return count
