"""The schema as Arrow has it, and record batches of rows."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from capledger.backfill.extras import import_extra
from capledger.backfill.schema import (
    COLUMNS,
    INTEGER,
    MOMENT,
    MONEY,
    PRECISION,
    SCALE,
    SCHEMA_VERSION,
    TEXT,
    Kind,
    ListOf,
    MapOf,
    Row,
    Struct,
    rows_of,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from capledger.many import OnOutcome, Queries
    from capledger.session import LedgerSession


def import_arrow() -> Any:  # noqa: ANN401  (pyarrow ships no types)
    """Give the module pyarrow.

    Raises:
        ConfigurationError: it is not installed.
    """
    return import_extra("pyarrow", "parquet")


@cache
def arrow_schema() -> Any:  # noqa: ANN401  (pyarrow ships no types)
    """Give the declared columns as a ``pyarrow.Schema``.

    Raises:
        ConfigurationError: pyarrow is not installed.
    """
    pa = import_arrow()
    fields = [pa.field(column.name, _arrow_type(column.kind), nullable=not column.required) for column in COLUMNS]
    return pa.schema(fields, metadata={"capledger.schema": str(SCHEMA_VERSION)})


def _arrow_type(kind: Kind) -> Any:  # noqa: ANN401  (pyarrow ships no types)
    pa = import_arrow()
    match kind:
        case Struct(fields):
            return pa.struct([pa.field(name, _arrow_type(item)) for name, item in fields])
        case ListOf(item):
            return pa.list_(pa.field("element", _arrow_type(item), nullable=False))
        case MapOf(value):
            return pa.map_(pa.string(), pa.field("value", _arrow_type(value), nullable=False))
    return {
        TEXT: pa.string(),
        INTEGER: pa.int64(),
        MONEY: pa.decimal128(PRECISION, SCALE),
        MOMENT: pa.timestamp("us", tz="UTC"),
    }[kind]


def record_batch(rows: Sequence[Row]) -> Any:  # noqa: ANN401  (pyarrow ships no types)
    """Give rows as a ``pyarrow.RecordBatch`` of the declared schema."""
    return import_arrow().RecordBatch.from_pylist(list(rows), schema=arrow_schema())


async def arrow_batches(
    session: LedgerSession,
    queries: Queries,
    *,
    rows: int = 10_000,
    max_in_flight: int = 16,
    on_outcome: OnOutcome | None = None,
) -> AsyncIterator[Any]:
    """Read many ledgers into record batches of pyarrow, without files.

    Iterate over it with ``async for``. Entries of one ledger come in order; those of several are mixed. Nothing is kept
    of how far it came: for jobs of hours, use :class:`~capledger.backfill.Backfill`.

    Args:
        session: open.
        queries: as for ``session.stream_many``.
        rows: of a batch, at least, but for the last.
        max_in_flight: ledgers being read at once.
        on_outcome: called with the outcome of each ledger; None: the first error ends all of it and is raised.

    Raises:
        ConfigurationError: pyarrow is not installed.
        MisfitError: a value does not fit its column.
    """
    import_arrow()
    held: list[Row] = []
    async for query, page in session.stream_many(queries, max_in_flight=max_in_flight, on_outcome=on_outcome):
        held += rows_of(page.entries, query.identifier_name, query.identifier_value)
        if len(held) >= rows:
            yield record_batch(held)
            held = []
    if held:
        yield record_batch(held)
