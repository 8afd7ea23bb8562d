"""Results on stdout: a table for people, JSON lines or CSV for programs."""

from __future__ import annotations

import csv
import io
import os
import sys
from pathlib import Path
from tempfile import mkstemp
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec
from attrs import AttrsInstance, asdict, fields

from capledger.cli.exit_codes import UsageError, writing_to_stdout
from capledger.cli.tables import StdoutConsole, StreamingTable, TableColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Characters of a file's name that the temporary one begins with: names have limits.
_PREFIX = 100

T = TypeVar("T")
A = TypeVar("A", bound=AttrsInstance)
T_contra = TypeVar("T_contra", contravariant=True)


class ResultWriter(Protocol[T_contra]):
    """Writes results as they arrive; they have left the process when ``write`` returns."""

    def write(self, items: Sequence[T_contra]) -> None:
        """Write more results."""


class JsonWriter:
    """Writes one object a line: fields by their model names, amounts as strings with every digit, dates in ISO 8601."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()

    def write(self, items: Sequence[AttrsInstance]) -> None:
        """Write a line for each item."""
        _write_stdout(self._encoder.encode_lines([asdict(item) for item in items]))


class CsvWriter:
    """Writes one row an item: the columns are the model's fields, and nested values are JSON strings."""

    def __init__(self, model: type[AttrsInstance], *, header: bool = True) -> None:
        self._names = [item.name for item in fields(model)]
        self._header = header

    def write(self, items: Sequence[AttrsInstance]) -> None:
        """Write a row for each item, and the header before the first."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        if self._header:
            writer.writerow(self._names)
            self._header = False
        for item in items:
            values = msgspec.to_builtins(asdict(item))
            writer.writerow([_csv_cell(values[name]) for name in self._names])
        _write_stdout(text.getvalue().encode())


class TableWriter(Generic[T]):
    """Prints a table as wide as the terminal, page by page."""

    def __init__(self, columns: Sequence[TableColumn[T]]) -> None:
        self._table = StreamingTable(StdoutConsole(), columns)

    def write(self, items: Sequence[T]) -> None:
        """Print a row for each item."""
        if items:
            with writing_to_stdout():
                self._table.add(items)
                sys.stdout.flush()


def make_writer(
    model: type[A], columns: Sequence[TableColumn[A]], *, as_json: bool, as_csv: bool, header: bool = True
) -> ResultWriter[A]:
    """
    Return the writer for the options; a table without any.

    Raises:
        UsageError: both options are given.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv are two output formats: give one of them")
    if as_json:
        return JsonWriter()
    return CsvWriter(model, header=header) if as_csv else TableWriter(columns)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, all of it or nothing; a device is written to as it is."""
    if path.exists() and not path.is_file():
        path.write_bytes(content)
        return
    handle, temporary = mkstemp(prefix=f".{path.name[:_PREFIX]}", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _csv_cell(value: Any) -> str:  # noqa: ANN401 - a field's value of any type
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()


def _write_stdout(data: bytes) -> None:
    with writing_to_stdout():
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
