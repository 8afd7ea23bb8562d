"""The schema in Arrow's types, and record batches of rows."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from capledger.backfill.extras import import_extra
from capledger.backfill.schema import (
    COLUMNS,
    DECIMAL,
    INTEGER,
    JSON,
    PRECISION,
    SCALE,
    SCHEMA_VERSION,
    STRING,
    TIMESTAMP,
    Kind,
    ListOf,
    MapOf,
    Row,
    Struct,
    misfit_of,
    rows_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from capledger.many import OnOutcome, Queries
    from capledger.session import LedgerSession


def import_arrow() -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Return the module pyarrow.

    Raises:
        ConfigurationError: it is not installed.
    """
    return import_extra("pyarrow", "parquet")


@cache
def arrow_schema() -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Return the declared columns as a ``pyarrow.Schema``.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    pa = import_arrow()
    fields = [pa.field(column.name, _arrow_type(column.kind), nullable=not column.required) for column in COLUMNS]
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
    pa = import_arrow()
    try:
        return pa.RecordBatch.from_pylist(list(rows), schema=arrow_schema())
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise misfit_of(rows, lambda name, value: pa.array([value], arrow_schema().field(name).type)) from error


async def arrow_batches(
    session: LedgerSession,
    queries: Queries,
    *,
    rows: int = 10_000,
    max_in_flight: int = 16,
    on_outcome: OnOutcome | None = None,
) -> AsyncIterator[Any]:
    """Read many ledgers into record batches of pyarrow, without files.

    Iterate over it with ``async for``. Entries of one ledger are in order; those of several are mixed. No state is
    kept: for jobs of hours, use :class:`~capledger.backfill.Backfill`.

    Args:
        session: open.
        queries: as for ``session.stream_many``.
        rows: least number of rows in a batch, except the last.
        max_in_flight: ledgers being read at once.
        on_outcome: called with the outcome of each ledger; None: the first error ends the iteration and is raised.

    Raises:
        ConfigurationError: pyarrow is not installed.
        MisfitError: a value does not fit its column.
    """
    import_arrow()
    pending: list[Row] = []
    async for query, page in session.stream_many(queries, max_in_flight=max_in_flight, on_outcome=on_outcome):
        pending += rows_of(page.entries, query.identifier_name, query.identifier_value)
        if len(pending) >= rows:
            yield record_batch(pending)
            pending = []
    if pending:
        yield record_batch(pending)
