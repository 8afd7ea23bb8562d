"""Bytes of a file of customers as numbered lines, whatever wrote them: UTF-8 or UTF-16, any line ends."""

from __future__ import annotations

import codecs
import csv
import re
import sys
from contextlib import contextmanager
from io import BufferedReader
from typing import TYPE_CHECKING, BinaryIO, Final

import msgspec

from capledger.backfill.errors import CustomersError
from capledger.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Self

STDIN: Final = "-"
#: First bytes of files that are no lists, and what to do with them.
_NOT_LISTS: Final = (
    (b"PK\x03\x04", "a workbook or a ZIP archive: export the sheet as CSV UTF-8, or unpack the archive"),
    (b"\xd0\xcf\x11\xe0", "a workbook: export the sheet as CSV UTF-8"),
    (b"\x1f\x8b", "compressed with gzip: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"),
    (b"\xfd7zXZ\x00", "compressed with xz: unpack it first"),
    (b"BZh91AY", "compressed with bzip2: unpack it first"),
    (b"PAR1\x15", "a Parquet file: write it as CSV or as JSON lines"),
    (b"SQLite f", "a database: export the table as CSV"),
    (b"%PDF-", "a PDF: make a CSV file of it"),
)
#: Bytes that tell them from lists.
_START: Final = 8
#: What the csv module says where the file ends within a value.
_OPEN_QUOTE: Final = "unexpected end of data"
_NEVER_CLOSED: Final = "a quote is opened and never closed: close it, or double it within a quoted value"
#: What the csv and msgspec modules say of lines, and what to do about them.
_TOO_LONG: Final = "field larger than field limit"
_UNKNOWN_FIELD: Final = re.compile(r"Object contains unknown field (`.*`)")
_CUT_OFF: Final = "Input data was truncated"
_CHUNK: Final = 65_536
_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@contextmanager
def open_lines(path: Path | str) -> Iterator[TextLines]:
    """Open a file, or standard input for ``-``.

    Raises:
        CustomersError: there is no such file, or it cannot be read.
    """
    if str(path) == STDIN:
        if sys.stdin is None:
            raise CustomersError("standard input is closed: name a file of customers")
        yield TextLines(_read_chunks(sys.stdin.buffer))
        return
    with _reading_errors():
        file = open(path, "rb")  # noqa: PTH123, SIM115 - closed below; a path may be a string
    with file:
        yield TextLines(_read_chunks(file))


def _read_chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := _read_chunk(file):
        yield chunk


def _read_chunk(file: BinaryIO) -> bytes:
    with _reading_errors():
        return file.read1(_CHUNK) if isinstance(file, BufferedReader) else file.read(_CHUNK)


@contextmanager
def _reading_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CustomersError(f"the file of customers cannot be read: {error.strerror}") from None


class TextLines:
    """Iterator over the decoded lines of some bytes that are not blank, each ending with a line feed.

    Args:
        chunks: the bytes, in pieces of any size.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._lines = _split(chunks)
        self._number = 0
        self._first_of_row = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        for line in self._lines:
            self._number += 1
            if line.strip():
                self._first_of_row = self._first_of_row or self._number
                return line
        raise StopIteration

    def begin_row(self) -> None:
        """Take the next line for the first one of a row, which may have several."""
        self._first_of_row = 0

    @contextmanager
    def located_errors(self) -> Iterator[None]:
        """Add the number of the line to an error, and turn foreign errors into ours."""
        try:
            yield
        except (csv.Error, msgspec.DecodeError, InvalidQueryError, UnicodeError) as error:
            if str(error) == _OPEN_QUOTE:
                raise CustomersError(f"line {self._first_of_row} of the customers: {_NEVER_CLOSED}") from None
            raise CustomersError(f"line {self._number} of the customers: {_in_words(str(error))}") from None


def _in_words(message: str) -> str:
    """Return what to do about a line for the messages of parsers that do not say it."""
    if message.startswith(_TOO_LONG):
        return "a value has more than 131,072 characters: close its quote, or remove it"
    if message == _CUT_OFF:
        return "the JSON object is cut off: write each object on a line of its own"
    if field := _UNKNOWN_FIELD.match(message):
        return f"it has the unknown field {field[1]}: remove it, or write CSV, where other columns are ignored"
    return message


def _split(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield lines; a carriage return, a line feed, or both end one."""
    rest = ""
    for decoded in _decode(iter(chunks)):
        rest += decoded
        *lines, rest = _universal(rest)
        yield from lines
    if rest:
        yield rest.replace("\r", "\n")


def _universal(decoded: str) -> list[str]:
    """Return complete lines, and last what may not be complete: a carriage return may be followed by a line feed."""
    held = "\r" if decoded.endswith("\r") else ""
    normal = decoded.removesuffix("\r").replace("\r\n", "\n").replace("\r", "\n")
    lines = normal.split("\n")
    return [*(f"{line}\n" for line in lines[:-1]), lines[-1] + held]


def _decode(chunks: Iterator[bytes]) -> Iterator[str]:
    """Yield decoded pieces; what is not a character becomes one that no value may have."""
    first = next(chunks, b"")
    while len(first) < _START and (more := next(chunks, b"")):
        first += more
    for start, reason in _NOT_LISTS:
        if first.startswith(start):
            raise CustomersError(f"the file of customers is {reason}")
    encoding = _encoding_of(first)
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    decoder = codecs.getincrementaldecoder(encoding)(errors)
    yield decoder.decode(first)
    for chunk in chunks:
        yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def _encoding_of(start: bytes) -> str:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return encoding
    zeros_at_odd, zeros_at_even = start[1::2].count(0), start[::2].count(0)
    if max(zeros_at_odd, zeros_at_even) * 4 > len(start):
        return "utf-16-le" if zeros_at_odd > zeros_at_even else "utf-16-be"
    return "utf-8"
