"""``make soak``: what is too long for the tests, and has to hold as well.

Each part ends the process with a line when something does not hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import kills

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS: Final[dict[str, Callable[[], None]]] = {"a backfill, killed thirty times in each format": kills.main}


def main() -> None:
    """Run all of it."""
    for name, run in PARTS.items():
        print(name, flush=True)
        run()


if __name__ == "__main__":
    main()
