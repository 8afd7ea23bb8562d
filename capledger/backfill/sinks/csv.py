"""CSV, with nested values as JSON."""

from __future__ import annotations

import shutil
from datetime import datetime
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

import msgspec

from capledger.backfill.sinks.file_sink import FileSink
from capledger.frames.schema import COLUMN_NAMES, misfit_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from capledger.backfill.sinks.protocol import Chunks
    from capledger.frames.schema import Row


class CsvSink(FileSink):
    """A header, then a line an entry. Null is an empty field, an empty string is ``""``; strings are always quoted."""

    format = "csv"
    suffix = ".csv"

    def write_to(self, file: IO[bytes], chunks: Chunks) -> None:
        """Write the header and a line for each row."""
        file.write(",".join(COLUMN_NAMES).encode() + b"\n")
        for rows in chunks:
            try:
                lines = "".join(map(_line, rows)).encode()
            except (ValueError, TypeError) as error:
                raise misfit_of(rows, lambda _, value: cell(value).encode()) from error
            file.write(lines)

    def copy_to(self, file: IO[bytes], paths: Sequence[Path]) -> None:
        """Copy the header once, and the lines."""
        for number, path in enumerate(paths):
            with path.open("rb") as source:
                header = source.readline()
                file.write(b"" if number else header)
                shutil.copyfileobj(source, file)


def _line(row: Row) -> str:
    return ",".join(cell(row[name]) for name in COLUMN_NAMES) + "\n"


def cell(value: Any) -> str:  # noqa: ANN401 - whatever a column can hold
    """Return a value as a field of a CSV file."""
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


def quoted(string: str) -> str:
    """Return a string as a quoted field of a CSV file."""
    return '"' + string.replace('"', '""') + '"'
