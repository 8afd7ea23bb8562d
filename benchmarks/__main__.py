"""``python -m benchmarks``: every benchmark, or those that are named; ``--write`` makes the page and the picture."""

from __future__ import annotations

import argparse
from contextlib import redirect_stdout
from io import StringIO
from typing import TYPE_CHECKING, Final

from benchmarks import decode, imports, latency, many, memory, requests_sent, walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.measure import Table


def many_tables() -> str:
    """The two tables of :mod:`benchmarks.many`, which prints them."""
    printed = StringIO()
    with redirect_stdout(printed):
        many.compare(2_000, 5)
        many.weigh([1_000, 10_000, 100_000])
    return printed.getvalue().rstrip()


BENCHMARKS: Final[dict[str, Callable[[], Table | str]]] = {
    "decode": decode.measure,
    "walk": walk.measure,
    "latency": latency.measure,
    "memory": memory.measure,
    "many": many_tables,
    "requests": requests_sent.measure,
    "import": imports.measure,
}


def run(names: list[str]) -> Iterator[tuple[str, Table | str]]:
    """Run the benchmarks one by one, and print what they find."""
    for name in names:
        found = BENCHMARKS[name]()
        print(found if isinstance(found, str) else found.text(), end="\n\n", flush=True)
        yield name, found


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="What capledger costs, beside others.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all if none is given")
    parser.add_argument(
        "--write", action="store_true", help="write the results to benchmarks/README.md and results.svg"
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    found = dict(run(options.names or list(BENCHMARKS)))
    if options.write:
        from benchmarks import report  # noqa: PLC0415  # nobody else needs matplotlib

        report.write(found)


if __name__ == "__main__":
    main()
