"""Destinations of rows: Parquet, JSON lines, CSV, DuckDB, or a sink of your own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from capledger.backfill.sinks.csv import CsvSink
from capledger.backfill.sinks.duckdb import DuckDbSink
from capledger.backfill.sinks.jsonl import JsonLinesSink
from capledger.backfill.sinks.parquet import ParquetSink
from capledger.backfill.sinks.protocol import Chunks, Sink
from capledger.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Chunks", "CsvSink", "DuckDbSink", "JsonLinesSink", "ParquetSink", "Sink", "sink_for"]

#: The sink of each format.
FORMATS: Final[Mapping[str, Callable[[], Sink]]] = {
    "parquet": ParquetSink,
    "jsonl": JsonLinesSink,
    "csv": CsvSink,
    "duckdb": DuckDbSink,
}


def sink_for(name: str) -> Sink:
    """Return the sink of a format.

    Raises:
        InvalidQueryError: there is no such format.
    """
    if name not in FORMATS:
        raise InvalidQueryError(f"format must be one of {', '.join(FORMATS)}")
    return FORMATS[name]()
