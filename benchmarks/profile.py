"""Profile a walk with pyinstrument: ``python -m benchmarks.profile``."""

from __future__ import annotations

import asyncio
import sys

from pyinstrument import Profiler
from pyinstrument.renderers import ConsoleRenderer

from benchmarks.server import serving, walk


def main(entries: int = 100_000, prefetch: int = 8) -> None:
    """Print the functions that take most of the time of a walk, without what they call."""
    with serving(entries) as url:
        asyncio.run(walk(url, prefetch))
        profiler = Profiler(interval=0.0005, async_mode="disabled")
        with profiler:
            asyncio.run(walk(url, prefetch))
    renderer = ConsoleRenderer(flat=True, show_all=True, unicode=True, color=False, short_mode=True)
    sys.stdout.write("\n".join(profiler.output(renderer).splitlines()[:30]) + "\n")


if __name__ == "__main__":
    main()
