"""Which connected organisations an answer may come from (v2.1)."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from capledger.errors import InvalidQueryError
from capledger.queries import checks

#: The service takes no more child organisations in one scope (``connected-orgs-data-scopes``).
MOST_ORGS = 2


@frozen
class OrgScope:
    """The organisations to read from; made by :meth:`own`, :meth:`other` or :meth:`all`."""

    #: The ``DATA-SCOPE`` header.
    data_scope: Literal["SELF", "OTHER", "ALL"]
    #: The ``DATA-SCOPE-ORG`` header: ids of one or two connected organisations, for OTHER alone.
    org_ids: tuple[int, ...] = field(default=(), converter=checks.as_numbers, validator=checks.whole_numbers)

    def __attrs_post_init__(self) -> None:
        if self.data_scope not in {"SELF", "OTHER", "ALL"}:
            raise InvalidQueryError("data_scope has to be SELF, OTHER or ALL: use OrgScope.own(), .other() or .all()")
        if self.data_scope == "OTHER" and not 1 <= len(self.org_ids) <= MOST_ORGS:
            raise InvalidQueryError("OrgScope.other takes one or two organisation ids: ask more of them in turn")
        if self.data_scope != "OTHER" and self.org_ids:
            raise InvalidQueryError("only OrgScope.other takes organisation ids")

    @classmethod
    def own(cls) -> OrgScope:
        """The organisation of the credentials alone."""
        return cls("SELF")

    @classmethod
    def other(cls, *org_ids: int) -> OrgScope:
        """One or two connected organisations, by their ids."""
        return cls("OTHER", org_ids)

    @classmethod
    def all(cls) -> OrgScope:
        """The own and all connected ones; the service refuses this to parents of more than two."""
        return cls("ALL")
