"""The customers and user groups of a sandbox."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field

from capledger.sandbox.rows import LedgerRow
from capledger.sandbox.synthetic import SyntheticLedger

#: Rows in any order, or a synthetic ledger.
Rows = Sequence[LedgerRow] | SyntheticLedger


@define(kw_only=True)
class AccountHolder:
    """The fields that customers and groups share."""

    rows: Rows = field(factory=list, kw_only=False, repr=False)
    """Rows made by ``make_row`` or ``seed_rows``, in any order, or ``synthetic_rows(...)``."""
    source: str = "INSTORE"
    account_id: str | None = None
    org_id: int | None = None
    """The organisation; None for the sandbox's own. Other organisations are read on v2.1 with DATA-SCOPE."""
    pending: bool = False
    """Whether responses carry the warning 11002: events are pending, the ledger may be incomplete."""
    closing_balance: list[dict[str, Any]] = field(factory=list)
    """Items of ``ledgerClosingBalance``, sent on v2.1."""
    events: Mapping[int, dict[str, Any]] = field(factory=dict, repr=False)
    """Complete event details by event log id, in place of those built from the rows."""


@define(kw_only=True)
class SandboxCustomer(AccountHolder):
    """A customer, found by ``identifier_name``, by id, and by external id and e-mail address where set."""

    identifier_value: str = field(kw_only=False)
    rows: Rows = field(factory=list, kw_only=False, repr=False)
    identifier_name: str = "mobile"
    customer_id: int = 910_000_001
    external_id: str | None = None
    email: str | None = None
    first_name: str = "Ada"
    last_name: str = "Example"

    def identifiers(self) -> Iterator[tuple[str, str]]:
        """Yield every (name, value) that finds this customer, names in lower case."""
        yield self.identifier_name.lower(), self.identifier_value
        yield from (("id", str(self.customer_id)), ("customerid", str(self.customer_id)))
        if self.external_id is not None:
            yield "externalid", self.external_id
        if self.email is not None:
            yield "email", self.email

    def details(self) -> dict[str, Any]:
        """Return the ``customerDetails`` at the top of a response."""
        details = {"firstName": self.first_name, "lastName": self.last_name, "userId": self.customer_id}
        external = {} if self.external_id is None else {"externalId": self.external_id}
        return details | external | {"entityType": "CUSTOMER"}


@define(kw_only=True)
class SandboxGroup(AccountHolder):
    """A user group (``type=USERGROUP2``); its rows carry ``make_member(...)`` as their ``customerDetails``."""

    group_id: str = field(kw_only=False)
    rows: Rows = field(factory=list, kw_only=False, repr=False)
    external_id: str | None = None
    primary_user_id: str | None = None

    def identifiers(self) -> Iterator[tuple[str, str]]:
        """Yield every (name, value) that finds this group, names in lower case."""
        yield from (("groupid", self.group_id), ("id", self.group_id))
        if self.external_id is not None:
            yield "externalid", self.external_id
        if self.primary_user_id is not None:
            yield "primaryuserid", self.primary_user_id
