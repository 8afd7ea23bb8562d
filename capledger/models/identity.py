"""Identity of rows: a key that is the same for one row in every response, and the same for rows that are equal."""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from typing import TYPE_CHECKING

from capledger.moments import second_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from capledger.models import EntryDetail, LedgerEntry


def row_key(entry: LedgerEntry) -> int:
    """Return 64 bits of a hash over what identifies a row and never changes.

    That is the event, the moment it was written, and of each detail its type, amount, category, programme and currency;
    no name, and nothing that a release may add. Two rows may have the same key, so keys are counted.
    """
    moment = entry.ledger_created_date
    details = sorted(map(_detail_text, entry.entry_details))
    text = repr((entry.event_log_id, entry.event_name, second_of(moment), moment.microsecond, details))
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _detail_text(detail: EntryDetail | None) -> str:
    if detail is None:
        return ""
    amount = None if detail.points is None else _normalised(detail.points)
    parts = (detail.ledger_entry_type, amount, detail.points_category, detail.program_id)
    return repr((*parts, detail.alternate_currency_name))


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
