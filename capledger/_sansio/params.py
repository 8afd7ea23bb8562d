"""Query parameters: the names of all of them, and their values as strings.

Names are those of the vendor's v2 and v2.1 customer ledger pages, its v2.1 explode page and its page on balances. Most
are a query's fields in camelCase; the few that are not are named here. Values are encoded nowhere else: given a
``Decimal`` or a UUID, yarl would silently send an integer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

from attrs import fields

from capledger.models._fields import camel_case
from capledger.queries import GroupLedgerQuery
from capledger.queries.subject import SubjectQuery, reader_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attrs import AttrsInstance

    from capledger.queries import BalanceQuery, EventDetailsQuery, LedgerQuery

Encodable = str | int | Decimal | UUID | date | Iterable[str | int]

#: Values by name, in the order in which they are sent.
Params = Mapping[str, str]

#: Fields of queries that are not sent under their own names.
_NOT_SENT_BY_NAME = frozenset(
    {
        "api_version",
        "at",
        "end",
        "event_ids",
        "event_name",
        "event_reference_ids",
        "get_payment_modes",
        "order",
        "page_size",
        "scope",
        "start",
    }
)


def query_params(query: LedgerQuery | EventDetailsQuery | BalanceQuery) -> Params:
    """Return the parameters of a query that are its fields in camelCase: those that have a value."""
    names, values_of = _names(type(query))  # type: ignore[arg-type]  # mypy applies the hash of instances to the class
    values, params = values_of(query), {}
    for field, name in names:
        value = values[field]
        if value is not None and value != ():
            params[name] = encode(value)
    return params


@cache
def _names(kind: type[AttrsInstance]) -> tuple[tuple[tuple[str, str], ...], Callable[[object], dict[str, Any]]]:
    """Return the fields of a query that are sent, with the names of their parameters, and what returns their values."""
    # The subject's fields first: an inherited field that a query overrides would otherwise come last.
    names = dict.fromkeys(item.name for model in (SubjectQuery, kind) for item in fields(model))
    sent = [name for name in names if name not in _NOT_SENT_BY_NAME]
    return tuple(zip(sent, map(camel_case, sent), strict=True)), reader_of(kind)


def older_spellings(query: LedgerQuery, order: str) -> Params:
    """Return the parameters that only the tables for user groups have: ``sort`` and ``role``."""
    if not isinstance(query, GroupLedgerQuery):
        return {}
    return {"role": encode(query.roles), "sort": order} if query.roles else {"sort": order}


def date_params(start: datetime | None, end: datetime | None) -> Params:
    """Return the parameters of a range of dates, naive in the server's zone; None is not sent."""
    params = {} if start is None else {"startDate": encode(start)}
    return params if end is None else {**params, "endDate": encode(end)}


def event_params(query: EventDetailsQuery, ids_or_references: Sequence[int | str]) -> Params:
    """Return the parameters of some events of a query: by id, or by reference if it has a name."""
    if query.event_name is None:
        return {"eventIds": encode(ids_or_references)}
    return {"eventName": encode(query.event_name), "eventReferenceIds": encode(ids_or_references)}


def payment_mode_params(query: EventDetailsQuery, version: str) -> Params:
    """Return the flag for payment modes, in the spelling of a version of the API."""
    if query.get_payment_modes is None:
        return {}
    return {"getPaymentModes" if version == "v2" else "getPaymentMode": encode(query.get_payment_modes)}


def encode(value: Encodable) -> str:
    """Return a value as a string for a query parameter.

    Booleans are ``true`` and ``false``; dates are ``yyyy-MM-ddTHH:mm:ss`` in the server's zone, so they must be naive,
    and fractions of a second are cut off; lists are separated by commas without spaces.
    """
    if type(value) is str:  # the common case, without the slow check of patterns
        return value
    match value:
        case str():
            return str.__str__(value)  # also of an enumeration of strings, whose own ``str`` is its name
        case bool():
            return "true" if value else "false"
        case int() | Decimal() | UUID():
            return str(value)
        case date():
            return _encode_date(value)
        case Iterable():
            return ",".join(encode(item) for item in value)
    raise TypeError(f"a {type(value).__name__} cannot be sent in a request")


def _encode_date(value: date) -> str:
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    if moment.tzinfo is not None:
        raise ValueError("a date is sent naive, in the server's zone: convert it first")
    return moment.isoformat(timespec="seconds")
