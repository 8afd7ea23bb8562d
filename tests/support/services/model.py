"""The modelled service: parameters of a request in, status and body of the response out."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from itertools import groupby
from random import Random
from typing import TYPE_CHECKING, Any

from attrs import frozen

from support.services.behaviour import Behaviour, Refusal
from support.services.rows import DAY, MINUTE, SECOND, Row, from_ms, to_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from support.services.behaviour import Write

_NONE = {"status": False, "code": 11003, "message": "There are no ledger entries present for the given parameters."}
_DAY = timedelta(days=1)


class Refused(Exception):  # noqa: N818 - a response of the service, not a failure of it
    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal


@frozen
class Bounds:
    """What a request's dates select: each bound in milliseconds and whether it belongs to the range."""

    lower: int
    upper: int
    asked_lower: int
    asked_upper: int


class Service:
    """A service with one customer.

    Args:
        rows: the ledger at the start, in the order of writing.
        behaviour: how it behaves.
        writes: what changes meanwhile.
        seed: of everything random.
        most: requests it answers before it says that the client spins.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        behaviour: Behaviour | None = None,
        *,
        writes: Sequence[Write] = (),
        seed: int = 0,
        most: int = 2_000,
    ) -> None:
        self.initial = tuple(rows)
        self.behaviour = behaviour or Behaviour()
        self.writes = tuple(writes)
        self.requests: list[dict[str, str]] = []
        self.responses: list[tuple[int, bytes]] = []
        self.overrun = False
        self.far_rows = False
        """Whether a page showed rows far outside of the dates asked for."""
        self.further_rows = False
        """Whether a page behind the first one showed rows."""
        self.most = most
        """Requests that are answered before the client is said to spin."""
        self._random = Random(seed)
        self._numbered = list(enumerate(rows))
        self._next_index = len(rows)
        self._shuffle = {index: self._random.random() for index in range(len(rows) + 100)}
        self._printed: dict[tuple[int, bool], bytes] = {}
        self._ordered: dict[tuple[str, int], list[tuple[int, Row]]] = {}

    @property
    def latency(self) -> float:
        """Draw the seconds that the next response takes."""
        return self._random.choice(self.behaviour.latency)

    def respond(self, params: Mapping[str, str]) -> tuple[int, bytes]:
        """Respond to a request."""
        number = len(self.requests)
        self.requests.append(dict(params))
        if number >= self.most:
            self.overrun = True
            raise RuntimeError("the client spins")
        self._write(write for write in self.writes if write.request == number)
        try:
            response = 200, self._page(params, number)
        except Refused as refused:
            response = _refusal(refused.refusal)
        self.responses.append(response)
        return response

    def stop(self, number: int) -> None:
        """Apply what changes at a stop of the walk."""
        self._write(write for write in self.writes if write.stop == number)

    def _write(self, writes: Iterable[Write]) -> None:
        for write in writes:
            self._ordered.clear()
            gone = set(write.deletes)
            self._numbered = [item for item in self._numbered if item[0] not in gone]
            self._numbered += enumerate(write.adds, start=self._next_index)
            self._next_index += len(write.adds)

    # Which rows

    def _page(self, params: Mapping[str, str], number: int) -> bytes:
        b = self.behaviour
        limit = self._limit(int(params.get("limit", "10")))
        bounds = self._bounds(params)
        everything = self._sorted(params.get("order", "DESC"))
        rows = everything if bounds is None else self._filtered(everything, bounds)
        offset = int(params.get("offset", "0"))
        first = {"page": offset * limit, "from 1": max(0, offset - 1) * limit, "index": offset}[b.offset]
        if b.deep_rows is not None and first and first + limit > b.deep_rows:
            raise Refused(b.deep_refusal)
        if b.beyond == "last page" and rows and first >= len(rows):
            first = (len(rows) - 1) // limit * limit
        held = rows[first : first + limit]
        shown = [item for item in held if not item[1].hidden]
        if number == 0 and b.first_short is not None:
            shown = shown[: b.first_short]
        if bounds is not None and any(_is_far(row, bounds) for _, row in shown):
            self.far_rows = True
        if first and shown:
            self.further_rows = True
        if not held and b.empty in {"error400", "error200", "text code"}:
            code: Any = "11003" if b.empty == "text code" else 11003
            raise Refused(Refusal(code, str(_NONE["message"]), 400 if b.empty == "error400" else 200))
        total = len(everything if b.totals == "ignore dates" else rows)
        details = self._details(total, offset if b.offset != "index" else first // limit, limit, len(shown))
        return self._body(shown, None if not held and b.empty == "nothing" else details, number, is_empty=not held)

    def _limit(self, limit: int) -> int:
        b = self.behaviour
        if limit <= b.limit_cap:
            return limit
        if b.limit_refusal is not None:
            raise Refused(b.limit_refusal)
        return b.limit_cap

    def _bounds(self, params: Mapping[str, str]) -> Bounds | None:
        b = self.behaviour
        start, end = (
            datetime.fromisoformat(params[name]) if name in params else None for name in ("startDate", "endDate")
        )
        if start is None and end is None:
            return None
        start = start or (end or datetime.max) - b.span_cap * _DAY  # noqa: DTZ901 - never used
        end = end or start + b.span_cap * _DAY
        days = (end.date() - start.date()).days + 1 if b.span_counts == "days" else (end - start) / _DAY
        if days > b.span_cap:
            raise Refused(b.span_refusal)
        asked = self._instant(start), self._instant(end)
        if b.day_only != "no" and b.cut_bounds != "end":
            start = datetime.combine(start.date(), time.min)
        if b.day_only != "no" and b.cut_bounds != "start":
            end = datetime.combine(end.date(), time.min) + (_DAY if b.day_only == "through" else 0 * _DAY)
        shift = b.filter_shift * MINUTE
        through = b.day_only == "through" and b.cut_bounds != "start"
        lower = self._instant(start) + shift + (0 if b.start_inclusive else 1)
        upper = self._instant(end) + shift + (0 if b.end_inclusive and not through else -1)
        return Bounds(lower, upper, *asked)

    def _instant(self, local: datetime) -> int:
        zone = UTC if self.behaviour.sort_by == "wall" else self.behaviour.zone
        return to_ms(local.replace(tzinfo=zone))

    def _filtered(self, rows: list[tuple[int, Row]], bounds: Bounds) -> list[tuple[int, Row]]:
        b = self.behaviour
        grain = SECOND if b.compare_seconds else 1
        lower, upper = bounds.lower // grain * grain, bounds.upper
        return [item for item in rows if lower <= self._filter_date(item[1]) // grain * grain <= upper]

    def _filter_date(self, row: Row) -> int:
        if self.behaviour.filter_on == "other" and row.other_ms is not None:
            return row.other_ms
        return self.wall(row) if self.behaviour.sort_by == "wall" else row.ms

    def wall(self, row: Row) -> int:
        """Return the row's printed date as if it were one of UTC."""
        if row.date_text is not None:
            return row.ms
        return to_ms(from_ms(row.ms).astimezone(self.behaviour.zone).replace(tzinfo=UTC))

    # In which order

    def _sorted(self, order: str) -> list[tuple[int, Row]]:
        b = self.behaviour
        direction = order if b.direction == "honoured" else b.direction.upper()
        lag = b.replicas[0] if len(b.replicas) == 1 else self._random.choice(b.replicas)
        if b.ties in {"random", "id random", "rotating"} or direction == "RESHUFFLED":
            return self._sort(direction, lag)
        rows = self._ordered.get((direction, lag))
        if rows is None:
            rows = self._ordered[direction, lag] = self._sort(direction, lag)
        return rows

    def _sort(self, direction: str, lag: int) -> list[tuple[int, Row]]:
        rows = self._numbered[: len(self._numbered) - lag] if lag else list(self._numbered)
        if direction == "RESHUFFLED":
            self._random.shuffle(rows)
        elif direction == "SHUFFLED":
            rows.sort(key=lambda item: self._shuffle[item[0]])
        else:
            self._sort_ties(rows)
            sign = -1 if direction == "DESC" else 1
            if sign < 0 and self.behaviour.ties == "along":
                rows.reverse()
            rows.sort(key=lambda item: sign * self._sort_key(item[1]))
        return self._rotated(rows) if self.behaviour.ties == "rotating" else rows

    def _rotated(self, rows: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
        turned: list[tuple[int, Row]] = []
        for _, group in groupby(rows, key=lambda item: self._sort_key(item[1])):
            equals = list(group)
            by = (len(self.requests) - 1) % len(equals)
            turned += equals[by:] + equals[:by]
        return turned

    def _sort_ties(self, rows: list[tuple[int, Row]]) -> None:
        match self.behaviour.ties:
            case "along" | "id" | "rotating":
                rows.sort(key=lambda item: (item[1].event_id, item[0]))
            case "id desc":
                rows.sort(key=lambda item: (-item[1].event_id, -item[0]))
            case "random":
                self._random.shuffle(rows)
            case "id random":
                self._random.shuffle(rows)
                rows.sort(key=lambda item: item[1].event_id)

    def _sort_key(self, row: Row) -> int:
        match self.behaviour.sort_by:
            case "second":
                return row.ms // SECOND
            case "wall":
                return self.wall(row)
        return row.ms

    # How they are written

    def _details(self, total: int, number: int, limit: int, shown: int) -> dict[str, int] | None:
        b = self.behaviour
        stated = {"absent": total, "page": shown}.get(b.totals, total)
        if b.total_cap is not None:
            stated = min(stated, b.total_cap)
        details: dict[str, int] = {}
        _echo(details, "pageNumber", b.page_number, number, shown)
        _echo(details, "pageSize", b.page_size, limit, shown)
        if b.totals != "absent":
            details["totalEntries"] = stated
        _echo(details, "pageCount", b.page_count, -(-stated // limit), shown)
        return details if b.details == "always" else None

    def _body(
        self, shown: list[tuple[int, Row]], details: dict[str, int] | None, number: int, *, is_empty: bool
    ) -> bytes:
        parts = [b"{"]
        if details is not None:
            parts.append(b'"customerDetails":{"userId":564332013,"entityType":"CUSTOMER"},"ledgerDetails":')
            parts += [json.dumps(details).encode(), b","]
        other = self.behaviour.rewords and number % 2 == 1
        rows = b",".join([self._row_json(index, row, other=other) for index, row in shown])
        warnings = [_NONE] if is_empty and self.behaviour.empty == "warning" else []
        parts += [b'"ledgerEntries":[', rows, b'],"warnings":', json.dumps(warnings).encode(), b"}"]
        return b"".join(parts)

    def _row_json(self, index: int, row: Row, *, other: bool) -> bytes:
        printed = self._printed.get((index, other))
        if printed is None:
            printed = self._printed[index, other] = self._print(row, other=other)
        return printed

    def _print(self, row: Row, *, other: bool) -> bytes:
        digits, name = (4, "Renamed programme") if other else (2, "Programme")
        details = ",".join(
            f'{{"ledgerEntryType":"{detail.entry_type}","points":"{detail.amount / 100:.{digits}f}",'
            f'"pointsCategory":"{detail.category}","programName":"{name}","programId":{detail.program_id}'
            + (f',"alternateCurrencyName":"{detail.currency}"}}' if detail.currency else "}")
            for detail in row.details
        )
        event_date = row.date_text or self._date_text(row.ms if row.other_ms is None else row.other_ms)
        return (
            f'{{"eventLogId":{row.event_id},"eventName":"TransactionAdd","customerId":564332013,'
            f'{self._dates(row)},"customerDetails":null,"entryDetails":[{details}],"netPointsOnEvent":"1.000",'
            f'"transactionDetails":{{}},"store":{row.store_json},"storeCode":"s1","tillCode":"{row.tag}",'
            f'"eventDetails":{{"eventDate":"{event_date}"}},"orgId":null}}'
        ).encode()

    def _dates(self, row: Row) -> str:
        text = row.date_text or self._date_text(row.ms)
        if not self.behaviour.iso or row.date_text is not None:
            return f'"ledgerCreatedDate":"{text}"'
        precision = "milliseconds" if self.behaviour.dates == "ms" else "seconds"
        iso = from_ms(row.ms).astimezone(self.behaviour.zone).isoformat(timespec=precision).replace("+00:00", "Z")
        return f'"ledgerCreatedDate":"{text}","ledgerCreatedDateISO":"{iso}"'

    def _date_text(self, ms: int) -> str:
        local = from_ms(ms).astimezone(self.behaviour.zone).replace(tzinfo=None)
        match self.behaviour.dates:
            case "ms":
                return local.isoformat(" ", "milliseconds")
            case "second":
                return local.isoformat(" ", "seconds") + ".0"
        return local.isoformat(" ", "seconds")


def _echo(details: dict[str, int], name: str, echo: str, right: int, shown: int) -> None:
    if echo != "absent":
        details[name] = {"right": right, "shown": shown, "zero": 0, "more": right + 1}[echo]


def _is_far(row: Row, bounds: Bounds) -> bool:
    return not bounds.asked_lower - 2 * DAY <= row.ms <= bounds.asked_upper + 2 * DAY


def _refusal(refusal: Refusal) -> tuple[int, bytes]:
    error = {"status": False, "code": refusal.code, "message": refusal.message}
    return refusal.status, json.dumps({"errors": [error]}).encode()
