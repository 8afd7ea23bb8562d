"""Reading the parameters of a request, and refusing those that the documents refuse."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from attrs import frozen

from capledger.sandbox.ledger import Span
from capledger.sandbox.responses import Refusal
from capledger.sandbox.rows import CATEGORIES

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
_NO_CODE: Final = 400

Parameters = Mapping[str, str]


@frozen
class Subject:
    """Whose ledger is asked for."""

    is_group: bool
    #: In lower case.
    name: str
    value: str
    source: str
    account_id: str | None


def subject(query: Parameters, *, scoped: bool) -> Subject:
    """Who is meant; 11013 where the identifier or source is missing (8013, 8015, 8003 on v2.1), or 8013, 8003."""
    _require(query, scoped=scoped)
    kind = query.get("type", "CUSTOMER")
    if kind not in {"CUSTOMER", "USERGROUP2", "FLEET"}:
        raise Refusal(9003, "Error fetching points ledger data : type is not supported")
    is_group = kind != "CUSTOMER"
    name, source = query["identifierName"].lower(), query["source"].upper()
    if name not in (_GROUP_NAMES if is_group else _CUSTOMER_NAMES):
        raise Refusal(8013, "Lookup,Invalid identifier passed")
    if source not in _SOURCES:
        raise Refusal(8003, "Invalid source")
    value = query["identifierValue"]
    if name in {"id", "customerid"} and not value.lstrip("-").isdigit():
        raise Refusal(11012, "Invalid userId passed in request")
    return Subject(is_group, name, value, source, query.get("accountId"))


def _require(query: Parameters, *, scoped: bool) -> None:
    codes = {
        "identifierName": (8013, "Lookup,Invalid identifier passed"),
        "identifierValue": (8015, "Customer not found for the given identifiers"),
        "source": (8003, "Invalid source"),
    }
    for name, (code, message) in codes.items():
        if not query.get(name):
            if scoped:
                raise Refusal(code, message)
            raise Refusal(11013, "identifierName, identifierValue, source can not be empty")


def flag(query: Parameters, name: str, *, default: bool = False) -> bool:
    """A Boolean parameter, ``true`` or ``false`` in any case; anything else is a request that makes no sense."""
    text = query.get(name)
    if text is None:
        return default
    if text.lower() not in {"true", "false"}:
        raise Refusal(_NO_CODE, f"Invalid value for {name}")
    return text.lower() == "true"


def names(query: Parameters, *parameters: str) -> frozenset[str] | None:
    """The comma-separated names of the first of the parameters that is there; None where none is."""
    text = next((query[parameter] for parameter in parameters if query.get(parameter)), None)
    return None if text is None else frozenset(part.strip() for part in text.split(","))


def whole(query: Parameters, name: str, default: int, *, least: int = 0) -> int:
    """A number that is not below ``least``."""
    text = query.get(name, str(default))
    if not text.isdigit() or int(text) < least:
        raise Refusal(_NO_CODE, f"Invalid value for {name}")
    return int(text)


def limit(query: Parameters, rules: Rules, *, scoped: bool) -> int:
    """Rows on a page: ``limit``, refused with 11029 (or 11006) or cut where it is above the maximum."""
    highest = rules.max_limit_v21 if scoped and rules.max_limit_v21 is not None else rules.max_limit
    asked = whole(query, "limit", min(rules.default_limit, highest), least=1)
    if asked > highest and not rules.cap_silently:
        raise Refusal(rules.limit_code, f"Limit cannot be greater than {highest}")
    return min(asked, highest)


def order(query: Parameters, rules: Rules) -> Order:
    """The order asked for by a parameter that the rules honour; a value that is no order is passed over."""
    asked = next((query[name].upper() for name in rules.order_parameters if name in query), None)
    if asked == "ASC":
        return "ASC"
    return "DESC" if asked == "DESC" else rules.default_order


def span(query: Parameters, rules: Rules) -> Span | None:
    """
    What the dates ask for; None without dates or with ``isFilterBasedOnDate=false``.

    With one date, 90 days from it or up to it, a year with ``includeLastOneYearData``. 11011, 11009 or 11010 refuse.
    """
    start, end = _date(query, "startDate"), _date(query, "endDate")
    if not flag(query, "isFilterBasedOnDate", default=True):
        return None
    if start and end:
        return _checked(Span(start, end), rules)
    reach = timedelta(days=365 if flag(query, "includeLastOneYearData") else 90)
    if start:
        return Span(start, start + reach)
    return Span(end - reach, end) if end else None


def _checked(asked: Span, rules: Rules) -> Span:
    if asked.start > asked.end:
        raise Refusal(11009, "Startdate is after endDate")
    if rules.max_days is not None and asked.end - asked.start > timedelta(days=rules.max_days):
        raise Refusal(11010, f"Interval between startDate and endDate greater than {rules.max_days} days")
    return asked


def _date(query: Parameters, name: str) -> datetime | None:
    text = query.get(name)
    if text is None:
        return None
    try:
        if _DATE.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise Refusal(11011, "Date format not supported. Enter (yyyy-MM-ddTHH:mm:ss)")


def entry_type(query: Parameters) -> str | None:
    """``ledgerEntryType``, or 11007."""
    asked = query.get("ledgerEntryType")
    if asked is not None and asked not in _ENTRY_TYPES:
        raise Refusal(11007, "Invalid ledgerEntryType passed in request")
    return asked


def category(query: Parameters) -> str | None:
    """The points category of ``pointCategoryType``, or 11008."""
    asked = query.get("pointCategoryType")
    if asked is not None and asked not in CATEGORIES:
        raise Refusal(11008, "Invalid pointCategoryType passed in request")
    return None if asked is None else CATEGORIES[asked]


def program(query: Parameters, known: Collection[int]) -> int | None:
    """``programId``; 11005 where there is no such program, 11001 where the concept's events are asked without one."""
    asked = query.get("programId")
    if asked is None:
        if flag(query, "includeTillConceptEvents"):
            raise Refusal(11001, "Combination of request parameters not supported")
        return None
    if not asked.isdigit() or int(asked) not in known:
        raise Refusal(11005, "Invalid programId")
    return int(asked)


def currency_names(query: Parameters) -> tuple[str, ...]:
    """``alternateCurrencyNames``, sorted; 9005 where a name is empty."""
    found = names(query, "alternateCurrencyNames") or frozenset()
    if "" in found:
        raise Refusal(9005, "Invalid alternateCurrencyNames field value")
    return tuple(sorted(found))


def till_parameter(query: Parameters) -> tuple[str, str] | None:
    """The one of tillId, tillIds, storeCode and storeId that is there; 11028 where more are."""
    given = [(name, query[name]) for name in _TILL_PARAMETERS if name in query]
    if len(given) > 1:
        raise Refusal(
            11028,
            "Multiple input parameters set. Please provide only one of the following: "
            "tillId, tillIds, storeCode or storeId",
        )
    return given[0] if given else None
