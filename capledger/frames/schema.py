"""The columns of entries as tables: declared here once, and the same in every format and every file.

Each format derives its own types from this (Arrow in ``arrow.py``, DuckDB in ``backfill/sinks/duckdb.py``), and so does
the staging of a backfill in ``job.sqlite``. A value that does not fit its column is refused by :func:`pack`, never
rounded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypedDict, cast

import msgspec
from attrs import define, frozen

from capledger.errors import CapledgerError

if TYPE_CHECKING:
    from capledger.models import LedgerEntry

#: Written into the manifest; incremented when a column changes.
SCHEMA_VERSION: Final = 1

#: Digits of an amount in total, and after the point.
PRECISION, SCALE = 38, 9

#: An entry by the names of the columns: strings, ints, Decimals, datetimes in UTC, lists, dicts and None.
Row = dict[str, Any]


@define(slots=False)
class MisfitError(CapledgerError):
    """A value of an entry does not fit its column; the customer is set aside, and nothing is rounded or cut."""

    path: str = ""
    """The column, such as ``entry_details.points``; empty where a custom sink does not name it."""


class Scalar(Enum):
    """A single value."""

    STRING = "string"
    INTEGER = "integer"
    """Signed, 64 bits."""
    DECIMAL = "decimal"
    """``decimal128(38, 9)``."""
    TIMESTAMP = "timestamp"
    """Microseconds, in UTC."""
    JSON = "json"
    """Any value, as JSON in a string."""


@frozen
class Struct:
    """Named values; null as a whole, or each of them."""

    fields: tuple[tuple[str, Kind], ...]


@frozen
class ListOf:
    """Any number of structs, never null."""

    item: Struct


@frozen
class MapOf:
    """Amounts by name, never null."""

    value: Scalar


Kind = Scalar | Struct | ListOf | MapOf
STRING, INTEGER, DECIMAL, TIMESTAMP, JSON = (
    Scalar.STRING,
    Scalar.INTEGER,
    Scalar.DECIMAL,
    Scalar.TIMESTAMP,
    Scalar.JSON,
)


@frozen
class Column:
    """One column."""

    name: str
    kind: Kind
    required: bool = False
    """Whether it is never null."""


_ENTRY_DETAIL = Struct(
    (
        ("ledger_entry_type", STRING),
        ("points", DECIMAL),
        ("points_category", STRING),
        ("program_name", STRING),
        ("program_id", INTEGER),
        ("alternate_currency_name", STRING),
    )
)
_TRANSACTION_DETAILS = Struct(
    (
        ("transaction_id", INTEGER),
        ("transaction_number", STRING),
        ("date", TIMESTAMP),
        ("date_iso", TIMESTAMP),
        ("amount", DECIMAL),
        ("gross_bill_amount", DECIMAL),
        ("source", STRING),
    )
)
_EVENT_DETAILS = Struct(
    (
        ("event_date", TIMESTAMP),
        ("event_date_iso", TIMESTAMP),
        ("event_display_name", STRING),
        ("promotion_name", STRING),
        ("promotion_description", STRING),
        ("promotion_identifier", STRING),
        ("promotion_id", INTEGER),
        ("reason", STRING),
    )
)
_MEMBER = Struct(
    (
        ("first_name", STRING),
        ("last_name", STRING),
        ("identifier", Struct((("type", STRING), ("value", STRING), ("role", STRING)))),
        ("user_id", INTEGER),
    )
)

#: Whose ledger it is: the two columns that do not come from the entry.
IDENTIFIER_COLUMNS: Final = (
    Column("identifier_name", STRING, required=True),
    Column("identifier_value", STRING, required=True),
)
#: The fields of the entry, under their names and in their order in the model.
ENTRY_COLUMNS: Final = (
    Column("event_log_id", INTEGER, required=True),
    Column("event_name", STRING, required=True),
    Column("ledger_created_date", TIMESTAMP, required=True),
    Column("customer_id", INTEGER),
    Column("ledger_created_date_iso", TIMESTAMP),
    Column("customer_details", _MEMBER),
    Column("entry_details", ListOf(_ENTRY_DETAIL), required=True),
    Column("net_points_on_event", DECIMAL),
    Column("net_alternate_currencies_on_event", MapOf(DECIMAL), required=True),
    Column("transaction_details", _TRANSACTION_DETAILS),
    Column("store", STRING),
    Column("store_code", STRING),
    Column("till_code", STRING),
    Column("event_details", _EVENT_DETAILS),
    Column("source_program_id", INTEGER),
    Column("source_program_name", STRING),
    Column("org_id", INTEGER),
    Column("concept_id", INTEGER),
    Column("concept_name", STRING),
    Column("event", JSON),
)
#: The run of the job that saw the entry first; null where there is no job.
RUN_COLUMN: Final = Column("first_seen_run", INTEGER)
COLUMNS: Final = (*IDENTIFIER_COLUMNS, *ENTRY_COLUMNS, RUN_COLUMN)
COLUMN_NAMES: Final = tuple(column.name for column in COLUMNS)

#: What names an account: fields of a balance, and columns of ``balances.parquet``.
ACCOUNT_FIELDS: Final[tuple[tuple[str, Kind], ...]] = (
    ("program_id", INTEGER),
    ("program_name", STRING),
    ("points_category", STRING),
    ("alternate_currency_name", STRING),
)
BALANCE_COLUMNS: Final = (
    *IDENTIFIER_COLUMNS,
    *(Column(name, kind) for name, kind in ACCOUNT_FIELDS),
    Column("opening_at", TIMESTAMP),
    Column("opening_balance", DECIMAL),
    Column("closing_at", TIMESTAMP, required=True),
    Column("closing_balance", DECIMAL),
)


# Checks

_EXACT = Context(prec=PRECISION, traps=[Inexact, InvalidOperation])
_STEP = Decimal(1).scaleb(-SCALE)
_LARGEST = 2**63
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
#: Returns whether a decimal in the value has zeros beyond the scale; raises if the value does not fit.
_Check = Callable[[Any], bool]


def _check_decimal(value: Decimal) -> bool:
    if not value.is_finite():
        raise OverflowError
    return value.compare_total_mag(value.quantize(_STEP, context=_EXACT)) < 0


def _check_integer(value: int) -> bool:
    if not -_LARGEST <= value < _LARGEST:
        raise OverflowError
    return False


def _check_string(value: str) -> bool:
    value.encode()
    return False


def _check_timestamp(value: datetime) -> bool:
    if not _FIRST <= value <= _LAST:
        raise OverflowError
    return False


def _check_json(value: object) -> bool:
    msgspec.json.encode(value)
    return False


_SCALAR_CHECKS: Final[dict[Scalar, _Check]] = {
    STRING: _check_string,
    INTEGER: _check_integer,
    DECIMAL: _check_decimal,
    TIMESTAMP: _check_timestamp,
    JSON: _check_json,
}


def struct_check(fields: Sequence[tuple[str, Kind]], path: str = "") -> _Check:
    """Return the check of objects with these fields, which raises :class:`MisfitError` with the path of a field."""
    checks = [(name, _check_of(kind, f"{path}{name}"), f"{path}{name}") for name, kind in fields]

    def check_struct(value: Any) -> bool:  # noqa: ANN401 - a model of any kind
        has_excess_zeros = False
        for name, check_field, where in checks:
            if (item := getattr(value, name)) is not None:
                try:
                    has_excess_zeros = check_field(item) or has_excess_zeros
                except (InvalidOperation, Inexact, OverflowError, UnicodeEncodeError):
                    raise MisfitError(f"a value does not fit the column {where}", where) from None
        return has_excess_zeros

    return check_struct


def _check_of(kind: Kind, path: str) -> _Check:
    match kind:
        case Struct(fields):
            return struct_check(fields, f"{path}.")
        case ListOf(item):
            return _list_check(struct_check(item.fields, f"{path}."))
        case MapOf(value):
            return _map_check(_SCALAR_CHECKS[value])
    return _SCALAR_CHECKS[kind]


def _list_check(check_item: _Check) -> _Check:
    def check_list(values: Sequence[object]) -> bool:
        found = [check_item(value) for value in values]
        return True in found

    return check_list


def _map_check(check_value: _Check) -> _Check:
    def check_map(values: dict[str, object]) -> bool:
        for name in values:
            _check_string(name)
        found = [check_value(value) for value in values.values()]
        return True in found

    return check_map


_CHECK_ENTRY: Final = struct_check([(column.name, column.kind) for column in ENTRY_COLUMNS])


def misfit_of(rows: Sequence[Row], convert: Callable[[str, object], object]) -> MisfitError:
    """Return the error for rows that a sink refuses: *convert* raises for the column and the value in question."""
    for name in rows[0] if rows else ():
        for row in rows:
            try:
                convert(name, row[name])
            except Exception:  # noqa: BLE001 - whatever a sink's package raises
                return MisfitError(f"a value does not fit the column {name}", name)
    return MisfitError("a value does not fit the sink")


# Rows as bytes, for staging

_new_typed_dict: Any = TypedDict


def _python_type(kind: Kind) -> Any:  # noqa: ANN401 - a type
    match kind:
        case Struct(fields):
            return _new_typed_dict("Fields", {name: _python_type(item) | None for name, item in fields})
        case ListOf(item):
            return list[_python_type(item)]  # type: ignore[misc]  # made at run time
        case MapOf():
            return dict[str, Decimal]
    return {STRING: str, INTEGER: int, DECIMAL: Decimal, TIMESTAMP: datetime, JSON: dict[str, Any]}[kind]


def _row_type() -> Any:  # noqa: ANN401 - a type
    types = ((column, _python_type(column.kind)) for column in ENTRY_COLUMNS)
    return _new_typed_dict("Entry", {column.name: of if column.required else of | None for column, of in types})


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[_row_type()])  # type: ignore[misc]  # made at run time
_JSON_COLUMNS: Final = tuple(column.name for column in ENTRY_COLUMNS if column.kind is JSON)


def pack(entries: Sequence[LedgerEntry]) -> bytes:
    """Return entries as bytes, for :func:`unpack`; decimals have no zeros beyond the scale.

    Raises:
        MisfitError: a value does not fit its column; the error names the column, without the value.
    """
    has_excess_zeros = [_CHECK_ENTRY(entry) for entry in entries]
    packed = _ENCODER.encode(entries)
    if True not in has_excess_zeros:
        return packed
    return _ENCODER.encode([without_excess_zeros(row) for row in _DECODER.decode(packed)])


def without_excess_zeros(value: Any) -> Any:  # noqa: ANN401 - whatever a column can hold
    """Return a value whose decimals have no zeros beyond the scale."""
    match value:
        case Decimal():
            rounded = value.quantize(_STEP, context=_EXACT)
            return rounded if value.compare_total_mag(rounded) < 0 else value
        case dict():
            return {name: without_excess_zeros(item) for name, item in value.items()}
        case list():
            return [without_excess_zeros(item) for item in value]
    return value


def unpack(packed: bytes, identifier_name: str, identifier_value: str, *, run: int | None = None) -> list[Row]:
    """Return the rows of packed entries: amounts with all digits, datetimes in UTC, columns in their order."""
    identifier = {"identifier_name": identifier_name, "identifier_value": identifier_value}
    return [identifier | row | {RUN_COLUMN.name: run} for row in _unpack_entries(packed)]


def _unpack_entries(packed: bytes) -> list[Row]:
    decoded = cast("list[Row]", _DECODER.decode(packed))
    rows = [{column.name: row.get(column.name) for column in ENTRY_COLUMNS} for row in decoded]
    for name in _JSON_COLUMNS:
        for row in rows:
            if row[name] is not None:
                row[name] = msgspec.json.encode(row[name]).decode()
    return rows


def entry_rows(entries: Sequence[LedgerEntry]) -> list[Row]:
    """Return the rows of entries, without the columns of an identifier.

    Raises:
        MisfitError: a value does not fit its column.
    """
    return _unpack_entries(pack(entries))


def rows_of(entries: Sequence[LedgerEntry], identifier_name: str, identifier_value: str) -> list[Row]:
    """Return the rows of entries of one customer or group.

    Raises:
        MisfitError: a value does not fit its column.
    """
    return unpack(pack(entries), identifier_name, identifier_value)
