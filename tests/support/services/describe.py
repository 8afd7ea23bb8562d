"""A case, its requests and what came of it, in words."""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING, Any

from attrs import fields

from support.services.behaviour import Behaviour
from support.services.rows import from_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.services.draw import Case
    from support.services.model import Service
    from support.services.rows import Row
    from support.services.runner import Came

_SHOWN_PARAMETERS = ("offset", "limit", "order", "startDate", "endDate")


def describe(case: Case, service: Service, came: Came) -> str:
    """Return all that there is to know of a walk."""
    return "\n".join((*_case_lines(case), *_exchange_lines(service), *_outcome_lines(came)))


def _case_lines(case: Case) -> Iterator[str]:
    yield f"kinds: {' + '.join(case.kinds) or 'plain'}"
    yield f"behaviour: {_changed(case.behaviour)}, seed {case.seed}"
    yield f"asked: {case.asked}"
    yield f"plan: {case.plan}"
    for write in case.writes:
        place = f"request {write.request}" if write.stop is None else f"stop {write.stop}"
        yield f"before {place}: deletes {write.deletes}, adds {'; '.join(map(_row_text, write.adds)) or 'nothing'}"
    yield f"{len(case.rows)} rows:"
    for row in case.rows:
        yield f"   {_row_text(row)}"


def _changed(behaviour: Behaviour) -> dict[str, Any]:
    """Return the switches that are not those of the plainest service."""
    plain = Behaviour()
    names = [item.name for item in fields(Behaviour)]
    return {name: getattr(behaviour, name) for name in names if getattr(behaviour, name) != getattr(plain, name)}


def _row_text(row: Row) -> str:
    date = row.date_text or from_ms(row.ms).isoformat(" ", "milliseconds")
    other = "" if row.other_ms is None else f" other={from_ms(row.other_ms).isoformat(' ', 'seconds')}"
    details = " ".join(f"{detail.amount}/{detail.program_id}" for detail in row.details)
    return f"{row.tag:6} id={row.event_id} {date} {details}{other}{' hidden' if row.hidden else ''}"


def _exchange_lines(service: Service) -> Iterator[str]:
    for params, (status, body) in zip(service.requests, service.responses, strict=False):
        asked = " ".join(f"{name}={params[name]}" for name in _SHOWN_PARAMETERS if name in params)
        yield f"{asked} -> {status} {_digest(body)}"


def _digest(body: bytes) -> str:
    text = body.decode()
    if '"errors"' in text:
        return text
    details = re.search(r'"ledgerDetails":(\{[^}]*\})', text)
    tags = re.findall(r'"tillCode":"([^"]*)"', text)
    return f"{details and details[1]} {' '.join(tags)}"


def _outcome_lines(came: Came) -> Iterator[str]:
    owed = came.owed
    yield f"came:     {' '.join(key.tag for key in came.keys)}"
    yield f"owed:     {' '.join(key.tag for key in sorted(owed.required.elements(), key=lambda key: key.ms))}"
    yield f"may come: {' '.join(key.tag for key in owed.optional.elements())}"
    yield f"error: {came.error!r}, complete: {came.complete}, warnings: {came.warnings}"
    yield f"allowed: {[error.__name__ for error in owed.errors]}, provable: {owed.provable}"
    if came.error is not None and came.outcome == "foreign":
        yield from traceback.format_exception(came.error)
    yield f"{came.outcome.upper()} {came.problem or ''}"
