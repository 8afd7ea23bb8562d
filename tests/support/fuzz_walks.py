"""Walk over random services and count what comes: ``python -m support.fuzz_walks --count 3000 --seed 0``.

Run it with ``PYTHONPATH=tests``. ``--replay SEED`` shows one case in full.
"""

from __future__ import annotations

import argparse
import re
import signal
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from attrs import fields

from support.services.behaviour import Behaviour
from support.services.draw import KINDS, draw_case
from support.services.rows import from_ms
from support.services.runner import FAILURES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from support.services.draw import Case
    from support.services.rows import Row
    from support.services.runner import Came, Outcome

#: Seconds of real time after which a walk is one that spins.
_TOO_LONG = 20
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
    service = case.service()
    signal.setitimer(signal.ITIMER_REAL, _TOO_LONG)
    try:
        came = case.walk(service)
    except _SpinningError:
        return Result(seed, case.kinds, "hang", "spins without a request", len(service.requests))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return Result(seed, case.kinds, came.outcome, came.problem or "", came.requests)


class _SpinningError(BaseException):
    pass


def _ring(number: int, frame: FrameType | None) -> None:
    raise _SpinningError


def _walk_chunk(seeds: range, only: Sequence[str]) -> list[Result]:
    signal.signal(signal.SIGALRM, _ring)
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


def replay(seed: int, only: Sequence[str]) -> None:
    """Print a case, its requests and responses, and what came."""
    case = case_of(seed, only)
    service = case.service()
    print("kinds:", case.kinds, "\nbehaviour:", changed(case.behaviour), "\nasked:", case.asked, "\nplan:", case.plan)
    print("writes:", *case.writes, sep="\n  ")
    print(f"rows: {len(case.rows)}")
    for row in case.rows:
        print("  ", row_text(row))
    came = case.walk(service)
    for params, (status, body) in zip(service.requests, service.responses, strict=False):
        asked = {name: params[name] for name in ("offset", "limit", "order", "startDate", "endDate") if name in params}
        print(asked, "->", status, _digest(body))
    print_came(came)


def changed(behaviour: Behaviour) -> dict[str, Any]:
    """Return the switches that are not those of the plainest service."""
    plain = Behaviour()
    names = [item.name for item in fields(Behaviour)]
    return {name: getattr(behaviour, name) for name in names if getattr(behaviour, name) != getattr(plain, name)}


def row_text(row: Row) -> str:
    """Return a row in one line."""
    date = row.date_text or from_ms(row.ms).isoformat(" ", "milliseconds")
    other = "" if row.other_ms is None else f" other={from_ms(row.other_ms).isoformat(' ', 'seconds')}"
    details = " ".join(f"{detail.amount}/{detail.program_id}" for detail in row.details)
    return f"{row.tag:6} id={row.event_id} {date} {details}{other}{' hidden' if row.hidden else ''}"


def _digest(body: bytes) -> str:
    text = body.decode()
    if '"errors"' in text:
        return text
    details = re.search(r'"ledgerDetails":(\{[^}]*\})', text)
    tags = re.findall(r'"tillCode":"([^"]*)"', text)
    return f"{details and details[1]} {' '.join(tags)}"


def print_came(came: Came) -> None:
    """Print what came of a walk."""
    print("entries:", [key.tag for key in came.keys])
    print("error:", repr(came.error), "complete:", came.complete, "warnings:", came.warnings)
    print("owed:", [key.tag for key in sorted(came.owed.required.elements(), key=lambda key: key.ms)])
    print("may come:", [key.tag for key in came.owed.optional.elements()])
    print("allowed:", [error.__name__ for error in came.owed.errors], "provable:", came.owed.provable)
    if came.outcome == "foreign":
        traceback.print_exception(came.error)
    print(came.outcome.upper(), came.problem or "")


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--only", default="", help="kinds of behaviour, separated by commas; plain for none")
    parser.add_argument("--replay", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int, default=60, help="failures to print")
    options = parser.parse_args()
    only = tuple(name for name in options.only.split(",") if name)
    if options.replay is not None:
        replay(options.replay, only)
        return
    began = time.perf_counter()
    results = list(walk_seeds(options.seed, options.count, only, options.workers))
    seconds = time.perf_counter() - began
    print_summary(results, limit=options.limit)
    print(f"\n{len(results) / seconds:.0f} walks a second")
    sys.exit(any(result.outcome in FAILURES for result in results))


if __name__ == "__main__":
    main()
