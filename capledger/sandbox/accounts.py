"""Accounts: find a customer or group by identifier, source, account and organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from capledger.sandbox.customers import AccountHolder, SandboxCustomer, SandboxGroup
from capledger.sandbox.ledger import Ledger, StoredLedger
from capledger.sandbox.responses import ErrorResponse
from capledger.sandbox.synthetic import SyntheticLedger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from capledger.sandbox.params import AccountSelector
    from capledger.sandbox.rows import LedgerRow

_MAX_ORGS: Final = 2


class Account:
    """A customer or group with its ledger, which is built on first access."""

    def __init__(self, holder: SandboxCustomer | SandboxGroup, own_org: int) -> None:
        self.holder = holder
        self.org_id: int = own_org if holder.org_id is None else holder.org_id
        self._ledger: StoredLedger | SyntheticLedger | None = None

    @property
    def ledger(self) -> StoredLedger | SyntheticLedger:
        """Rows of the ledger; those of another organisation carry its id."""
        if self._ledger is None:
            rows = self.holder.rows
            self._ledger = rows if isinstance(rows, SyntheticLedger) else StoredLedger(map(self._stamped, rows))
        return self._ledger

    @property
    def version(self) -> int:
        """Number of changes of the ledger so far."""
        return 0 if isinstance(self.ledger, SyntheticLedger) else self.ledger.version

    def append(self, row: LedgerRow) -> None:
        """Add a row; raise TypeError for a synthetic ledger."""
        self._writable().append(self._stamped(row))

    def remove(self, event_log_id: int) -> int:
        """Remove the rows of an event and return their number; raise TypeError for a synthetic ledger."""
        return self._writable().remove(event_log_id)

    def _writable(self) -> StoredLedger:
        if isinstance(self.ledger, SyntheticLedger):
            raise TypeError("a synthetic ledger cannot change; create the customer with a list of rows")
        return self.ledger

    def _stamped(self, row: LedgerRow) -> LedgerRow:
        return row if self.holder.org_id is None else row | {"orgId": self.holder.org_id}

    def matches(self, selector: AccountSelector) -> bool:
        """Return whether source and account are those of this customer."""
        holder: AccountHolder = self.holder
        same_account = selector.account_id in {None, holder.account_id} or holder.account_id is None
        return same_account and selector.source in {"ALL", holder.source.upper()}


@frozen
class AccountMatch:
    """The accounts a request refers to: one, or those of several organisations read as one ledger."""

    accounts: tuple[Account, ...]
    ledger: Ledger

    @property
    def holder(self) -> SandboxCustomer | SandboxGroup:
        """First customer or group; its details are sent with the page."""
        return self.accounts[0].holder

    def ledger_before(self, changes: int) -> Ledger:
        """Return the ledger before the latest changes of each account."""
        ledgers = [account.ledger.before(changes) for account in self.accounts]
        return ledgers[0] if len(ledgers) == 1 else _merge(ledgers)

    def event(self, event_log_id: int) -> dict[str, Any] | None:
        """Return the event details that the customer was created with; None where they are built from the row."""
        provided = (account.holder.events.get(event_log_id) for account in self.accounts)
        return next((event for event in provided if event is not None), None)


def _merge(ledgers: Iterable[Ledger]) -> StoredLedger:
    return StoredLedger(ledger.row(rank) for ledger in ledgers for rank in range(len(ledger)))


class Accounts:
    """The accounts of a sandbox."""

    def __init__(
        self, holders: Iterable[SandboxCustomer | SandboxGroup], *, org_id: int, connected: Iterable[int] | None
    ) -> None:
        self._org_id = org_id
        self._connected = None if connected is None else frozenset(connected)
        self._accounts: dict[tuple[bool, str, str], list[Account]] = {}
        self._orgs: set[int] = set()
        self._merged: dict[tuple[tuple[int, int], ...], Ledger] = {}
        for holder in holders:
            self.add(holder)

    def add(self, holder: SandboxCustomer | SandboxGroup) -> None:
        """Add a customer or group."""
        account = Account(holder, self._org_id)
        self._orgs.add(account.org_id)
        for name, value in holder.identifiers():
            self._accounts.setdefault((isinstance(holder, SandboxGroup), name, value), []).append(account)

    def by_value(self, identifier_value: str) -> Account:
        """Return the first account with this value under any identifier name."""
        for (_, _, value), accounts in self._accounts.items():
            if value == identifier_value:
                return accounts[0]
        raise LookupError("no customer or group of this sandbox has that identifier")

    def find(self, selector: AccountSelector, orgs: Iterable[int]) -> AccountMatch:
        """Return the accounts in these organisations; raise 8015 or 1632 if there are none."""
        scope = frozenset(orgs)
        known = self._accounts.get((selector.is_group, selector.name, selector.value), ())
        found = tuple(account for account in known if account.org_id in scope and account.matches(selector))
        if found:
            return AccountMatch(found, self._ledger(found))
        if selector.is_group:
            raise ErrorResponse(1632, "group id/externalId/primary userId passed is not valid")
        raise ErrorResponse(8015, "Customer not found for the given identifiers")

    def _ledger(self, accounts: tuple[Account, ...]) -> Ledger:
        if len(accounts) == 1:
            return accounts[0].ledger
        key = tuple((id(account), account.version) for account in accounts)
        if key not in self._merged:
            self._merged[key] = _merge(account.ledger for account in accounts)
        return self._merged[key]

    def scope(self, headers: Mapping[str, str]) -> frozenset[int]:
        """Return the organisations of DATA-SCOPE and DATA-SCOPE-ORG, by default SELF; raise 310144 if invalid."""
        scope = headers.get("DATA-SCOPE", "SELF").upper()
        connected = self._orgs - {self._org_id} if self._connected is None else self._connected
        if scope == "SELF":
            return frozenset({self._org_id})
        if scope == "ALL" and len(connected) <= _MAX_ORGS:
            return frozenset({self._org_id, *connected})
        named = [part.strip() for part in headers.get("DATA-SCOPE-ORG", "").split(",")]
        requested = frozenset(int(part) for part in named if part.isdigit())
        if scope == "OTHER" and len(requested) == len(named) <= _MAX_ORGS and requested <= connected:
            return requested
        raise ErrorResponse(310144, "Connected Orgs not set properly in Headers")

    def own(self) -> frozenset[int]:
        """Return the sandbox's own organisation, the only one that v2 reads."""
        return frozenset({self._org_id})
