"""Whose ledgers a sandbox has: customers, user groups, and the stores that their entries come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen

from capledger.sandbox.rows import Row
from capledger.sandbox.synthetic import LazyLedger

#: Rows in any order, or a lazy ledger.
Rows = Sequence[Row] | LazyLedger


@define(kw_only=True)
class Holder:
    """What customers and groups have in common."""

    #: Rows as ``make_row`` makes them, in any order, or ``lazy_rows(...)``.
    rows: Rows = field(factory=list, kw_only=False, repr=False)
    source: str = "INSTORE"
    account_id: str | None = None
    #: The organisation; None for the sandbox's own. Another one is reached on v2.1 with DATA-SCOPE.
    org_id: int | None = None
    #: True adds the warning 11002: events are pending, the ledger may be incomplete.
    pending: bool = False
    #: Items of ``ledgerClosingBalance``, which v2.1 sends.
    closing_balance: list[dict[str, Any]] = field(factory=list)
    #: Whole answers of the event details, by event log id, in place of those made from the rows.
    events: Mapping[int, dict[str, Any]] = field(factory=dict, repr=False)


@define(kw_only=True)
class SandboxCustomer(Holder):
    """A customer, found by ``identifier_name`` and by the id, external id and e-mail address, where given."""

    identifier_value: str = field(kw_only=False)
    rows: Rows = field(factory=list, kw_only=False, repr=False)
    identifier_name: str = "mobile"
    customer_id: int = 910_000_001
    external_id: str | None = None
    email: str | None = None
    first_name: str = "Ada"
    last_name: str = "Example"

    def identifiers(self) -> Iterator[tuple[str, str]]:
        """Every (name, value) that finds this customer, names in lower case."""
        yield self.identifier_name.lower(), self.identifier_value
        yield from (("id", str(self.customer_id)), ("customerid", str(self.customer_id)))
        if self.external_id is not None:
            yield "externalid", self.external_id
        if self.email is not None:
            yield "email", self.email

    def details(self) -> dict[str, Any]:
        """The ``customerDetails`` at the top of an answer."""
        details = {"firstName": self.first_name, "lastName": self.last_name, "userId": self.customer_id}
        external = {} if self.external_id is None else {"externalId": self.external_id}
        return details | external | {"entityType": "CUSTOMER"}


@define(kw_only=True)
class SandboxGroup(Holder):
    """A user group (``type=USERGROUP2``); its rows carry ``make_member(...)`` as their ``customerDetails``."""

    group_id: str = field(kw_only=False)
    rows: Rows = field(factory=list, kw_only=False, repr=False)
    external_id: str | None = None
    primary_user_id: str | None = None

    def identifiers(self) -> Iterator[tuple[str, str]]:
        """Every (name, value) that finds this group, names in lower case."""
        yield from (("groupid", self.group_id), ("id", self.group_id))
        if self.external_id is not None:
            yield "externalid", self.external_id
        if self.primary_user_id is not None:
            yield "primaryuserid", self.primary_user_id


@frozen(kw_only=True)
class Store:
    """A store with its tills (codes by id), and the concept that it belongs to."""

    store_id: int
    code: str
    tills: Mapping[int, str] = field(hash=False)
    concept_id: int = -1
    concept_name: str | None = None
    #: The program whose ``includeTillConceptEvents`` takes in deductions at these tills.
    concept_program_id: int | None = None


#: The stores that made entries come from; rows name the first unless told otherwise.
STORES = (
    Store(
        store_id=301,
        code="quay",
        tills={9301: "quay.till1", 9302: "quay.till2"},
        concept_id=71,
        concept_name="Harbour",
        concept_program_id=4110,
    ),
    Store(
        store_id=302,
        code="mill",
        tills={9311: "mill.till1"},
        concept_id=72,
        concept_name="Mill",
        concept_program_id=4120,
    ),
    Store(store_id=303, code="pier", tills={9321: "pier.till1"}),
)
