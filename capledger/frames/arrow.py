"""The columns in Arrow's types, and rows as record batches."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from capledger.frames.extras import import_extra
from capledger.frames.schema import (
    COLUMNS,
    DECIMAL,
    ENTRY_COLUMNS,
    INTEGER,
    JSON,
    PRECISION,
    SCALE,
    SCHEMA_VERSION,
    STRING,
    TIMESTAMP,
    Column,
    Kind,
    ListOf,
    MapOf,
    Row,
    Struct,
    entry_rows,
    misfit_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from capledger.models import LedgerEntry


def import_arrow() -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Return the module pyarrow.

    Raises:
        ConfigurationError: it is not installed.
    """
    return import_extra("pyarrow", "parquet")


@cache
def entry_schema() -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Return the columns of entries, without those of an identifier, as a ``pyarrow.Schema``.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    return schema_of(ENTRY_COLUMNS)


@cache
def arrow_schema() -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Return the declared columns as a ``pyarrow.Schema``.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    return schema_of(COLUMNS)


def schema_of(columns: Sequence[Column]) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Return columns as a ``pyarrow.Schema``."""
    pa = import_arrow()
    fields = [pa.field(column.name, _arrow_type(column.kind), nullable=not column.required) for column in columns]
    return pa.schema(fields, metadata={"capledger.schema": str(SCHEMA_VERSION)})


def _arrow_type(kind: Kind) -> Any:  # noqa: ANN401 - pyarrow ships no types
    pa = import_arrow()
    match kind:
        case Struct(fields):
            return pa.struct([pa.field(name, _arrow_type(item)) for name, item in fields])
        case ListOf(item):
            return pa.list_(pa.field("element", _arrow_type(item), nullable=False))
        case MapOf(value):
            return pa.map_(pa.string(), pa.field("value", _arrow_type(value), nullable=False))
    return {
        STRING: pa.string(),
        JSON: pa.string(),
        INTEGER: pa.int64(),
        DECIMAL: pa.decimal128(PRECISION, SCALE),
        TIMESTAMP: pa.timestamp("us", tz="UTC"),
    }[kind]


def record_batch(rows: Sequence[Row]) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Return rows as a ``pyarrow.RecordBatch`` of the declared schema.

    Raises:
        MisfitError: a value does not fit its column.
    """
    return _batch(rows, arrow_schema())


def entry_batch(entries: Sequence[LedgerEntry]) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Return entries as a ``pyarrow.RecordBatch``.

    Raises:
        MisfitError: a value does not fit its column.
    """
    return _batch(entry_rows(entries), entry_schema())


def _batch(rows: Sequence[Row], schema: Any) -> Any:  # noqa: ANN401 - pyarrow ships no types
    pa = import_arrow()
    try:
        return pa.RecordBatch.from_pylist(list(rows), schema=schema)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise misfit_of(rows, lambda name, value: pa.array([value], schema.field(name).type)) from error
