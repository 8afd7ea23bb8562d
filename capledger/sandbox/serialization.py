"""Serialization of rows: date style, concept and JSON encoding."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from typing import Any, Final

import msgspec
from attrs import field, frozen

from capledger.sandbox.rows import LedgerRow, iso_date, java_date, legacy_date, plain_date, read_date
from capledger.sandbox.rules import DateStyle
from capledger.sandbox.zones import converted

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
#: A lone surrogate while the JSON is encoded, which UTF-8 cannot do: its four hexadecimal digits between two marks.
_MARKED: Final = re.compile("\uf8f0([0-9a-f]{4})\uf8f1".encode())
#: Date keys of a ledger entry, by the object they sit in ("" for the entry itself).
_ENTRY_DATES: Final = (("", "ledgerCreatedDate"), ("transactionDetails", "date"), ("eventDetails", "eventDate"))


def encode_json(body: object) -> bytes:
    r"""Return the JSON of a body: ``Decimal`` as numbers with the same digits, lone surrogates as ``\ud800``."""
    try:
        return _ENCODER.encode(body)
    except UnicodeEncodeError:
        return _MARKED.sub(rb"\\u\1", _ENCODER.encode(_marked(body)))


def _marked(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Return the value with its lone surrogates marked, so that they can be encoded."""
    if isinstance(value, str):
        return _SURROGATE.sub(lambda found: f"\uf8f0{ord(found[0]):04x}\uf8f1", value)
    if isinstance(value, list):
        return [_marked(item) for item in value]
    if isinstance(value, dict):
        return {key: _marked(item) for key, item in value.items()}
    return value


@frozen(cache_hash=True)
class RowFormat:
    """The format of rows in a response; rows are cached by format."""

    style: DateStyle
    zone: tzinfo
    """The zone that dates are printed in."""
    concepts: Mapping[str, tuple[int, str | None]] | None = field(default=None, eq=False)
    """Concept ids and names by store code with ``includeConceptDetails``; None without it."""
    with_concepts: bool = False
    """Compared in place of ``concepts``, which has no hash."""
    row_zone: tzinfo | None = None
    """The zone of the dates in rows; None if it is ``zone``."""

    def local(self, moment: datetime) -> datetime:
        """Return a naive moment of a row as a naive moment in the zone of the response."""
        return moment if self.row_zone is None else converted(moment, self.row_zone, self.zone)

    def encode(self, row: LedgerRow) -> bytes:
        """Return the JSON of a row."""
        return encode_json(self.formatted(row))

    def formatted(self, row: LedgerRow) -> LedgerRow:
        """Return the row with its dates in this style and zone, and its concept if selected."""
        unchanged = self.style == "fraction" and self.row_zone is None
        result = row if unchanged else self._with_dates(row)
        return result if self.concepts is None else result | self._concept(row)

    def _concept(self, row: LedgerRow) -> dict[str, Any]:
        concept_id, name = (self.concepts or {}).get(row.get("storeCode", ""), (-1, None))
        return {"conceptId": concept_id} if name is None else {"conceptId": concept_id, "conceptName": name}

    def _with_dates(self, row: LedgerRow) -> LedgerRow:
        changed = dict(row)
        for holder, key in _ENTRY_DATES:
            part = changed if not holder else changed.get(holder)
            if isinstance(part, dict) and isinstance(part.get(key), str):
                dates = self._dates(key, part[key])
                changed = changed | dates if not holder else changed | {holder: part | dates}
        return changed

    def _dates(self, key: str, string: str) -> dict[str, str]:
        """Return the date in the style and zone of the response; nothing for a date that no calendar has."""
        try:
            moment = self.local(read_date(string))
        except ValueError:
            return {}
        if self.style == "plain":
            return {key: plain_date(moment)}
        if self.style == "java" and key == "ledgerCreatedDate":
            return {key: java_date(moment, self.zone)}
        local = {} if self.row_zone is None else {key: _as_before(string)(moment)}
        return local | ({f"{key}ISO": iso_date(moment, self.zone)} if self.style == "iso" else {})

    def with_event_dates(self, body: Any, keys: frozenset[str]) -> Any:  # noqa: ANN401 - any JSON
        """Return event details with the dates under ``keys``, at any depth, in the style and zone of the response."""
        if isinstance(body, list):
            return [self.with_event_dates(item, keys) for item in body]
        if not isinstance(body, dict):
            return body
        changed = {key: self.with_event_dates(value, keys) for key, value in body.items()}
        for key in keys & body.keys():
            changed |= self._event_dates(key, body[key])
        return changed

    def _event_dates(self, key: str, string: str) -> dict[str, str]:
        moment = self.local(read_date(string))
        iso_dates = {f"{key}ISO": iso_date(moment, self.zone)} if self.style == "iso" else {}
        return {key: _as_before(string)(moment)} | iso_dates


def _as_before(string: str) -> Callable[[datetime], str]:
    """Return the function that prints dates as this one is printed: with a fraction or without."""
    return legacy_date if "." in string else plain_date
