"""Files of customers as they come: CSV of any spreadsheet, or JSON lines; read as a stream.

What cannot be used is refused with the number of its line and what to do; no message has any content of a line.
"""

from __future__ import annotations

import csv
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack

import msgspec
from attrs import define, field

from capledger.backfill.customer_lines import TextLines, open_lines
from capledger.backfill.customer_values import (
    check_csv_value,
    check_identifier,
    check_json_value,
    digits_of_mobile,
    looks_like_customer,
)
from capledger.backfill.errors import CustomersError
from capledger.queries import CustomerLedgerQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path
    from typing import Self

    from capledger.queries.options import CustomerLedgerOptions

T = TypeVar("T")

#: Columns that name the customer by themselves, with the identifier's name in the API.
IDENTIFIER_COLUMNS: Final = {"mobile": "mobile", "email": "email", "external_id": "externalId", "customer_id": "id"}
#: Columns that name the customer together.
_PAIR: Final = ("identifier_name", "identifier_value")
_OPTIONAL: Final = ("source", "account_id")
#: All columns that are read.
COLUMNS: Final = (*_PAIR, *_OPTIONAL, *IDENTIFIER_COLUMNS)
#: Columns of ``set-aside.csv`` that say nothing about the customer.
_OUR_OWN: Final = frozenset({"state", "code", "error"})
_SEPARATORS: Final = ",;\t|"


@define
class CustomersReport:
    """What was found in a file of customers, brought up to date as it is read."""

    rows: int = 0
    """Number of customers read, duplicates included."""
    ignored_columns: tuple[str, ...] = ()
    """Headers of the columns that were not used."""
    reformatted: int = 0
    """Number of mobile numbers brought to digits, such as ``+91 74064 01004``."""


