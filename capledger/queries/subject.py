"""Whom a query is about, and what all queries share."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from capledger.errors import InvalidQueryError
from capledger.queries import checks
from capledger.queries.scope import OrgScope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from attrs import Attribute

_DOCUMENTED_NAMES: Mapping[str, str] = MappingProxyType(
    {
        name.casefold(): name
        for name in ("mobile", "email", "id", "customerId", "externalId", "cuid", "primaryUserId", "groupId")
    }
)


def as_documented(name: str) -> str:
    """The documented spelling of an identifier's name, whatever its case; an unknown name as it is."""
    return _DOCUMENTED_NAMES.get(str(name).casefold(), name)


def _is_scope(_: object, __: Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, OrgScope):
        raise InvalidQueryError("scope has to be None, OrgScope.own(), OrgScope.other(...) or OrgScope.all()")


@frozen(kw_only=True)
class SubjectQuery:
    """A customer or a group, in a source, an account and organisations."""

    #: Kind of identifier: mobile, email, id, externalId, cuid and so on; case is mended, unknown kinds go out as given.
    identifier_name: str = field(converter=as_documented, validator=checks.text)
    #: The identifier itself; digits may be given as an int. Never shown.
    identifier_value: str = field(converter=checks.as_text, validator=checks.text, repr=False)
    #: Where the customer registered: INSTORE, WEB_ENGAGE, ECOMMERCE, ALL and so on.
    source: str = field(default="INSTORE", validator=checks.text)
    #: CUSTOMER, or USERGROUP2 for events of a group; None leaves it to the service.
    type: str | None = field(default=None, validator=checks.optional_text)
    #: The account, for sources that have several.
    account_id: str | int | None = field(default=None, validator=checks.optional_text_or_whole)
    #: Entries of all alternate currencies beside the points.
    include_alternate_currencies: bool | None = field(default=None, validator=checks.optional_flag)
    #: Entries of these alternate currencies beside the points; one name or several.
    alternate_currency_names: tuple[str, ...] = field(default=(), converter=checks.as_names, validator=checks.names)
    #: The connected organisations to read from; None asks the service without saying (v2 for ledgers).
    scope: OrgScope | None = field(default=None, validator=_is_scope)

    def __attrs_post_init__(self) -> None:
        if self.alternate_currency_names and self.include_alternate_currencies:
            raise InvalidQueryError(
                "alternate_currency_names asks for some currencies and include_alternate_currencies=True for all: "
                "give only one of them"
            )
