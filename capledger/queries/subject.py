"""Fields that all queries share: the customer or group, and where its entries may come from."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import asdict, evolve, field, fields, fields_dict, frozen

from capledger.errors import InvalidQueryError
from capledger.queries import checks
from capledger.queries.scope import OrgScope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from attrs import Attribute, AttrsInstance

#: Kinds of identifiers on the vendor's pages.
IDENTIFIER_NAMES: Final = ("mobile", "email", "id", "customerId", "externalId", "cuid", "primaryUserId", "groupId")
_DOCUMENTED_NAMES: Mapping[str, str] = MappingProxyType({name.casefold(): name for name in IDENTIFIER_NAMES})
#: Sources on the vendor's pages, all in capital letters; the service's own entries have them in small ones.
_SOURCES: Final = frozenset(
    {"INSTORE", "MARTJACK", "WECHAT", "FACEBOOK", "WEB_ENGAGE", "TMALL", "TAOBAO", "JD", "ECOMMERCE", "WEBSITE"}
    | {"LINE", "ALL"}
)

SubjectT = TypeVar("SubjectT", bound="SubjectQuery")

#: Fields that decide how results are fetched, not which.
_FETCH_FIELDS: Final = frozenset({"page_size"})


def as_documented(name: str) -> str:
    """Return the documented spelling of an identifier's name, whatever its case; an unknown name is unchanged."""
    return _DOCUMENTED_NAMES.get(str(name).casefold(), name)


def as_documented_source(source: str) -> str:
    """Return the documented spelling of a source, whatever its case; an unknown source is unchanged."""
    capital = str(source).upper()
    return capital if capital in _SOURCES else source


def _is_scope(_: object, __: Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, OrgScope):
        raise InvalidQueryError("scope must be None, OrgScope.own(), OrgScope.other(...) or OrgScope.all()")


#: Fields of a class of queries by name; of ``Any``, since they may have no converter.
_fields: Callable[[Any], dict[str, Any]] = cache(fields_dict)


@cache
def _fingerprint_names(query_type: type[AttrsInstance]) -> tuple[tuple[str, ...], Callable[[object], dict[str, Any]]]:
    """Return the names of a query's fields that decide what is yielded, and the function that returns their values."""
    return tuple(item.name for item in fields(query_type) if item.name not in _FETCH_FIELDS), reader_of(query_type)


def reader_of(query_type: type) -> Callable[[Any], dict[str, Any]]:
    """Return the function that returns a query's values by field: ``vars``, unless a subclass has slots."""
    return partial(asdict, recurse=False) if hasattr(query_type, "__slots__") else vars


def _canonical(value: object) -> str:
    match value:
        case str():
            return str(value)
        case OrgScope():
            return f"{value.data_scope}:{_canonical(value.org_ids)}"
        case datetime():
            return (value if value.tzinfo is None else value.astimezone(UTC)).isoformat()
        case tuple():
            return ",".join(sorted(str(item) for item in value))
    return str(value)


# Queries have no slots, so that their values are copied and read all at once.
@frozen(kw_only=True, slots=False)
class SubjectQuery:
    """A customer or a group, in a source, an account and organisations."""

    identifier_name: str = field(converter=as_documented, validator=checks.string)
    """mobile, email, id, externalId, cuid and others, in any case; unknown names are sent unchanged (all pages)."""
    identifier_value: str = field(converter=checks.as_string, validator=checks.string, repr=False)
    """The identifier itself, a string or an integer; never in a ``repr`` (all pages)."""
    source: str = field(default="INSTORE", converter=as_documented_source, validator=checks.string)
    """Where the customer registered: INSTORE, WEB_ENGAGE, ECOMMERCE, ALL and others, in any case; unknown ones are
    sent unchanged (all pages)."""
    type: str | None = field(default=None, validator=checks.optional_string)
    """CUSTOMER, or USERGROUP2 for events of a group; None is not sent (explode and 2026 pages)."""
    account_id: str | int | None = field(
        default=None, converter=checks.as_optional_string_or_int, validator=checks.optional_string_or_int
    )
    """The account, for sources that have several (all pages)."""
    include_alternate_currencies: bool | None = field(default=None, validator=checks.optional_bool)
    """Entries of all alternate currencies in addition to points (all pages)."""
    alternate_currency_names: tuple[str, ...] = field(default=(), converter=checks.as_names, validator=checks.names)
    """Entries of these alternate currencies in addition to points; one name or several (all pages)."""
    scope: OrgScope | None = field(default=None, validator=_is_scope)
    """The organisations to read from; None sends no scope, and ledger requests to v2 (v2.1 ledger page)."""

    def __attrs_post_init__(self) -> None:
        if self.alternate_currency_names and self.include_alternate_currencies:
            raise InvalidQueryError(
                "alternate_currency_names selects some currencies and include_alternate_currencies=True all of them: "
                "pass only one of the two"
            )

    def fingerprint_fields(self) -> tuple[tuple[str, str], ...]:
        """Return name and value of all fields that decide what is yielded and in what order.

        They contain the identifier. They are equal for two queries that differ only in how they fetch (``page_size``),
        in the order of names in a list, or in the zone that the same instant is written in. Fields without a value are
        left out.
        """
        names, values_of = _fingerprint_names(type(self))  # type: ignore[arg-type]  # mypy applies the instances' hash to the class
        values, strings = values_of(self), [("query", type(self).__name__)]
        for name in names:
            value = values[name]
            if value is not None and value != ():
                strings.append((name, _canonical(value)))
        return tuple(strings)


def with_changes(query: SubjectT, changes: Mapping[str, Any]) -> SubjectT:
    """Return what ``attrs.evolve`` returns, faster: only the changes are converted and checked, by their fields.

    The other values were when ``query`` was made. The checks of fields that depend on each other are all run.
    """
    if hasattr(query, "__slots__"):  # of a subclass: its values are not all in its dict
        return evolve(query, **changes)
    fields, values = _fields(type(query)), vars(query).copy()
    for name, value in changes.items():
        item = fields[name]
        values[name] = value if item.converter is None else item.converter(value)
        item.validator(query, item, values[name])
    copy = object.__new__(type(query))
    object.__setattr__(copy, "__dict__", values)  # a query is frozen
    copy.__attrs_post_init__()
    return copy
