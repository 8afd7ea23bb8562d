"""The columns of a backfill: declared here once, and the same in every format and every file.

Each format derives its own types from this (Arrow in ``arrow.py``, DuckDB in ``sinks/duckdb.py``), and so does the
staging in ``job.sqlite``. A value that does not fit its column is refused by :func:`check`, never rounded.
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

#: Written in the manifest; goes up when a column changes.
SCHEMA_VERSION: Final = 1

#: Digits of an amount in all, and after the point.
PRECISION, SCALE = 38, 9

#: An entry by the names of the columns: texts, ints, Decimals, datetimes in UTC, lists, dicts and None.
Row = dict[str, Any]


class Scalar(Enum):
    """A single value."""

    TEXT = "text"
    #: 64 bits with a sign.
    INTEGER = "integer"
    #: ``decimal128(38, 9)``.
    MONEY = "money"
    #: Microseconds, in UTC.
    MOMENT = "moment"


@frozen
class Struct:
    """Values with names, all of them or none."""

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
TEXT, INTEGER, MONEY, MOMENT = Scalar.TEXT, Scalar.INTEGER, Scalar.MONEY, Scalar.MOMENT


@frozen
class Column:
    """One column."""

    name: str
    kind: Kind
    #: Whether it is never null.
    required: bool = False


_ENTRY_DETAIL = Struct(
    (
        ("ledger_entry_type", TEXT),
        ("points", MONEY),
        ("points_category", TEXT),
        ("program_name", TEXT),
        ("program_id", INTEGER),
        ("alternate_currency_name", TEXT),
    )
)
_TRANSACTION_DETAILS = Struct(
    (
        ("transaction_id", INTEGER),
        ("transaction_number", TEXT),
        ("date", MOMENT),
        ("date_iso", MOMENT),
        ("amount", MONEY),
        ("gross_bill_amount", MONEY),
        ("source", TEXT),
    )
)
_EVENT_DETAILS = Struct(
    (
        ("event_date", MOMENT),
        ("event_date_iso", MOMENT),
        ("event_display_name", TEXT),
        ("promotion_name", TEXT),
        ("promotion_description", TEXT),
        ("promotion_identifier", TEXT),
        ("promotion_id", INTEGER),
        ("reason", TEXT),
    )
)
_MEMBER = Struct(
    (
        ("first_name", TEXT),
        ("last_name", TEXT),
        ("identifier", Struct((("type", TEXT), ("value", TEXT), ("role", TEXT)))),
        ("user_id", INTEGER),
    )
)

#: Who was asked for: the two columns that are not the entry's.
SUBJECT_COLUMNS: Final = (
    Column("identifier_name", TEXT, required=True),
    Column("identifier_value", TEXT, required=True),
)
#: The entry under its model names, in the model's order.
ENTRY_COLUMNS: Final = (
    Column("event_log_id", INTEGER, required=True),
    Column("event_name", TEXT, required=True),
    Column("ledger_created_date", MOMENT, required=True),
    Column("customer_id", INTEGER),
    Column("ledger_created_date_iso", MOMENT),
    Column("customer_details", _MEMBER),
    Column("entry_details", ListOf(_ENTRY_DETAIL), required=True),
    Column("net_points_on_event", MONEY),
    Column("net_alternate_currencies_on_event", MapOf(MONEY), required=True),
    Column("transaction_details", _TRANSACTION_DETAILS),
    Column("store", TEXT),
    Column("store_code", TEXT),
    Column("till_code", TEXT),
    Column("event_details", _EVENT_DETAILS),
    Column("source_program_id", INTEGER),
    Column("source_program_name", TEXT),
    Column("org_id", INTEGER),
    Column("concept_id", INTEGER),
    Column("concept_name", TEXT),
)
COLUMNS: Final = (*SUBJECT_COLUMNS, *ENTRY_COLUMNS)
COLUMN_NAMES: Final = tuple(column.name for column in COLUMNS)


@define(slots=False)
class MisfitError(CapledgerError):
    """A value of an entry does not fit its column; it is set aside rather than rounded or cut."""

    #: The column, such as ``entry_details.points``.
    path: str = ""


# Whether values fit

_EXACT = Context(prec=PRECISION, traps=[Inexact, InvalidOperation])
_STEP = Decimal(1).scaleb(-SCALE)
_LARGEST = 2**63
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
_Check = Callable[[Any], object]


def _check_money(value: Decimal) -> None:
    if not value.is_finite():
        raise OverflowError
    value.quantize(_STEP, context=_EXACT)


def _check_integer(value: int) -> None:
    if not -_LARGEST <= value < _LARGEST:
        raise OverflowError


def _check_text(value: str) -> None:
    value.encode()


def _check_moment(value: datetime) -> None:
    if not _FIRST <= value <= _LAST:
        raise OverflowError


_SCALAR_CHECKS: Final[dict[Scalar, _Check]] = {
    TEXT: _check_text,
    INTEGER: _check_integer,
    MONEY: _check_money,
    MOMENT: _check_moment,
}


def _struct_check(fields: Sequence[tuple[str, Kind]], path: str) -> _Check:
    checks = [(name, _check_of(kind, f"{path}{name}"), f"{path}{name}") for name, kind in fields]

    def check_struct(value: Any) -> None:  # noqa: ANN401  (a model of any kind)
        for name, check_field, where in checks:
            if (item := getattr(value, name)) is not None:
                try:
                    check_field(item)
                except (InvalidOperation, Inexact, OverflowError, UnicodeEncodeError):
                    raise MisfitError(f"a value does not fit the column {where}", where) from None

    return check_struct


def _check_of(kind: Kind, path: str) -> _Check:
    match kind:
        case Struct(fields):
            return _struct_check(fields, f"{path}.")
        case ListOf(item):
            return _each(_struct_check(item.fields, f"{path}."))
        case MapOf(value):
            return _each_pair(_SCALAR_CHECKS[value])
    return _SCALAR_CHECKS[kind]


def _each(check_item: _Check) -> _Check:
    def check_list(values: Sequence[object]) -> None:
        for value in values:
            check_item(value)

    return check_list


def _each_pair(check_value: _Check) -> _Check:
    def check_map(values: dict[str, object]) -> None:
        for name, value in values.items():
            _check_text(name)
            check_value(value)

    return check_map


_CHECK_ENTRY: Final = _struct_check([(column.name, column.kind) for column in ENTRY_COLUMNS], "")


def check(entries: Sequence[LedgerEntry]) -> None:
    """Refuse entries of which a value does not fit its column.

    Raises:
        MisfitError: with the column, without the value.
    """
    for entry in entries:
        _CHECK_ENTRY(entry)


# Rows as bytes, for the staging

_new_typed_dict: Any = TypedDict


def _python_type(kind: Kind) -> Any:  # noqa: ANN401  (a type)
    match kind:
        case Struct(fields):
            return _new_typed_dict("Fields", {name: _python_type(item) | None for name, item in fields})
        case ListOf(item):
            return list[_python_type(item)]  # type: ignore[misc]  # made at run time
        case MapOf():
            return dict[str, Decimal]
    return {TEXT: str, INTEGER: int, MONEY: Decimal, MOMENT: datetime}[kind]


def _row_type() -> Any:  # noqa: ANN401  (a type)
    types = ((column, _python_type(column.kind)) for column in ENTRY_COLUMNS)
    return _new_typed_dict("Entry", {column.name: of if column.required else of | None for column, of in types})


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[_row_type()])  # type: ignore[misc]  # made at run time


def pack(entries: Sequence[LedgerEntry]) -> bytes:
    """Give entries as bytes that :func:`unpack` makes rows of."""
    return _ENCODER.encode(entries)


def unpack(packed: bytes, identifier_name: str, identifier_value: str) -> list[Row]:
    """Give the rows of packed entries: amounts with their digits, moments in UTC, columns in their order."""
    decoded = cast("list[Row]", _DECODER.decode(packed))
    subject = {"identifier_name": identifier_name, "identifier_value": identifier_value}
    return [subject | {column.name: row[column.name] for column in ENTRY_COLUMNS} for row in decoded]


def rows_of(entries: Sequence[LedgerEntry], identifier_name: str, identifier_value: str) -> list[Row]:
    """Give the rows of entries.

    Raises:
        MisfitError: a value does not fit its column.
    """
    check(entries)
    return unpack(pack(entries), identifier_name, identifier_value)
