"""A failing case made as small as it can be while it still fails in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, fields

from support.services.behaviour import Behaviour, Write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.services.draw import Case
    from support.services.owed import Asked
    from support.services.runner import Outcome, Plan


def shrink(case: Case) -> Case:
    """Return a smaller case with the same outcome."""
    outcome = case.walk().outcome
    smaller: Case | None = case
    while smaller is not None:
        case = smaller
        smaller = next((other for other in _smaller(case) if _fails(other, outcome)), None)
    return case


def _fails(case: Case, outcome: Outcome) -> bool:
    try:
        return case.walk().outcome == outcome
    except (ValueError, IndexError):  # a case that makes no sense
        return False


def _smaller(case: Case) -> Iterator[Case]:
    """Yield the case with a little less, the greatest steps first."""
    for index in range(len(case.writes)):
        yield evolve(case, writes=case.writes[:index] + case.writes[index + 1 :])
    yield from _with_plainer_behaviour(case)
    yield from _with_fewer_rows(case)
    for plan in _plainer_plans(case.plan):
        yield evolve(case, plan=plan)
    for asked in _plainer_queries(case.asked):
        yield evolve(case, asked=asked)


def _plainer_plans(plan: Plan) -> Iterator[Plan]:
    if plan.stops:
        yield evolve(plan, stops=plan.stops[:-1], page_sizes=plan.page_sizes[:-1])
    for number, stop in enumerate(plan.stops):
        if stop:
            yield evolve(plan, stops=(*plan.stops[:number], stop - 1, *plan.stops[number + 1 :]))
    for plainer in (evolve(plan, page_sizes=()), evolve(plan, prefetch=1), evolve(plan, on_incomplete="raise")):
        if plainer != plan:
            yield plainer


def _plainer_queries(asked: Asked) -> Iterator[Asked]:
    for plainer in (evolve(asked, start=None), evolve(asked, end=None), evolve(asked, order="asc")):
        if plainer != asked:
            yield plainer
    for page_size in range(1, min(asked.page_size, 12)):
        yield evolve(asked, page_size=page_size)


def _with_plainer_behaviour(case: Case) -> Iterator[Case]:
    plain = Behaviour()
    for item in fields(Behaviour):
        if getattr(case.behaviour, item.name) != getattr(plain, item.name):
            yield evolve(case, behaviour=evolve(case.behaviour, **{item.name: getattr(plain, item.name)}))


def _with_fewer_rows(case: Case) -> Iterator[Case]:
    size = len(case.rows)
    for length in (size // 2, size // 4, 1):
        for first in range(0, size, length) if length else ():
            rows = case.rows[:first] + case.rows[first + length :]
            if rows:
                yield evolve(case, rows=rows, writes=[_without(write, first, length) for write in case.writes])


def _without(write: Write, first: int, length: int) -> Write:
    """Return the write with its deletes still of the same rows."""
    deletes = (
        index if index < first else index - length for index in write.deletes if not first <= index < first + length
    )
    return evolve(write, deletes=tuple(deletes))
