"""Entries from any source: models, dictionaries as a backfill writes them, Arrow batches and DuckDB results."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol, runtime_checkable

import msgspec
from attrs import fields

from capledger.models import EntryDetail, LedgerEntry, TransactionDetails


@runtime_checkable
class EntryRelation(Protocol):
    """A DuckDB relation, as far as it is read."""

    @property
    def columns(self) -> Sequence[str]:
        """Return the names of the columns."""

    def iter_rows(self) -> Iterator[Sequence[Any]]:
        """Yield the rows."""


class EntryCursor(Protocol):
    """A DuckDB connection with a result, as far as it is read."""

    @property
    def description(self) -> Any:  # noqa: ANN401 - a list of columns
        """Return the columns; the first item of each is its name."""

    def fetchmany(self, size: int) -> Sequence[Sequence[Any]]:
        """Return the next rows, none at the end."""


#: What the functions of this package take. An item may also be a batch of Arrow, which has ``to_pylist``.
EntrySource = Iterable[LedgerEntry | Mapping[str, Any] | Any] | EntryRelation | EntryCursor

_ROWS_AT_ONCE: Final = 1_000
_DETAIL_NAMES: Final = frozenset(item.name for item in fields(EntryDetail))


def entries_of(source: EntrySource) -> Iterator[LedgerEntry]:
    """Yield the entries of a source, one at a time.

    Raises:
        TypeError: it is a walk, an item is no entry, or an amount is a float, which cannot be exact.
    """
    if isinstance(source, AsyncIterable):
        raise TypeError("a walk cannot be read here: pass await walk.collect()")
    for item in source if isinstance(source, Iterable) else _rows_of(source):
        if isinstance(item, LedgerEntry):
            yield item
        elif isinstance(item, Mapping):
            yield _entry(item)
        elif hasattr(item, "to_pylist"):
            yield from map(_entry, item.to_pylist())
        else:
            raise TypeError(f"entries must be LedgerEntry or dictionaries, not {type(item).__name__}")


def _rows_of(source: EntryRelation | EntryCursor) -> Iterator[dict[str, Any]]:
    if isinstance(source, EntryRelation):
        for row in source.iter_rows():
            yield dict(zip(source.columns, row, strict=True))
        return
    names = [column[0] for column in source.description]
    while rows := source.fetchmany(_ROWS_AT_ONCE):
        for row in rows:
            yield dict(zip(names, row, strict=True))


def _entry(row: Mapping[str, Any]) -> LedgerEntry:
    """Return the entry of a row, with the fields that books need."""
    transaction = _nested(row.get("transaction_details")) or {}
    return LedgerEntry(
        event_log_id=_integer(row["event_log_id"]),
        event_name=row["event_name"],
        ledger_created_date=_date(row["ledger_created_date"]),
        customer_id=_integer(row.get("customer_id")),
        entry_details=[_detail(detail) for detail in _nested(row.get("entry_details")) or ()],
        net_points_on_event=_amount(row.get("net_points_on_event")),
        net_alternate_currencies_on_event=_nets(_nested(row.get("net_alternate_currencies_on_event"))),
        transaction_details=TransactionDetails(transaction_id=transaction.get("transaction_id")),
    )


def _nested(value: Any) -> Any:  # noqa: ANN401 - a list or a dictionary
    """Return a nested value, which is JSON in rows of CSV."""
    return msgspec.json.decode(value) if isinstance(value, str) and value else value


def _integer(value: Any) -> Any:  # noqa: ANN401 - an integer or None
    return (int(value) if value else None) if isinstance(value, str) else value


def _detail(detail: Mapping[str, Any]) -> EntryDetail:
    known = {name: value for name, value in detail.items() if name in _DETAIL_NAMES}
    return EntryDetail(**known | {"points": _amount(detail.get("points"))})


def _nets(nets: Any) -> dict[str, Decimal]:  # noqa: ANN401 - a dictionary, or the pairs of Arrow's maps
    amounts = {name: _amount(value) for name, value in dict(nets or {}).items()}
    return {name: amount for name, amount in amounts.items() if amount is not None}


def _amount(value: Any) -> Decimal | None:  # noqa: ANN401 - checked here
    if value is None or isinstance(value, Decimal):
        return value
    if value == "":  # null in rows of CSV
        return None
    if isinstance(value, str | int):
        return Decimal(value)
    raise TypeError("an amount is a float, which is not exact: pass Decimal or strings")


def _date(value: Any) -> datetime:  # noqa: ANN401 - checked here
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
