"""Serialization of rows: date style, concept and JSON encoding."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any, Final

import msgspec
from attrs import field, frozen

from capledger.sandbox.rows import Row, iso_date, java_date, plain_date, read_date
from capledger.sandbox.rules import DateStyle

_ENCODER = msgspec.json.Encoder(decimal_format="number")
#: Date keys of a ledger entry, by the object they sit in ("" for the entry itself).
_ENTRY_DATES: Final = (("", "ledgerCreatedDate"), ("transactionDetails", "date"), ("eventDetails", "eventDate"))


@frozen(cache_hash=True)
class RowFormat:
    """The format of rows in a response; rows are cached by format."""

    style: DateStyle
    zone: tzinfo
    concepts: Mapping[str, tuple[int, str | None]] | None = field(default=None, eq=False)
    """Concept ids and names by store code with ``includeConceptDetails``; None without it."""
    with_concepts: bool = False
    """Compared in place of ``concepts``, which has no hash."""

    def encode(self, row: Row) -> bytes:
        """Return the JSON of a row; ``Decimal`` amounts become numbers with the same digits."""
        return _ENCODER.encode(self.formatted(row))

    def formatted(self, row: Row) -> Row:
        """Return the row with its dates in this style, and its concept if selected."""
        result = self._redated(row) if self.style != "fraction" else row
        return result if self.concepts is None else result | self._concept(row)

    def _concept(self, row: Row) -> dict[str, Any]:
        concept_id, name = (self.concepts or {}).get(row.get("storeCode", ""), (-1, None))
        return {"conceptId": concept_id} if name is None else {"conceptId": concept_id, "conceptName": name}

    def _redated(self, row: Row) -> Row:
        changed = dict(row)
        for holder, key in _ENTRY_DATES:
            part = changed if not holder else changed.get(holder)
            if isinstance(part, dict) and isinstance(part.get(key), str):
                dates = self._dates(key, read_date(part[key]))
                changed = changed | dates if not holder else changed | {holder: part | dates}
        return changed

    def _dates(self, key: str, moment: datetime) -> dict[str, str]:
        if self.style == "plain" or (self.style == "java" and key != "ledgerCreatedDate"):
            return {key: plain_date(moment)} if self.style == "plain" else {}
        if self.style == "java":
            return {key: java_date(moment, self.zone)}
        return {f"{key}ISO": iso_date(moment, self.zone)}


def with_iso_dates(body: Any, zone: tzinfo, keys: frozenset[str]) -> Any:  # noqa: ANN401 - any JSON
    """Return the body with an ISO date beside every legacy date under one of ``keys``, at any depth."""
    if isinstance(body, list):
        return [with_iso_dates(item, zone, keys) for item in body]
    if not isinstance(body, dict):
        return body
    iso_dates = {f"{key}ISO": iso_date(read_date(body[key]), zone) for key in keys & body.keys()}
    return {key: with_iso_dates(value, zone, keys) for key, value in body.items()} | iso_dates
