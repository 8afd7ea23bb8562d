"""What tells the rows of a ledger apart, for as long as a data set lives.

Rows are told apart by the key of :func:`capledger.models.identity.row_key`. It is computed from what the data set
holds, so that a state with keys of an earlier version is rewritten from there.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from decimal import Decimal  # noqa: TC003 - msgspec reads the annotations
from itertools import accumulate, pairwise
from operator import sub
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from capledger.models import EntryDetail, LedgerEntry
from capledger.models.identity import row_key
from capledger.moments import second_of, to_local, to_utc

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Incremented when the key of a row changes; a test has keys of this version.
KEY_VERSION: Final = 1
_KEY_BYTES: Final = 8


class HeldRow(NamedTuple):
    """A row that is held, as far as it is compared."""

    second: int
    """The second by which a service may sort it, as a POSIX time."""
    key: int


class StoredDetail(msgspec.Struct, array_like=True, frozen=True):
    """What identifies a detail of an entry."""

    ledger_entry_type: str | None
    points: Decimal | None
    points_category: str | None
    program_id: int | None
    alternate_currency_name: str | None


class StoredEntry(msgspec.Struct, array_like=True, frozen=True):
    """What identifies an entry, as a data set holds it."""

    event_log_id: int
    event_name: str
    created: datetime
    """In UTC."""
    details: tuple[StoredDetail, ...]

    @classmethod
    def of(cls, entry: LedgerEntry) -> StoredEntry:
        """Return what identifies an entry of a response."""
        details = ((getattr(detail, name) for name in _DETAIL_FIELDS) for detail in entry.entry_details)
        created = to_utc(entry.ledger_created_date)
        return cls(entry.event_log_id, entry.event_name, created, tuple(StoredDetail(*values) for values in details))

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> StoredEntry:
        """Return what identifies a row of a data file."""
        created, details = row["ledger_created_date"], row["entry_details"]
        return cls(
            int(row["event_log_id"]),
            row["event_name"],
            to_utc(created if isinstance(created, datetime) else datetime.fromisoformat(created)),
            tuple(msgspec.convert([item[name] for name in _DETAIL_FIELDS], StoredDetail) for item in details),
        )

    def entry(self, zone: tzinfo) -> LedgerEntry:
        """Return an entry with these values and no others, its date in a zone."""
        details = [EntryDetail(**{name: getattr(detail, name) for name in _DETAIL_FIELDS}) for detail in self.details]
        return LedgerEntry(self.event_log_id, self.event_name, to_local(self.created, zone), entry_details=details)


_DETAIL_FIELDS: Final = StoredDetail.__struct_fields__


class RowKeys:
    """Computes keys; dates count in the zone of the server's clock, whatever zone they come in.

    Args:
        zone: of the server's clock.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone

    def row(self, entry: LedgerEntry | StoredEntry) -> HeldRow:
        """Return second and key of a row."""
        local = self._local(entry)
        return HeldRow(second_of(local.ledger_created_date), row_key(local))

    def event(self, entry: LedgerEntry | StoredEntry) -> int:
        """Return the key of a row without its amounts, which an amendment keeps."""
        local = self._local(entry)
        details = [EntryDetail(**_of_detail(detail)) for detail in local.entry_details]
        return row_key(
            LedgerEntry(local.event_log_id, local.event_name, local.ledger_created_date, entry_details=details)
        )

    def rows(self, entries: Iterable[LedgerEntry | StoredEntry]) -> list[HeldRow]:
        """Return second and key of rows, the newest first."""
        return sorted(map(self.row, entries), reverse=True)

    def _local(self, entry: LedgerEntry | StoredEntry) -> LedgerEntry:
        if isinstance(entry, StoredEntry):
            return entry.entry(self._zone)
        if entry.ledger_created_date.tzinfo is self._zone:
            return entry
        date = to_local(entry.ledger_created_date, self._zone)
        return LedgerEntry(entry.event_log_id, entry.event_name, date, entry_details=entry.entry_details)


def _of_detail(detail: EntryDetail) -> dict[str, Any]:
    return {name: getattr(detail, name) for name in _DETAIL_FIELDS if name != "points"}


def encode_rows(rows: Sequence[HeldRow]) -> bytes:
    """Return rows, the newest first, as about a dozen bytes each."""
    seconds = [row.second for row in rows]
    steps = [before - after for before, after in pairwise(seconds)]
    return msgspec.msgpack.encode((seconds[:1] + steps, b"".join(row.key.to_bytes(_KEY_BYTES) for row in rows)))


def decode_rows(encoded: bytes) -> list[HeldRow]:
    """Return the rows of bytes."""
    steps, keys = msgspec.msgpack.decode(encoded, type=tuple[list[int], bytes])
    seconds = accumulate(steps, sub)
    chunks = (keys[start : start + _KEY_BYTES] for start in range(0, len(keys), _KEY_BYTES))
    return [HeldRow(second, int.from_bytes(key)) for second, key in zip(seconds, chunks, strict=True)]


def utc_text(moment: datetime) -> str:
    """Return a moment in ISO 8601 and UTC, as data files have it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
