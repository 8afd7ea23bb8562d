"""The connected organisations that a response may come from (v2.1)."""

from __future__ import annotations

from typing import Final, Literal

from attrs import field, frozen

from capledger.errors import InvalidQueryError
from capledger.queries import checks

#: Child organisations in one scope, by the vendor's page on data scopes of connected organisations.
_MAX_ORGS: Final = 2


@frozen
class OrgScope:
    """The organisations to read from; made by :meth:`own`, :meth:`other` or :meth:`all`."""

    data_scope: Literal["SELF", "OTHER", "ALL"]
    """The ``DATA-SCOPE`` header (v2.1 ledger page)."""
    org_ids: tuple[int, ...] = field(default=(), converter=checks.as_ints, validator=checks.ints)
    """The ``DATA-SCOPE-ORG`` header: ids of one or two connected organisations, for OTHER only (v2.1 ledger page)."""

    def __attrs_post_init__(self) -> None:
        if self.data_scope not in {"SELF", "OTHER", "ALL"}:
            raise InvalidQueryError("data_scope must be SELF, OTHER or ALL: use OrgScope.own(), .other() or .all()")
        if self.data_scope == "OTHER" and not 1 <= len(self.org_ids) <= _MAX_ORGS:
            raise InvalidQueryError("OrgScope.other takes one or two organisation ids: use several queries for more")
        if self.data_scope != "OTHER" and self.org_ids:
            raise InvalidQueryError("only OrgScope.other takes organisation ids")

    @classmethod
    def own(cls) -> OrgScope:
        """Return the scope of the organisation that the credentials belong to."""
        return cls("SELF")

    @classmethod
    def other(cls, *org_ids: int) -> OrgScope:
        """Return the scope of one or two connected organisations, by their ids."""
        return cls("OTHER", org_ids)

    @classmethod
    def all(cls) -> OrgScope:
        """Return the scope of the own and all connected organisations; refused for parents of more than two."""
        return cls("ALL")
