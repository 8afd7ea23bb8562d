"""Identity of rows: a key that is the same for one row in every response, and the same for rows that are equal."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from capledger.moments import second_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from decimal import Decimal

    from capledger.models import EntryDetail, LedgerEntry


class RowIdentity(NamedTuple):
    """What identifies a row and never changes: no name, and nothing that a release may add."""

    event_log_id: int
    event_name: str
    moment: datetime
    details: tuple[tuple[Any, ...] | None, ...]
    """Of each detail the type, amount, category, programme and currency."""


def identity_of(entry: LedgerEntry) -> RowIdentity:
    """Return what identifies a row, whatever becomes of the entry."""
    details = tuple(map(_detail_values, entry.entry_details))
    return RowIdentity(entry.event_log_id, entry.event_name, entry.ledger_created_date, details)


def key_of(identity: RowIdentity) -> int:
    """Return 64 bits of a hash over an identity; two rows may have the same key, so keys are counted."""
    event_log_id, event_name, moment, details = identity
    texts = sorted("" if detail is None else _detail_text(*detail) for detail in details)
    text = repr((event_log_id, event_name, second_of(moment), moment.microsecond, texts))
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def row_key(entry: LedgerEntry) -> int:
    """Return the key of a row."""
    return key_of(identity_of(entry))


_values = attrgetter("ledger_entry_type", "points", "points_category", "program_id", "alternate_currency_name")


def _detail_values(detail: EntryDetail | None) -> tuple[Any, ...] | None:
    return None if detail is None else _values(detail)


def _detail_text(kind: object, points: Decimal | None, category: object, program: object, currency: object) -> str:
    return repr((kind, None if points is None else _normalised(points), category, program, currency))


def _normalised(amount: Decimal) -> tuple[int, str, object]:
    """Return sign, digits and exponent without trailing zeros, whatever the precision of the decimal context."""
    sign, digits, exponent = amount.as_tuple()
    text = "".join(map(str, digits))
    kept = text.rstrip("0").lstrip("0")
    shift = len(text) - len(text.rstrip("0"))
    return (sign, kept, exponent + shift if isinstance(exponent, int) else exponent) if kept else (0, "", 0)


def keys_of(rows: Iterable[LedgerEntry]) -> Counter[int]:
    """Return the keys of rows, counted."""
    return Counter(map(row_key, rows))
