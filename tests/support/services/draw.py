"""Random services, ledgers, queries and stops; a case is drawn from a ``Random`` alone, so a seed reproduces it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from attrs import define, evolve, field

from support.clock import EPOCH
from support.services.behaviour import BERLIN, INDIA, Behaviour, Refusal, Write
from support.services.model import Service
from support.services.owed import Asked
from support.services.rows import DAY, HOUR, MINUTE, SECOND, Detail, Row, from_ms, to_ms, utc
from support.services.runner import Came, Plan, request_bound, walk_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

_NOW = to_ms(EPOCH)
_PAGE_SIZES = (1, 2, 3, 5, 7, 10, 10, 10, 20, 25, 50, 100)
#: Days over which the rows of a ledger lie.
_SPREADS = (1, 3, 20, 60, 200, 400, 900)
_TEXTS = ("", "Limit cannot be greater than 100", "not allowed", "too many: 20 of 500 in 3 days", "max 1")


@define(kw_only=True)
class Case:
    """One walk to be gone."""

    rows: list[Row]
    asked: Asked
    plan: Plan
    behaviour: Behaviour = field(factory=Behaviour)
    writes: list[Write] = field(factory=list)
    kinds: tuple[str, ...] = ()
    seed: int = 0

    def service(self) -> Service:
        """Return the service, fresh."""
        service = Service(self.rows, self.behaviour, writes=self.writes, seed=self.seed)
        service.most = request_bound(service, self.asked, self.plan)
        return service

    def walk(self, service: Service | None = None) -> Came:
        """Walk through it."""
        return walk_of(service or self.service(), self.asked, self.plan, seed=self.seed)

    def behave(self, **changes: Any) -> None:
        """Change the behaviour."""
        self.behaviour = evolve(self.behaviour, **changes)


def draw_case(random: Random, kinds: Sequence[str] | None = None) -> Case:
    """Draw a case with behaviours of these kinds, or of none to three."""
    if kinds is None:
        kinds = random.sample(list(KINDS), random.choice((0, 1, 1, 1, 2, 2, 3)))
    page_size = random.choice(_PAGE_SIZES)
    case = Case(
        rows=_draw_rows(random, page_size),
        asked=Asked(page_size=page_size, order=random.choice(("asc", "desc"))),
        plan=Plan(prefetch=random.choice((1, 1, 2, 4, 4, 8)), on_incomplete=random.choice(("raise", "raise", "warn"))),
        kinds=tuple(kinds),
        seed=random.randrange(1 << 30),
    )
    if random.random() < 0.3:
        case.behave(dates="ms")
    if random.random() < 0.3:
        case.behave(ties=random.choice(("id", "id desc", "insertion")))
    if random.random() < 0.2:
        case.behave(empty=random.choice(("error200", "text code", "warning", "plain")))
    if random.random() < 0.5:
        case.behave(latency=(0.01, 0.05, 0.2))
    for kind, apply in KINDS.items():
        if kind in kinds:
            apply(random, case)
    case.asked = _draw_span(random, case)
    case.plan = _draw_stops(random, case)
    return case


def _draw_rows(random: Random, page_size: int) -> list[Row]:
    size = random.choice((0, 1, 2, random.randrange(3, 12), *(random.randrange(10, 61) for _ in range(4))))
    if random.random() < 0.2:
        size = page_size * random.randrange(1, 5)
    if random.random() < 0.02:
        size = 300
    spread = random.choice(_SPREADS) * DAY
    last = _NOW - random.choice((MINUTE, HOUR, DAY, 40 * DAY, 300 * DAY))
    moments = sorted(last - random.randrange(spread) for _ in range(size))
    clumps = random.choice((0.0, 0.0, 0.1, 0.4))
    for index in range(1, size):
        if random.random() < clumps:
            moments[index] = moments[index - 1]
    return _rows_at(random, sorted(moments))


def _rows_at(random: Random, moments: list[int]) -> list[Row]:
    twins, siblings = random.choice(((0.0, 0.0), (0.0, 0.0), (0.15, 0.0), (0.0, 0.15), (0.1, 0.1)))
    whole = random.random() < 0.6
    rows: list[Row] = []
    for number, moment in enumerate(moments):
        ms = moment // SECOND * SECOND if whole else moment
        row = Row(ms, 5_000 + number, f"t{number}", (Detail(100 + number),))
        if rows and random.random() < twins:
            row = rows[-1]
        elif rows and random.random() < siblings:
            row = evolve(rows[-1], details=(Detail(9_000 + number, program_id=470),))
        rows.append(row)
    return rows


def _draw_span(random: Random, case: Case) -> Asked:
    shape = random.choice(("history", "history", "dated", "dated", "dated", "from", "until"))
    moments = [row.ms for row in case.rows if row.date_text is None] or [_NOW - 100 * DAY]
    low, high = min(moments), max(moments)
    start, end = sorted(_draw_moment(random, case, low, high) for _ in range(2))
    if random.random() < 0.3:
        start = (
            from_ms(low).astimezone(case.behaviour.zone).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
        )
    if random.random() < 0.3:
        end = start + timedelta(days=random.choice((1, 20, 88, 89, 90, 91)))
    start, end = sorted((start, end))
    if random.random() < 0.15:
        start, end = (moment.replace(tzinfo=case.behaviour.zone, fold=random.randrange(2)) for moment in (start, end))
        start, end = sorted((start, end), key=to_ms)
    elif to_ms(start.replace(tzinfo=case.behaviour.zone)) > to_ms(end.replace(tzinfo=case.behaviour.zone)):
        end = start + timedelta(days=1)  # both in an hour that is left out
    return evolve(
        case.asked,
        start=start if shape in {"dated", "from"} else None,
        end=end if shape in {"dated", "until"} else None,
    )


def _draw_moment(random: Random, case: Case, low: int, high: int) -> datetime:
    ms = random.randrange(low - DAY, high + DAY + 1)
    if random.random() < 0.3:
        ms = random.choice([row.ms for row in case.rows if row.date_text is None] or [low])
    grain = random.choice((SECOND, HOUR, HOUR, DAY))
    return from_ms(ms // grain * grain).astimezone(case.behaviour.zone).replace(tzinfo=None, fold=0)


def _draw_stops(random: Random, case: Case) -> Plan:
    must = any(write.stop is not None for write in case.writes)
    if not must and random.random() < 0.6:
        return case.plan
    sizes = (case.asked.page_size, case.asked.page_size, *_PAGE_SIZES)
    stops = [random.randrange(len(case.rows) + 1) for _ in range(random.choice((1, 1, 2)))]
    return evolve(case.plan, stops=tuple(stops), page_sizes=tuple(random.choice(sizes) for _ in stops))


# Kinds of behaviour: the rows of the table, one function each


def _berlin(random: Random, case: Case) -> None:
    """Print local dates of a zone with summer time, with rows in the hour that comes twice."""
    case.behave(zone=BERLIN, iso=random.random() < 0.5, sort_by=random.choice(("ms", "ms", "second")))
    if not case.behaviour.iso:
        case.behave(sort_by=random.choice(("ms", "second", "wall")))
    middle = utc(random.choice(("2025-10-26 01:00:00", "2025-10-26 01:00:00", "2025-03-30 01:00:00")))
    moments = [middle + random.randrange(-3 * HOUR, 3 * HOUR) for _ in range(random.randrange(2, 12))]
    case.rows = _rows_at(random, sorted([row.ms for row in case.rows][: random.randrange(1, 40)] + moments))


def _other_date(random: Random, case: Case) -> None:
    case.behave(filter_on="other")
    shift = random.choice((HOUR, DAY, 5 * DAY, 400 * DAY))
    case.rows = [evolve(row, other_ms=row.ms - random.randrange(shift)) for row in case.rows]


def _writes_at_requests(random: Random, case: Case) -> list[int]:
    pages = len(case.rows) // case.asked.page_size + 3
    return sorted(random.randrange(1, pages + 1) for _ in range(random.choice((1, 1, 2, 3))))


def _appended(random: Random, case: Case) -> None:
    for number in _writes_at_requests(random, case):
        ms = _NOW + random.choice((0, 50, SECOND, MINUTE))
        case.writes.append(Write(request=number, adds=_new_rows(random, case, [ms] * random.choice((1, 1, 3)))))


def _past(random: Random, case: Case) -> None:
    for number in _writes_at_requests(random, case):
        case.writes.append(Write(request=number, adds=_past_rows(random, case)))


def _deleted(random: Random, case: Case) -> None:
    for number in _writes_at_requests(random, case):
        if case.rows:
            case.writes.append(Write(request=number, deletes=(random.randrange(len(case.rows)),)))


def _past_at_stop(random: Random, case: Case) -> None:
    case.writes.append(Write(stop=0, adds=_past_rows(random, case)))


def _deleted_at_stop(random: Random, case: Case) -> None:
    if case.rows:
        case.writes.append(Write(stop=0, deletes=(random.randrange(len(case.rows)),)))


def _past_rows(random: Random, case: Case) -> tuple[Row, ...]:
    moments = [row.ms for row in case.rows] or [_NOW - DAY]
    chosen = [random.randrange(min(moments) - HOUR, max(moments) + 1) for _ in range(random.choice((1, 1, 2)))]
    if random.random() < 0.3:
        chosen = [random.choice(moments) for _ in chosen]
    if case.rows and random.random() < 0.1:
        return (random.choice(case.rows),)  # becomes a twin
    return _new_rows(random, case, [ms // SECOND * SECOND for ms in chosen])


def _new_rows(random: Random, case: Case, moments: list[int]) -> tuple[Row, ...]:
    first = 8_000 + 10 * len(case.writes)
    return tuple(Row(ms, first + index, f"n{first + index}") for index, ms in enumerate(moments))


def _calendar_edge(random: Random, case: Case) -> None:
    text = random.choice(("0001-01-01 00:00:00.0", "9999-12-31 23:59:59.0", "9999-12-31 23:59:59.999"))
    naive = datetime.fromisoformat(text)
    ms = (naive - datetime(1970, 1, 1)) // timedelta(milliseconds=1)
    edge = Row(ms, 4_000, "edge", date_text=text)
    case.rows = [edge, *case.rows] if text < "2" else [*case.rows, edge]


def _surrogate(random: Random, case: Case) -> None:
    index = random.randrange(len(case.rows)) if case.rows else 0
    case.rows = [
        evolve(row, store_json='"\\ud83d half"') if number == index else row for number, row in enumerate(case.rows)
    ]


def _deep(random: Random, case: Case) -> None:
    code = random.choice((500_001, 11030, 11004, 9003, 1))
    refusal = Refusal(code, random.choice(("Result window is too large", *_TEXTS)), random.choice((200, 400)))
    case.behave(deep_rows=case.asked.page_size * random.choice((2, 3)) + random.choice((0, 0, 1)), deep_refusal=refusal)


def _changes(**choices: Sequence[Any]) -> Callable[[Random, Case], None]:
    """Return a kind that draws each of these switches from its choices."""

    def apply(random: Random, case: Case) -> None:
        case.behave(**{name: random.choice(values) for name, values in choices.items()})

    return apply


def _limit_cap(random: Random, case: Case) -> None:
    refusal = Refusal(random.choice((11006, 11029)), random.choice(_TEXTS), random.choice((200, 400)))
    case.behave(limit_cap=random.choice((1, 5, 10, 20, 50)), limit_refusal=random.choice((refusal, refusal, None)))


def _span_cap(random: Random, case: Case) -> None:
    refusal = Refusal(11010, random.choice(_TEXTS), random.choice((200, 400)))
    case.behave(
        span_cap=random.choice((30, 60)), span_refusal=refusal, span_counts=random.choice(("exact", "exact", "days"))
    )


def _hidden(random: Random, case: Case) -> None:
    share = random.choice((0.1, 0.3, 0.8))
    case.rows = [evolve(row, hidden=random.random() < share) for row in case.rows]


KINDS: dict[str, Callable[[Random, Case], None]] = {
    "unstable ties": _changes(ties=("random", "random", "id random", "rotating"), sort_by=("ms", "second")),
    "whole seconds": _changes(sort_by=("second",), dates=("ms",), iso=(True, False)),
    "summer time": _berlin,
    "other zone printed": _changes(zone=(INDIA,), iso=(True, False)),
    "appended": _appended,
    "written into the past": _past,
    "deleted": _deleted,
    "past at a stop": _past_at_stop,
    "deleted at a stop": _deleted_at_stop,
    "days only": _changes(day_only=("until", "through"), cut_bounds=("both", "start", "end")),
    "edges": _changes(start_inclusive=(True, False), end_inclusive=(True, False), compare_seconds=(True, False)),
    "zone of requests": _changes(filter_shift=(-840, -330, -60, 60, 330, 720, 840), zone=(INDIA,)),
    "other date": _other_date,
    "totals ignore dates": _changes(totals=("ignore dates",)),
    "totals stop": _changes(total_cap=(10, 20, 40)),
    "deep pages refused": _deep,
    "no totals": _changes(totals=("absent",), page_count=("absent", "right", "zero")),
    "totals of the page": _changes(totals=("page",), page_count=("absent", "right", "zero"), total_cap=(None,)),
    "no details": _changes(details=("never",)),
    "hidden rows": _hidden,
    "echo of page size": _changes(page_size=("shown", "absent", "zero", "more")),
    "echo of page count": _changes(page_count=("absent", "zero", "more")),
    "echo of page number": _changes(page_number=("absent", "zero", "more")),
    "pages from 1": _changes(offset=("from 1",)),
    "offset is an index": _changes(offset=("index",)),
    "limit cap": _limit_cap,
    "span cap": _span_cap,
    "lagging replicas": _changes(replicas=((0, 1), (0, 2), (3, 0, 0), (0, 10))),
    "nothing at all": _changes(empty=("nothing",)),
    "fixed direction": _changes(direction=("asc", "desc")),
    "no order": _changes(direction=("shuffled",)),
    "new order each time": _changes(direction=("reshuffled",)),
    "calendar edge": _calendar_edge,
    "surrogate": _surrogate,
    # Beyond the table.
    "last page repeated": _changes(beyond=("last page",)),
    "odd first page": _changes(first_short=(0, 1, 3)),
    "rewording": _changes(rewords=(True,)),
}
