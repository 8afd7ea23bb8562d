"""Query parameters: read them, and raise the documented error for an invalid one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime, time, timedelta, tzinfo
from typing import TYPE_CHECKING, Final

from attrs import frozen

from capledger.sandbox.ledger import RequestedDates
from capledger.sandbox.responses import ErrorResponse
from capledger.sandbox.rows import CATEGORIES
from capledger.sandbox.zones import EARLIEST, converted, shifted

if TYPE_CHECKING:
    from capledger.sandbox.rules import Order, Rules

_SOURCES: Final = frozenset(
    {"INSTORE", "MARTJACK", "WECHAT", "FACEBOOK", "WEB_ENGAGE", "TMALL", "TAOBAO", "JD", "ECOMMERCE", "WEBSITE"}
    | {"LINE", "MOBILE_APP", "ALL"}
)
_CUSTOMER_NAMES: Final = frozenset(
    {"mobile", "email", "id", "customerid", "externalid", "cuid", "cardnumber", "wechat", "unionid", "primaryuserid"}
)
_GROUP_NAMES: Final = frozenset({"groupid", "externalid", "primaryuserid", "id"})
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_ENTRY_TYPES: Final = frozenset({"CREDIT", "DEBIT", "OPENING_BALANCE"})
_TILL_PARAMETERS: Final = ("tillId", "tillIds", "storeCode", "storeId")
_BAD_REQUEST: Final = 400

Parameters = Mapping[str, str]


@frozen
class AccountSelector:
    """The identifier, source and account of a request."""

    is_group: bool
    name: str
    """In lower case."""
    value: str
    source: str
    account_id: str | None


@frozen
class Limit:
    """The rows of a page: as requested, and at most the maximum."""

    requested: int
    capacity: int


def selector(query: Parameters, *, scoped: bool) -> AccountSelector:
    """Read identifier and source; raise 11013 where one is missing (8013, 8015, 8003 on v2.1), or 8013, 8003."""
    _require(query, scoped=scoped)
    kind = query.get("type", "CUSTOMER")
    if kind not in {"CUSTOMER", "USERGROUP2", "FLEET"}:
        raise ErrorResponse(9003, "Error fetching points ledger data : type is not supported")
    is_group = kind != "CUSTOMER"
    name, source = query["identifierName"].lower(), query["source"].upper()
    if name not in (_GROUP_NAMES if is_group else _CUSTOMER_NAMES):
        raise ErrorResponse(8013, "Lookup,Invalid identifier passed")
    if source not in _SOURCES:
        raise ErrorResponse(8003, "Invalid source")
    value = query["identifierValue"]
    if name in {"id", "customerid"} and not value.lstrip("-").isdigit():
        raise ErrorResponse(11012, "Invalid userId passed in request")
    return AccountSelector(is_group, name, value, source, query.get("accountId"))


def _require(query: Parameters, *, scoped: bool) -> None:
    codes = {
        "identifierName": (8013, "Lookup,Invalid identifier passed"),
        "identifierValue": (8015, "Customer not found for the given identifiers"),
        "source": (8003, "Invalid source"),
    }
    for name, (code, message) in codes.items():
        if not query.get(name):
            if scoped:
                raise ErrorResponse(code, message)
            raise ErrorResponse(11013, "identifierName, identifierValue, source can not be empty")


def flag(query: Parameters, name: str, *, default: bool = False) -> bool:
    """Read a Boolean parameter, ``true`` or ``false`` in any case; raise 400 for anything else."""
    string = query.get(name)
    if string is None:
        return default
    if string.lower() not in {"true", "false"}:
        raise ErrorResponse(_BAD_REQUEST, f"Invalid value for {name}")
    return string.lower() == "true"


def names(query: Parameters, *parameters: str) -> frozenset[str] | None:
    """Read the comma-separated names of the first parameter that is present; None if none is."""
    string = next((query[parameter] for parameter in parameters if query.get(parameter)), None)
    return None if string is None else frozenset(part.strip() for part in string.split(","))


def whole(query: Parameters, name: str, default: int, *, least: int = 0) -> int:
    """Read a number that is not below ``least``."""
    string = query.get(name, str(default))
    if not string.isdigit() or int(string) < least:
        raise ErrorResponse(_BAD_REQUEST, f"Invalid value for {name}")
    return int(string)


def limit(query: Parameters, rules: Rules, *, scoped: bool) -> Limit:
    """Read ``limit``; above the maximum raise the error of the rules, or return the maximum."""
    maximum = rules.max_limit_v21 if scoped and rules.max_limit_v21 is not None else rules.max_limit
    requested = whole(query, "limit", min(rules.default_limit, maximum), least=1)
    if requested > maximum and not rules.cap_silently:
        message = rules.limit_message.format(limit=maximum)
        raise ErrorResponse(rules.limit_code, message, status=rules.limit_status)
    return Limit(requested, min(requested, maximum))


def order(query: Parameters, rules: Rules) -> Order:
    """Read the order from the parameters that the rules define; an invalid value is ignored."""
    value = next((query[name].upper() for name in rules.order_parameters if name in query), None)
    if value == "ASC":
        return "ASC"
    return "DESC" if value == "DESC" else rules.default_order


def date_range(query: Parameters, rules: Rules, zone: tzinfo) -> RequestedDates | None:
    """
    Read the date range in the ``zone`` of the rows; None without dates or with ``isFilterBasedOnDate=false``.

    One date selects 90 days from it or up to it, or a year with ``includeLastOneYearData``. Raise 11011, 11009 or
    11010.
    """
    start, end = _date(query, "startDate"), _date(query, "endDate")
    if not flag(query, "isFilterBasedOnDate", default=True):
        return None
    if start and end:
        _check_range(start, end, rules)
    length = timedelta(days=365 if flag(query, "includeLastOneYearData") else 90)
    first = _in_zone(_first_moment(start, rules), rules, zone) if start else None
    last = _in_zone(_last_moment(end, rules), rules, zone) if end else None
    if first:
        return RequestedDates(first, last or shifted(first, length))
    return RequestedDates(shifted(last, -length), last) if last else None


def end_date(query: Parameters, rules: Rules, zone: tzinfo) -> RequestedDates | None:
    """Read ``endDate`` as everything up to it, in the ``zone`` of the rows; None without it. Raise 11011."""
    end = _date(query, "endDate")
    return None if end is None else RequestedDates(EARLIEST, _in_zone(_last_moment(end, rules), rules, zone))


def _check_range(start: datetime, end: datetime, rules: Rules) -> None:
    if start > end:
        raise ErrorResponse(11009, "Startdate is after endDate")
    length = end - start
    if rules.max_days_counts == "days":
        length = timedelta(days=(end.date() - start.date()).days + 1)
    if rules.max_days is not None and length > timedelta(days=rules.max_days):
        message = rules.max_days_message.format(days=rules.max_days)
        raise ErrorResponse(rules.max_days_code, message, status=rules.max_days_status)


def _first_moment(start: datetime, rules: Rules) -> datetime:
    return datetime.combine(start, time.min) if rules.start_date_precision == "day" else start


def _last_moment(end: datetime, rules: Rules) -> datetime:
    if rules.end_date_precision == "second":
        return end
    return datetime.combine(end, time.min if rules.end_date_precision == "day" else time.max)


def _in_zone(moment: datetime, rules: Rules, zone: tzinfo) -> datetime:
    source = rules.request_zone or rules.response_zone
    return moment if source is None else converted(moment, source, zone)


def _date(query: Parameters, name: str) -> datetime | None:
    string = query.get(name)
    if string is None:
        return None
    try:
        if _DATE.fullmatch(string):
            return datetime.fromisoformat(string)
    except ValueError:
        pass
    raise ErrorResponse(11011, "Date format not supported. Enter (yyyy-MM-ddTHH:mm:ss)")


def entry_type(query: Parameters) -> str | None:
    """Read ``ledgerEntryType``, or raise 11007."""
    value = query.get("ledgerEntryType")
    if value is not None and value not in _ENTRY_TYPES:
        raise ErrorResponse(11007, "Invalid ledgerEntryType passed in request")
    return value


def category(query: Parameters) -> str | None:
    """Read ``pointCategoryType`` and return its points category, or raise 11008."""
    value = query.get("pointCategoryType")
    if value is not None and value not in CATEGORIES:
        raise ErrorResponse(11008, "Invalid pointCategoryType passed in request")
    return None if value is None else CATEGORIES[value]


def program(query: Parameters, known: Collection[int]) -> int | None:
    """Read ``programId``; raise 11005 for an unknown one, 11001 for concept events without a program."""
    value = query.get("programId")
    if value is None:
        if flag(query, "includeTillConceptEvents"):
            raise ErrorResponse(11001, "Combination of request parameters not supported")
        return None
    if not value.isdigit() or int(value) not in known:
        raise ErrorResponse(11005, "Invalid programId")
    return int(value)


def currency_names(query: Parameters) -> tuple[str, ...]:
    """Read ``alternateCurrencyNames``, sorted; raise 9005 where a name is empty."""
    found = names(query, "alternateCurrencyNames") or frozenset()
    if "" in found:
        raise ErrorResponse(9005, "Invalid alternateCurrencyNames field value")
    return tuple(sorted(found))


def till_parameter(query: Parameters) -> tuple[str, str] | None:
    """Return the one of tillId, tillIds, storeCode and storeId that is present; raise 11028 for more."""
    present = [(name, query[name]) for name in _TILL_PARAMETERS if name in query]
    if len(present) > 1:
        raise ErrorResponse(
            11028,
            "Multiple input parameters set. Please provide only one of the following: "
            "tillId, tillIds, storeCode or storeId",
        )
    return present[0] if present else None
