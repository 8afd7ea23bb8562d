"""Results on stdout: a table for people, JSON lines or CSV for programs."""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import msgspec
from attrs import AttrsInstance, asdict, fields

from capledger.cli.exit_codes import UsageError
from capledger.cli.tables import Column, FlowingTable, StdoutConsole

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")
A = TypeVar("A", bound=AttrsInstance)
T_contra = TypeVar("T_contra", contravariant=True)


class Writer(Protocol[T_contra]):
    """Takes results as they come; what was taken has left the process when ``write`` returns."""

    def write(self, items: Sequence[T_contra]) -> None:
        """Write some more."""


class JsonLines:
    """One object a line: fields by their model names, amounts as texts with every digit, dates in ISO 8601."""

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()

    def write(self, items: Sequence[AttrsInstance]) -> None:
        """Write a line for each."""
        _put(self._encoder.encode_lines([asdict(item) for item in items]))


class Csv:
    """One row an item: the model's fields are the columns, and what is nested is JSON text."""

    def __init__(self, model: type[AttrsInstance], *, header: bool = True) -> None:
        self._names = [item.name for item in fields(model)]
        self._header = header

    def write(self, items: Sequence[AttrsInstance]) -> None:
        """Write a row for each, the names of the columns before the first."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        if self._header:
            writer.writerow(self._names)
            self._header = False
        for item in items:
            values = msgspec.to_builtins(asdict(item))
            writer.writerow([_cell(values[name]) for name in self._names])
        _put(text.getvalue().encode())


class TableWriter(Generic[T]):
    """A table as wide as the terminal, printed page by page."""

    def __init__(self, columns: Sequence[Column[T]]) -> None:
        self._table = FlowingTable(StdoutConsole(), columns)

    def write(self, items: Sequence[T]) -> None:
        """Print a row for each."""
        if items:
            self._table.add(items)
            sys.stdout.flush()


def writer_for(
    model: type[A], columns: Sequence[Column[A]], *, as_json: bool, as_csv: bool, header: bool = True
) -> Writer[A]:
    """
    The writer that was asked for; a table when none was.

    Raises:
        UsageError: two were.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv are two ways to write: give one of them")
    if as_json:
        return JsonLines()
    return Csv(model, header=header) if as_csv else TableWriter(columns)


def _cell(value: Any) -> str:  # noqa: ANN401  (whatever a field can hold)
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()


def _put(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
