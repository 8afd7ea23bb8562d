"""Files of customers: CSV with a header, or JSON lines; read as a stream, errors name the line."""

from __future__ import annotations

import csv
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final, Unpack

import msgspec

from capledger.errors import InvalidQueryError
from capledger.queries import CustomerLedgerQuery

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from capledger.queries.options import CustomerLedgerOptions

_REQUIRED: Final = ("identifier_name", "identifier_value")
_KNOWN: Final = (*_REQUIRED, "source", "account_id")
_HEADER_HINT: Final = f"{','.join(_REQUIRED)}[,source][,account_id]"
STDIN: Final = "-"


class CustomersError(InvalidQueryError):
    """A file of customers cannot be read; the message has the number of the line, and nothing of its content."""


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    identifier_name: str
    identifier_value: str | int
    source: str | None = None
    account_id: str | int | None = None


def read_customers(path: Path | str, **options: Unpack[CustomerLedgerOptions]) -> Iterator[CustomerLedgerQuery]:
    """Yield a query for each customer of a file; ``-`` is standard input.

    Args:
        path: CSV with the header ``identifier_name,identifier_value[,source][,account_id]``, or JSON lines with those
            keys, in UTF-8. A file that begins with ``{`` is JSON lines.
        options: for each query: ``start``, ``end`` and so on.

    Raises:
        CustomersError: the file does not exist, or a line of it cannot be used.
    """
    with _open_file(path) as file:
        yield from read_lines(file, **options)


@contextmanager
def _open_file(path: Path | str) -> Iterator[IO[bytes]]:
    if str(path) == STDIN:
        yield sys.stdin.buffer
        return
    try:
        file = open(path, "rb")  # noqa: PTH123, SIM115 - closed below; a path may be a string
    except OSError as error:
        raise CustomersError(f"the file of customers cannot be read: {error.strerror}") from None
    with file:
        yield file


def read_lines(file: Iterable[bytes], **options: Unpack[CustomerLedgerOptions]) -> Iterator[CustomerLedgerQuery]:
    """Yield a query for each customer of some lines, as :func:`read_customers` does."""
    lines = _Lines(file)
    first = next(lines, None)
    if first is None:
        raise CustomersError("the file of customers is empty")
    read = _read_json if first.startswith("{") else _read_csv
    for values in read(first, lines):
        with lines.located_errors():
            yield _query(values, options)


class _Lines:
    """Decoded lines that are not blank, and the number of the last one."""

    def __init__(self, file: Iterable[bytes]) -> None:
        self._file = iter(file)
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for line in self._file:
            self.number += 1
            with self.located_errors():
                decoded = line.decode("utf-8-sig" if self.number == 1 else "utf-8")
            if decoded.strip():
                return decoded
        raise StopIteration

    @contextmanager
    def located_errors(self) -> Iterator[None]:
        """Add the number of the line to an error."""
        try:
            yield
        except UnicodeDecodeError:
            raise self.error("it is not UTF-8") from None
        except csv.Error as error:
            raise self.error(str(error)) from None
        except msgspec.DecodeError as error:
            raise self.error(str(error)) from None
        except InvalidQueryError as error:
            raise (error if isinstance(error, CustomersError) else self.error(str(error))) from None

    def error(self, message: str) -> CustomersError:
        """Return an error of the current line."""
        return CustomersError(f"line {self.number} of the customers: {message}")


def _read_json(first: str, lines: _Lines) -> Iterator[dict[str, Any]]:
    decoder = msgspec.json.Decoder(_Record)
    line: str | None = first
    while line is not None:
        with lines.located_errors():
            record = decoder.decode(line)
        yield {name: getattr(record, name) for name in _KNOWN}
        line = next(lines, None)


def _read_csv(first: str, lines: _Lines) -> Iterator[dict[str, Any]]:
    names = [name.strip() for name in next(csv.reader([first]))]
    _check_header(names, lines)
    reader = csv.reader(lines, strict=True)
    while True:
        with lines.located_errors():
            values = next(reader, None)
        if values is None:
            return
        if len(values) != len(names):
            raise lines.error(f"it has {len(values)} fields, and the header {len(names)}")
        yield dict(zip(names, values, strict=True))


def _check_header(names: list[str], lines: _Lines) -> None:
    if not set(_REQUIRED) <= set(names):
        raise lines.error(f"it must be the header, {_HEADER_HINT}")
    if not set(names) <= set(_KNOWN) or len(set(names)) < len(names):
        raise lines.error(f"the header may contain each of these once, and no other: {', '.join(_KNOWN)}")


def _query(values: dict[str, Any], options: CustomerLedgerOptions) -> CustomerLedgerQuery:
    stripped = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
    own: dict[str, Any] = {**options, **{name: stripped[name] for name in _REQUIRED}}
    if stripped.get("source"):
        own["source"] = stripped["source"]
    if stripped.get("account_id") not in ("", None):
        own["account_id"] = str(stripped["account_id"])
    return CustomerLedgerQuery(**own)
