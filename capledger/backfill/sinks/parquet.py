"""Parquet: zstd, the declared schema, row groups of some ten thousand rows."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final

from capledger.backfill.sinks.file_sink import FileSink
from capledger.frames.arrow import arrow_schema, import_arrow, record_batch

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from capledger.backfill.sinks.protocol import Chunks

#: Rows of a row group; they are in memory, as Arrow arrays, until it is written.
_GROUP_ROWS: Final = 16_000


class ParquetSink(FileSink):
    """Files that pyarrow, DuckDB, polars and the warehouses read, amounts as ``decimal128(38, 9)``."""

    format = "parquet"
    suffix = ".parquet"

    def __init__(self) -> None:
        """Import the extra ``parquet``, so that its absence is reported before any request."""
        import_arrow()
        super().__init__()

    def write_to(self, file: IO[bytes], chunks: Chunks) -> None:
        """Write row groups."""
        from pyarrow import parquet  # noqa: PLC0415 - an extra, and slow to import

        with parquet.ParquetWriter(file, arrow_schema(), compression="zstd") as writer:
            group = _RowGroup(writer)
            for rows in chunks:
                group.add(record_batch(rows))
            group.write()

    def copy_to(self, file: IO[bytes], paths: Sequence[Path]) -> None:
        """Copy the rows into row groups of the usual size."""
        from pyarrow import parquet  # noqa: PLC0415 - an extra, and slow to import

        with parquet.ParquetWriter(file, arrow_schema(), compression="zstd") as writer:
            group = _RowGroup(writer)
            for path in paths:
                with parquet.ParquetFile(path) as source:
                    for batch in source.iter_batches(_GROUP_ROWS):
                        group.add(batch)
            group.write()


class _RowGroup:
    """Collects batches for a row group."""

    def __init__(self, writer: Any) -> None:  # noqa: ANN401 - pyarrow ships no types
        self._writer = writer
        self._batches: list[Any] = []
        self._rows = 0

    def add(self, batch: Any) -> None:  # noqa: ANN401 - pyarrow ships no types
        self._batches.append(batch)
        self._rows += batch.num_rows
        if self._rows >= _GROUP_ROWS:
            self.write()

    def write(self) -> None:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to import

        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches), row_group_size=self._rows)
        self._batches, self._rows = [], 0
        pa.default_memory_pool().release_unused()
