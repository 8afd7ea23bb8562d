"""Walk over random services and count what comes: ``python -m support.fuzz_walks --count 3000 --seed 0``.

Run it with ``PYTHONPATH=tests``. ``--replay SEED`` shows one case in full, ``--replay SEED --shrink`` the
smallest that fails like it.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from support.services.describe import describe
from support.services.draw import KINDS, draw_case
from support.services.runner import FAILURES
from support.services.shrink import shrink

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.services.draw import Case
    from support.services.runner import Outcome

#: Refusals in a thousand that are too many, where an answer is owed.
_MOST_REFUSED = 5
_CHUNK = 50
_ORDER: tuple[Outcome, ...] = (*FAILURES, "refused")


class Result(NamedTuple):
    """What came of one seed."""

    seed: int
    kinds: tuple[str, ...]
    outcome: Outcome
    problem: str
    requests: int


def case_of(seed: int, only: Sequence[str] = ()) -> Case:
    """Draw the case of a seed."""
    return draw_case(Random(seed), [kind for kind in only if kind in KINDS] if only else None)


def walk_seed(seed: int, only: Sequence[str] = ()) -> Result:
    """Walk through the case of a seed."""
    case = case_of(seed, only)
    came = case.walk()
    return Result(seed, case.kinds, came.outcome, came.problem or "", came.requests)


def _walk_chunk(seeds: range, only: Sequence[str]) -> list[Result]:
    return [walk_seed(seed, only) for seed in seeds]


def walk_seeds(first: int, count: int, only: Sequence[str], workers: int) -> Iterator[Result]:
    """Walk through the cases of many seeds on several cores."""
    chunks = [range(low, min(low + _CHUNK, first + count)) for low in range(first, first + count, _CHUNK)]
    if workers == 1:
        for chunk in chunks:
            yield from _walk_chunk(chunk, only)
        return
    with ProcessPoolExecutor(workers) as pool:
        for results in pool.map(_walk_chunk, chunks, [only] * len(chunks)):
            yield from results


def print_summary(results: Sequence[Result], *, limit: int) -> None:
    """Print the failures, one line each, and the counts."""
    failing = [result for result in results if result.outcome in _ORDER]
    for result in sorted(failing, key=lambda result: (_ORDER.index(result.outcome), len(result.kinds)))[:limit]:
        problem = re.sub(r"cursor=\S+", "", result.problem)[:150]
        print(f"{result.outcome:9} --replay {result.seed:<8} {' + '.join(result.kinds) or 'plain'}: {problem}")
    print()
    outcomes = Counter(result.outcome for result in results)
    print("counts:", ", ".join(f"{name} {count}" for name, count in outcomes.most_common()))
    print(f"requests: {sum(result.requests for result in results)}")
    print(f"\n{'behaviour':24}{'cases':>7}{'wrong':>7}{'unproven':>10}{'hang':>6}{'foreign':>9}{'refused':>9}   alone")
    for kind in ("plain", *KINDS):
        print_kind(kind, [result for result in results if kind in (result.kinds or ("plain",))])


def print_kind(kind: str, results: Sequence[Result]) -> None:
    """Print the line of one behaviour: all its failures, and those in which it was alone."""
    counts = Counter(result.outcome for result in results)
    alone = Counter(result.outcome for result in results if len(result.kinds) < 2)
    bad = ", ".join(f"{name} {alone[name]}" for name in _ORDER if alone[name])
    print(
        f"{kind:24}{len(results):7}{counts['wrong']:7}{counts['unproven']:10}{counts['hang']:6}"
        f"{counts['foreign']:9}{counts['refused']:9}   {bad} of {alone.total()}"
    )


def replay(case: Case) -> None:
    """Print a case, its requests and responses, and what came."""
    service = case.service()
    came = case.walk(service)
    print(describe(case, service, came))


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--only", default="", help="kinds of behaviour, separated by commas; plain for none")
    parser.add_argument("--replay", type=int)
    parser.add_argument("--shrink", action="store_true", help="make the replayed case as small as it can be")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int, default=60, help="failures to print")
    options = parser.parse_args()
    only = tuple(name for name in options.only.split(",") if name)
    if options.replay is not None:
        case = case_of(options.replay, only)
        replay(shrink(case) if options.shrink else case)
        return
    began = time.perf_counter()
    results = list(walk_seeds(options.seed, options.count, only, options.workers))
    seconds = time.perf_counter() - began
    print_summary(results, limit=options.limit)
    print(f"\n{len(results) / seconds:.0f} walks a second")
    refused = sum(result.outcome == "refused" for result in results)
    failed = any(result.outcome in FAILURES for result in results)
    sys.exit(failed or 1_000 * refused > _MOST_REFUSED * len(results))


if __name__ == "__main__":
    main()
