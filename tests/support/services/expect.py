"""Expectations of walks through a modelled service."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from support.services.model import Service
from support.services.runner import Plan, walk_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from support.services.behaviour import Behaviour, Write
    from support.services.owed import Asked
    from support.services.rows import Row
    from support.services.runner import Came


def walks(
    rows: Sequence[Row],
    behaviour: Behaviour,
    asked: Asked,
    *,
    stops: Sequence[int] = (),
    writes: Sequence[Write] = (),
) -> Iterator[Came]:
    """Walk one page after another and four at a time, without a stop and with one at each of *stops*."""
    for prefetch, stop in product((1, 4), (None, *stops)):
        plan = Plan(prefetch=prefetch, stops=() if stop is None else (stop,))
        yield walk_of(Service(rows, behaviour, writes=writes), asked, plan)


def assert_exact(
    rows: Sequence[Row],
    behaviour: Behaviour,
    asked: Asked,
    *,
    stops: Sequence[int] = (),
    writes: Sequence[Write] = (),
) -> None:
    """Assert that exactly the entries come, however it is walked."""
    for came in walks(rows, behaviour, asked, stops=stops, writes=writes):
        assert came.outcome == "right", f"{came.outcome}: {came.problem}"
        assert came.error is None, repr(came.error)
        assert came.complete, "not complete"
