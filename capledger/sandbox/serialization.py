"""How a row is written into an answer: its date style and its concept, encoded to JSON."""

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
class Look:
    """What an answer makes of its rows; rows keep their encoding by look."""

    style: DateStyle
    zone: tzinfo
    #: Concept ids and names by store code, where ``includeConceptDetails`` asks for them; None where it does not.
    concepts: Mapping[str, tuple[int, str | None]] | None = field(default=None, eq=False)
    #: Stands for ``concepts`` in comparisons: a mapping has no hash.
    with_concepts: bool = False

    def encode(self, row: Row) -> bytes:
        """The JSON of one row; amounts given as ``Decimal`` are written as numbers with the same digits."""
        return _ENCODER.encode(self.dress(row))

    def dress(self, row: Row) -> Row:
        """The row with its dates in this style and its concept, if asked for."""
        dressed = self._redated(row) if self.style != "fraction" else row
        return dressed if self.concepts is None else dressed | self._concept(row)

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


def with_twins(body: Any, zone: tzinfo, keys: frozenset[str]) -> Any:  # noqa: ANN401  # any JSON
    """The body with an ISO twin beside every legacy date under one of ``keys``, at any depth."""
    if isinstance(body, list):
        return [with_twins(item, zone, keys) for item in body]
    if not isinstance(body, dict):
        return body
    twins = {f"{key}ISO": iso_date(read_date(body[key]), zone) for key in keys & body.keys()}
    return {key: with_twins(value, zone, keys) for key, value in body.items()} | twins
