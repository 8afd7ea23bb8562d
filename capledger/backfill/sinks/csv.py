"""CSV, with what is nested as JSON text."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

import msgspec

from capledger.backfill.schema import COLUMN_NAMES
from capledger.backfill.sinks.file_sink import FileSink

if TYPE_CHECKING:
    from capledger.backfill.schema import Row
    from capledger.backfill.sinks.protocol import Chunks


class CsvSink(FileSink):
    """A header, then a row an entry. Null is an empty field and an empty text is ``""``; texts are always quoted."""

    format = "csv"
    suffix = ".csv"

    def write_to(self, file: IO[bytes], chunks: Chunks) -> None:
        """Write the names of the columns and a line for each row."""
        file.write(",".join(COLUMN_NAMES).encode() + b"\n")
        for rows in chunks:
            file.write("".join(map(_line, rows)).encode())


def _line(row: Row) -> str:
    return ",".join(_cell(row[name]) for name in COLUMN_NAMES) + "\n"


def _cell(value: Any) -> str:  # noqa: ANN401  (whatever a column can hold)
    match value:
        case None:
            return ""
        case str():
            return quoted(value)
        case int():
            return str(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
    return quoted(msgspec.json.encode(value).decode())


def quoted(text: str) -> str:
    """Give a text as a field of a CSV file, in quotes."""
    return '"' + text.replace('"', '""') + '"'
