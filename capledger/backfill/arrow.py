"""Many ledgers as record batches, without files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from capledger.frames.arrow import import_arrow, record_batch
from capledger.frames.schema import rows_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from capledger.frames.schema import Row
    from capledger.many import OnOutcome, Queries
    from capledger.session import LedgerSession


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
