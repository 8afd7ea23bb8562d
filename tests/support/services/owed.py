"""What a walk owes its caller: which entries, in which order, and which other endings are allowed."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

from attrs import frozen

from capledger import CapledgerError, DecodeError, IncompleteLedgerError
from support.clock import EPOCH
from support.services.rows import DAY, HOUR, SECOND, from_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from capledger import LedgerEntry
    from support.services.model import Service
    from support.services.rows import Row

#: Rows a page that documents allow at the most.
_LARGEST_PAGE = 100


@frozen(kw_only=True)
class Asked:
    """A query: naive bounds are the service's local time."""

    start: datetime | None = None
    end: datetime | None = None
    order: Literal["asc", "desc"] = "asc"
    page_size: int = 10


class Key(NamedTuple):
    """What identifies an entry; equal for twins."""

    event_id: int
    ms: int
    tag: str
    details: tuple[tuple[str, int, str, int, str | None], ...]


@frozen
class Owed:
    """What is to come of a walk."""

    required: Counter[Key]
    optional: Counter[Key]
    """May come or not: written, deleted or not yet replicated meanwhile."""
    buckets: dict[int, int]
    """For each date, the date that it counts as where the order of dates cannot be told."""
    errors: tuple[type[CapledgerError], ...]
    """Errors that are allowed."""
    provable: bool
    """False where ``complete`` would claim more than can be known."""
    lacks_rows: bool
    """Whether rows are counted that are never shown."""
    detectable: bool
    """False where no response shows that something is missing."""

    def problem(self, keys: Sequence[Key], *, order: str, whole: bool) -> str | None:
        """Return what is wrong with the entries that came, None if nothing is; *whole* if nothing may be lacking."""
        counts = Counter(keys)
        for key, count in counts.items():
            allowed = self.required[key] + self.optional[key]
            if count > allowed:
                return f"doubled {key}" if allowed else f"stray {key}"
        lost = self.required - counts
        if whole and lost:
            return f"lost {sum(lost.values())}, first {min(lost, key=lambda key: key.ms)}"
        dates = [self.buckets.get(key.ms, key.ms // SECOND * SECOND) for key in keys]
        if dates != sorted(dates, reverse=order == "desc"):
            return "misordered"
        return None


def key_of(entry: LedgerEntry) -> Key:
    """Return the identity of an entry as it came."""
    details = tuple(
        (
            detail.ledger_entry_type or "",
            int((detail.points or 0) * 100),
            detail.points_category or "",
            detail.program_id or 0,
            detail.alternate_currency_name,
        )
        for detail in entry.entry_details
    )
    return Key(entry.event_log_id, to_ms(entry.ledger_created_date), entry.till_code or "", details)


class Oracle:
    """Works out what is owed from the rows, the behaviour and the query, and nothing else."""

    def __init__(self, service: Service, asked: Asked) -> None:
        self._service = service
        self._asked = asked
        self._behaviour = service.behaviour
        self._start = None if asked.start is None else self._instant(asked.start)
        self._end = min(to_ms(EPOCH), to_ms(EPOCH) if asked.end is None else self._instant(asked.end))

    def _instant(self, moment: datetime) -> int:
        return to_ms(moment if moment.tzinfo is not None else moment.replace(tzinfo=self._behaviour.zone))

    def owed(self) -> Owed:
        """Return it; after the walk, since the requests show what could have been noticed."""
        service = self._service
        deleted = {index for write in service.writes for index in write.deletes}
        lag = max(self._behaviour.replicas)
        unsure = deleted | set(range(len(service.initial) - lag, len(service.initial)))
        added = [row for write in service.writes for row in write.adds]
        required = [
            row for index, row in enumerate(service.initial) if index not in unsure and self._membership(row) == "in"
        ]
        optional = [
            row for index, row in enumerate(service.initial) if index in unsure and self._membership(row) != "out"
        ]
        optional += [row for row in service.initial if self._membership(row) == "unclear"]
        optional += [row for row in added if self._membership(row) != "out"]
        return Owed(
            Counter(map(self.key, required)),
            Counter(map(self.key, optional)),
            self._buckets((*service.initial, *added)),
            tuple(self._errors()),
            self._provable(len(required)),
            any(row.hidden for row in service.initial),
            self._detectable(),
        )

    def key(self, row: Row) -> Key:
        """Return the identity of the entry that a row becomes."""
        details = tuple(
            (detail.entry_type, detail.amount, detail.category, detail.program_id, detail.currency)
            for detail in row.details
        )
        return Key(row.event_id, self._visible(row), row.tag, details)

    def _visible(self, row: Row) -> int:
        """Return the row's date as far as the response tells it; of an hour that comes twice, the first."""
        if row.date_text is not None:
            local = datetime.fromisoformat(row.date_text).replace(tzinfo=self._behaviour.zone)
            return to_ms(local)
        ms = row.ms if self._behaviour.dates == "ms" else row.ms // SECOND * SECOND
        if self._behaviour.iso or self._behaviour.zone is UTC:
            return ms
        return to_ms(from_ms(ms).astimezone(self._behaviour.zone).replace(fold=0))

    def _membership(self, row: Row) -> Literal["in", "out", "unclear"]:
        if row.hidden:
            return "out"
        visible = self._visible(row)
        inside = self._is_inside(visible)
        if visible // SECOND != row.ms // SECOND and row.date_text is None and self._is_inside(row.ms) != inside:
            return "unclear"
        return "in" if inside else "out"

    def _is_inside(self, ms: int) -> bool:
        return (self._start is None or self._start <= ms) and ms < self._end

    def _buckets(self, rows: Iterable[Row]) -> dict[int, int]:
        """Return one date for all of an hour that comes twice and is printed without its twin."""
        if self._behaviour.iso or self._behaviour.zone is UTC:
            return {}
        visible = [self._visible(row) for row in rows if row.date_text is None]
        return {ms: ms // HOUR * HOUR for ms in visible if self._is_repeated(ms)}

    def _is_repeated(self, ms: int) -> bool:
        local = from_ms(ms).astimezone(self._behaviour.zone)
        return local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()

    # What else is allowed

    def _detectable(self) -> bool:
        b, service = self._behaviour, self._service
        adds = any(write.adds for write in service.writes)
        deletes = any(write.deletes for write in service.writes)
        by_other_date = b.filter_on == "other" and self._asked.start is not None and not service.far_rows
        hides = b.first_short is not None or any(row.hidden for row in service.initial)
        cuts = b.limit_refusal is None and any(int(asked["limit"]) > b.limit_cap for asked in service.requests)
        stops_counting = b.total_cap is not None and b.total_cap <= len(service.initial)
        # a page that states its own rows as all, with room for more, says that none follow
        page_is_all = b.totals == "page" and (hides or cuts)
        # where the total does not count, rows that are gone leave no trace
        gone = (b.totals == "page" or stops_counting) and (deletes or hides or max(b.replicas) > 0)
        return not ((adds and deletes) or by_other_date or page_is_all or gone)

    def _page_sizes(self) -> list[int]:
        """Return how many rows the pages requested could hold."""
        return [min(int(params["limit"]), self._behaviour.limit_cap) for params in self._service.requests] or [1]

    def _provable(self, required: int) -> bool:
        b, rows = self._behaviour, self._service.initial
        no_totals = b.totals == "absent" or b.details == "never"
        if self._start is not None and self._end <= self._start:
            return True
        if not rows and not any(write.adds for write in self._service.writes):
            return not (b.empty == "nothing" or (b.empty == "plain" and no_totals))
        deleted = {index for write in self._service.writes for index in write.deletes}
        shown = [row for index, row in enumerate(rows[: len(rows) - max(b.replicas)]) if index not in deleted]
        if any(row.hidden and self._is_inside(self._visible(row)) for row in shown):
            return False
        ends_elsewhere = self._service.further_rows and required > max(self._page_sizes())
        return not ((no_totals and required) or (b.totals == "page" and ends_elsewhere))

    def _errors(self) -> Iterable[type[CapledgerError]]:
        """Yield the errors that the service may end a walk in; CapledgerError for any."""
        b, rows = self._behaviour, self._service.initial
        if self._is_hopeless():
            yield CapledgerError
        if (
            not self._provable(len(rows))
            or any(row.hidden for row in rows)
            or (b.empty == "nothing" and self._asked.start is not None)
            or (b.totals == "page" and len(rows) >= min(self._page_sizes()))
        ):
            yield IncompleteLedgerError
        if any(row.date_text is not None or row.store_json.startswith('"\\u') for row in rows):
            yield DecodeError

    def _is_hopeless(self) -> bool:
        b, service, rows = self._behaviour, self._service, self._service.initial
        writes = service.writes
        unordered = b.direction in {"shuffled", "reshuffled"}
        page = min(b.limit_cap, self._asked.page_size)
        return (
            any(write.deletes or write.stop is not None for write in writes)
            or max(b.replicas) > 0
            or (b.direction == "reshuffled" and len(rows) > page)
            or (unordered and bool(writes or b.deep_rows is not None or b.total_cap is not None))
            or (
                b.ties in {"random", "id random", "rotating"}
                and self._largest_second() > min(b.limit_cap, _LARGEST_PAGE) // 4
            )
            or self._cannot_be_counted()
        )

    def _cannot_be_counted(self) -> bool:
        """Return whether some windows are so dense, or windows so useless, that a limit on rows cannot be got round."""
        b = self._behaviour
        limits = [
            limit for limit in (b.deep_rows, b.total_cap) if limit is not None and limit <= len(self._service.initial)
        ]
        if not limits:
            return False
        return b.filter_on == "other" or b.totals != "right" or self._densest(4 * DAY) >= min(limits)

    def _largest_second(self) -> int:
        seconds = Counter(row.ms // SECOND for row in self._service.initial)
        return max(seconds.values(), default=0)

    def _densest(self, span: int) -> int:
        moments = sorted(row.ms for row in self._service.initial)
        low = most = 0
        for high, ms in enumerate(moments):
            while ms - moments[low] > span:
                low += 1
            most = max(most, high - low + 1)
        return most


def window_count(asked: Asked, rows: Sequence[Row], span_cap: int) -> int:
    """Return how many windows cover what was asked, at the most."""
    first = asked.start if asked.start is not None else from_ms(min((row.ms for row in rows), default=to_ms(EPOCH)))
    first = first if first.tzinfo is not None else first.replace(tzinfo=UTC)
    return max(1, (EPOCH - first) // timedelta(days=max(1, span_cap - 3)) + 2)
