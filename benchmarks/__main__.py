"""Run benchmarks: ``python -m benchmarks``, all of them or those that are named."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from benchmarks import cluster, decode, imports, instructions, latency, many, memory, requests_sent, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.measure import Table

BENCHMARKS: Final[dict[str, Callable[[], Table]]] = {
    "decode": decode.measure,
    "walk": walk.measure,
    "latency": latency.measure,
    "memory": memory.measure,
    "many": many.measure,
    "many-memory": many.measure_memory,
    "requests": requests_sent.measure,
    "import": imports.measure,
    "instructions": instructions.measure,
    "cluster": cluster.measure,
}


def run(names: list[str]) -> Iterator[tuple[str, Table]]:
    """Run the named benchmarks one after another, print their tables, and yield them by name."""
    for name in names:
        table = BENCHMARKS[name]()
        print(table.render(), end="\n\n", flush=True)
        yield name, table


def main() -> None:
    """Parse the command line and run what it names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Compare capledger with alternatives.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument(
        "--write", action="store_true", help="write the results to benchmarks/README.md and results.svg"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    tables = dict(run(options.names or list(BENCHMARKS)))
    if options.write:
        from benchmarks import report  # noqa: PLC0415 - only this needs matplotlib

        report.write(tables)


if __name__ == "__main__":
    main()
