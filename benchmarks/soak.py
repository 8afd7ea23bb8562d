"""Checks that take too long for the tests: ``make soak``.

A part that fails exits with a line that says what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import kills

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS: Final[dict[str, Callable[[], None]]] = {"a backfill, killed thirty times in each format": kills.main}


def main() -> None:
    """Run all parts."""
    for name, run in PARTS.items():
        print(name, flush=True)
        run()


if __name__ == "__main__":
    main()