class CustomerReader:
    """Iterator over the queries of a file of customers; ``report`` has what was found in it."""

    def __init__(self, queries: Iterator[CustomerLedgerQuery], report: CustomersReport) -> None:
        self._queries = queries
        self.report = report
        """What was found so far."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> CustomerLedgerQuery:
        return next(self._queries)


def read_customers(
    path: Path | str, *, column_names: Mapping[str, str] | None = None, **options: Unpack[CustomerLedgerOptions]
) -> CustomerReader:
    """Return an iterator over a query for each customer of a file; ``-`` is standard input.

    Args:
        path: CSV with a header, or JSON lines (a file that begins with ``{``). A customer is named by the columns
            ``identifier_name`` and ``identifier_value``, or by one of ``mobile``, ``email``, ``external_id`` and
            ``customer_id``; ``source`` and ``account_id`` are optional, and other columns are ignored. Encoding
            (UTF-8 or UTF-16), separator, line ends and case of the header are detected.
        column_names: headers of columns under other names, e.g. ``{"mobile": "Phone"}``.
        options: for each query: ``start``, ``end`` and so on.

    Raises:
        CustomersError: the file cannot be read, has no customers, or a line of it cannot be used; raised while
            iterating.
        InvalidQueryError: ``column_names`` has an unknown name.
    """
    _check_column_names(column_names or {})
    report = CustomersReport()
    return CustomerReader(_read_file(path, dict(column_names or {}), options, report), report)


def read_lines(
    file: Iterable[bytes], column_names: Mapping[str, str] | None = None, **options: Unpack[CustomerLedgerOptions]
) -> CustomerReader:
    """Return an iterator over a query for each customer of some bytes, as :func:`read_customers` does."""
    report = CustomersReport()
    return CustomerReader(_read(TextLines(file), dict(column_names or {}), options, report), report)


def _check_column_names(column_names: Mapping[str, str]) -> None:
    for name in column_names:
        if name not in COLUMNS:
            raise CustomersError(f"there is no column {name}: choose from {', '.join(COLUMNS)}")


def _read_file(
    path: Path | str, column_names: dict[str, str], options: CustomerLedgerOptions, report: CustomersReport
) -> Iterator[CustomerLedgerQuery]:
    with open_lines(path) as lines:
        yield from _read(lines, column_names, options, report)


def _read(
    lines: TextLines, column_names: dict[str, str], options: CustomerLedgerOptions, report: CustomersReport
) -> Iterator[CustomerLedgerQuery]:
    first = next(lines, None)
    if first is None:
        raise CustomersError("the file of customers is empty")
    rows: Iterator[Any]
    read_row: Callable[[Any], dict[str, str]]
    if _is_json(first):
        rows, read_row = chain([first], lines), _read_json
    else:
        rows, read_row = _open_csv(first, lines, column_names, report)

    def read(row: Any) -> CustomerLedgerQuery:  # noqa: ANN401 - a line of JSON, or the fields of one of CSV
        with lines.located_errors():
            return _make_query(read_row(row), options, report)

    for row in rows:
        try:
            query = read(row)
        except CustomersError as error:
            raise CustomersError(f"{error.message}{_describe_more(_count_unusable(rows, read))}") from None
        report.rows += 1
        yield query
    if not report.rows:
        raise CustomersError("the file has a header and no customers")


def _is_json(first: str) -> bool:
    """Return whether a file with this first line is JSON lines.

    Raises:
        CustomersError: it is a document of JSON.
    """
    if first.lstrip().startswith("[") and first.strip("[ \t\r\n")[:1] in ("", "{", '"'):
        raise CustomersError("the file of customers is a JSON array: write one object a line")
    return first.lstrip().startswith("{")


def _count_unusable(rows: Iterator[T], read: Callable[[T], CustomerLedgerQuery]) -> int:
    """Return how many of the rows that are left cannot be used, as far as the file can be divided into rows."""
    count = 0
    with suppress(CustomersError):
        for row in rows:
            try:
                read(row)
            except CustomersError:
                count += 1
    return count


def _describe_more(count: int) -> str:
    if not count:
        return ""
    return "; another line cannot be used either" if count == 1 else f"; {count:,} more lines cannot be used either"


def _make_query(row: dict[str, str], options: CustomerLedgerOptions, report: CustomersReport) -> CustomerLedgerQuery:
    name, value = row["identifier_name"], row["identifier_value"]
    if name.casefold() == "mobile":
        value = digits_of_mobile(row["identifier_value"])
    check_identifier(name, value)
    if value != row["identifier_value"]:
        report.reformatted += 1
    own: dict[str, Any] = {**options, "identifier_name": name, "identifier_value": value}
    own.update((key, row[key]) for key in _OPTIONAL if row.get(key))
    return CustomerLedgerQuery(**own)


# JSON lines


class _Record(msgspec.Struct, forbid_unknown_fields=True):
    identifier_name: str | None = None
    identifier_value: str | int | None = None
    mobile: str | int | None = None
    email: str | None = None
    external_id: str | int | None = None
    customer_id: str | int | None = None
    source: str | None = None
    account_id: str | int | None = None


_DECODER: Final = msgspec.json.Decoder(_Record)


def _read_json(line: str) -> dict[str, str]:
    record = _DECODER.decode(line.encode(errors="surrogateescape"))
    given = {key: value for key, value in msgspec.structs.asdict(record).items() if value is not None}
    values = {key: str(value).strip() for key, value in given.items()}
    for name, value in values.items():
        check_json_value(name, value)
    return _identified(values)


def _identified(values: dict[str, str]) -> dict[str, str]:
    """Return the values with the identifier as a pair of name and value."""
    names = [name for name in IDENTIFIER_COLUMNS if values.get(name)]
    pairs = [name for name in _PAIR if values.get(name)]
    if len(names) + (1 if pairs else 0) != 1 or len(pairs) == 1:
        raise CustomersError(
            f"it must name the customer once: by {' and '.join(_PAIR)}, or by one of {', '.join(IDENTIFIER_COLUMNS)}"
        )
    if not names:
        return values
    return {**values, "identifier_name": IDENTIFIER_COLUMNS[names[0]], "identifier_value": values[names[0]]}


# CSV


def _open_csv(
    first: str, lines: TextLines, column_names: dict[str, str], report: CustomersReport
) -> tuple[Iterator[list[str]], Callable[[list[str]], dict[str, str]]]:
    """Return the fields of each line below the header, and how to read them."""
    with lines.located_errors():
        separator, header = _sniff(first, lines, {*_BY_KEY, *map(_key, column_names.values())})
        names = _split_header(header, separator)
        columns = _Columns.of_header(names, column_names)
    report.ignored_columns = columns.ignored
    return _split_rows(lines, separator), columns.read


def _split_rows(lines: TextLines, separator: str) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        lines.begin_row()
        with lines.located_errors():
            fields = next(reader, None)
        if fields is None:
            return
        if any(value.strip() for value in fields):
            yield fields


def _sniff(first: str, lines: TextLines, known: AbstractSet[str]) -> tuple[str, str]:
    """Return the separator and the header; a first line ``sep=;`` of a spreadsheet names the separator."""
    stripped = first.strip()
    if stripped[:4].lower() == "sep=" and len(stripped) == len("sep=") + 1:
        return stripped[-1], next(lines, "")
    return max(_SEPARATORS, key=lambda separator: _columns_by(separator, first, known)), first


def _columns_by(separator: str, header: str, known: AbstractSet[str]) -> tuple[bool, int]:
    """Return whether a separator divides the header into columns of which one is known, and into how many."""
    names = _split_header(header, separator)
    return any(_key(name) in known for name in names), len(names)


def _split_header(header: str, separator: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([header], delimiter=separator), [])]


def _key(header: str) -> str:
    """Return a header without case, spaces and punctuation: ``External ID``, ``externalId`` and ``external_id``."""
    return "".join(character for character in header.lower() if character.isalnum())


_BY_KEY: Final = {_key(name): name for name in COLUMNS}


@define
class _Columns:
    """Positions of the columns of a CSV file."""

    positions: dict[str, int]
    size: int
    ignored: tuple[str, ...]
    identifier: str | None = field(default=None)
    """The column that names the customer by itself; None where it takes the pair."""

    @classmethod
    def of_header(cls, header: list[str], column_names: dict[str, str]) -> Self:
        """Find the columns in a header."""
        known = {**_BY_KEY, **{_key(there): name for name, there in column_names.items()}}
        keys = [_key(name) for name in header]
        _check_header(header, keys, column_names)
        positions: dict[str, int] = {}
        for position, key in enumerate(keys):
            column = known.get(key)
            if column is None or _key(column_names.get(column, key)) != key:
                continue
            if column in positions:
                raise CustomersError(f"the header has the column {column} twice: rename one of them")
            positions[column] = position
        return cls._of_positions(positions, header, column_names)

    @classmethod
    def _of_positions(cls, positions: dict[str, int], header: list[str], column_names: dict[str, str]) -> Self:
        identifier = None if set(_PAIR) <= set(positions) else _choose_identifier(positions, column_names)
        used = {*_OPTIONAL, *(_PAIR if identifier is None else (identifier,))} & set(positions)
        read = {positions[name] for name in used}
        names = [name for position, name in enumerate(header) if position not in read and name not in {"", *_OUR_OWN}]
        ignored = tuple(name.encode(errors="replace").decode() for name in names)
        return cls({name: positions[name] for name in used}, len(header), ignored, identifier)

    def read(self, fields: list[str]) -> dict[str, str]:
        """Return the values of a line by the names of their columns."""
        if len(fields) < self.size or any(value.strip() for value in fields[self.size :]):
            count = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
            raise CustomersError(
                f"it has {count}, and the header {self.size}: put quotes around values with a separator"
            )
        values = {name: fields[position].strip() for name, position in self.positions.items()}
        for name, value in values.items():
            check_csv_value(name, value)
        if self.identifier is None:
            return values
        value = values.pop(self.identifier)
        return {**values, "identifier_name": IDENTIFIER_COLUMNS[self.identifier], "identifier_value": value}


def _check_header(header: list[str], keys: list[str], column_names: dict[str, str]) -> None:
    if [name for name in header if looks_like_customer(name)]:
        raise CustomersError(f"it names a customer: put a header before it, such as {','.join(_PAIR)}")
    for name, there in column_names.items():
        if _key(there) not in keys:
            raise CustomersError(f"the header has no column for {name}: check column_names")


def _choose_identifier(positions: dict[str, int], column_names: dict[str, str]) -> str:
    """Return the column that names the customer; one that was given a name is preferred."""
    found = [name for name in IDENTIFIER_COLUMNS if name in positions]
    chosen = [name for name in found if name in column_names] or found
    if not chosen:
        raise CustomersError(
            f"it must be a header with {' and '.join(_PAIR)}, or with one of {', '.join(IDENTIFIER_COLUMNS)}; "
            "name others with column_names"
        )
    if len(chosen) > 1:
        raise CustomersError(
            f"the header names the customer by {' and by '.join(chosen)}: choose one with column_names"
        )
    return chosen[0]
