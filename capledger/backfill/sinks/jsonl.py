"""JSON lines, gzipped."""

from __future__ import annotations

import gzip
import shutil
from typing import IO, TYPE_CHECKING

import msgspec

from capledger.backfill.sinks.file_sink import FileSink
from capledger.frames.schema import misfit_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from capledger.backfill.sinks.protocol import Chunks

_LEVEL = 5


class JsonLinesSink(FileSink):
    """One object a line: amounts as strings with every digit received, timestamps in ISO 8601 and UTC."""

    format = "jsonl"
    suffix = ".jsonl.gz"

    def write_to(self, file: IO[bytes], chunks: Chunks) -> None:
        """Write a line for each row."""
        write_lines(file, chunks, level=_LEVEL)

    def copy_to(self, file: IO[bytes], paths: Sequence[Path]) -> None:
        """Copy the lines."""
        with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=_LEVEL, mtime=0) as compressed:
            for path in paths:
                with gzip.open(path, "rb") as source:
                    shutil.copyfileobj(source, compressed)


def write_lines(file: IO[bytes], chunks: Chunks, *, level: int) -> None:
    """Write rows as gzipped JSON lines; equal rows give equal bytes."""
    encoder = msgspec.json.Encoder(decimal_format="string")
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=level, mtime=0) as compressed:
        for rows in chunks:
            try:
                lines = encoder.encode_lines(rows)
            except (ValueError, TypeError, msgspec.MsgspecError) as error:
                raise misfit_of(rows, lambda _, value: encoder.encode(value)) from error
            compressed.write(lines)
