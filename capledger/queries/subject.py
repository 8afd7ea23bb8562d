"""Fields that all queries share: the customer or group, and where its entries may come from."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from attrs import field, frozen

from capledger.errors import InvalidQueryError
from capledger.queries import checks
from capledger.queries.scope import OrgScope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attrs import Attribute

#: Kinds of identifiers on the vendor's pages.
IDENTIFIER_NAMES: Final = ("mobile", "email", "id", "customerId", "externalId", "cuid", "primaryUserId", "groupId")
_DOCUMENTED_NAMES: Mapping[str, str] = MappingProxyType({name.casefold(): name for name in IDENTIFIER_NAMES})


def as_documented(name: str) -> str:
    """Return the documented spelling of an identifier's name, whatever its case; an unknown name is unchanged."""
    return _DOCUMENTED_NAMES.get(str(name).casefold(), name)


def _is_scope(_: object, __: Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, OrgScope):
        raise InvalidQueryError("scope must be None, OrgScope.own(), OrgScope.other(...) or OrgScope.all()")


@frozen(kw_only=True)
class SubjectQuery:
    """A customer or a group, in a source, an account and organisations."""

    identifier_name: str = field(converter=as_documented, validator=checks.string)
    """mobile, email, id, externalId, cuid and others, in any case; unknown names are sent unchanged (all pages)."""
    identifier_value: str = field(converter=checks.as_string, validator=checks.string, repr=False)
    """The identifier itself, a string or an integer; never in a ``repr`` (all pages)."""
    source: str = field(default="INSTORE", validator=checks.string)
    """Where the customer registered: INSTORE, WEB_ENGAGE, ECOMMERCE, ALL and others (all pages)."""
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
