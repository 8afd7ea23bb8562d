"""Finding whose ledger is meant: by identifier, source, account and organisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from capledger.sandbox.customers import Holder, SandboxCustomer, SandboxGroup
from capledger.sandbox.ledger import Ledger, StoredLedger
from capledger.sandbox.responses import Refusal
from capledger.sandbox.synthetic import LazyLedger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from capledger.sandbox.params import Subject
    from capledger.sandbox.rows import Row

_MOST_ORGS: Final = 2


class Account:
    """A customer or group with its ledger, which is built when it is first asked for."""

    def __init__(self, holder: SandboxCustomer | SandboxGroup, own_org: int) -> None:
        self.holder = holder
        self.org_id = own_org if holder.org_id is None else holder.org_id
        self._ledger: StoredLedger | LazyLedger | None = None

    @property
    def ledger(self) -> StoredLedger | LazyLedger:
        """The rows; those of another organisation carry its id."""
        if self._ledger is None:
            rows = self.holder.rows
            self._ledger = rows if isinstance(rows, LazyLedger) else StoredLedger(map(self._stamped, rows))
        return self._ledger

    def append(self, row: Row) -> None:
        """Take in one more row; a lazy ledger cannot."""
        if isinstance(self.ledger, LazyLedger):
            raise TypeError("a lazy ledger takes no more rows; give the customer a list of them")
        self.ledger.append(self._stamped(row))

    def _stamped(self, row: Row) -> Row:
        return row if self.holder.org_id is None else row | {"orgId": self.holder.org_id}

    def answers_to(self, subject: Subject) -> bool:
        """True where source and account are the customer's."""
        holder: Holder = self.holder
        same_account = subject.account_id in {None, holder.account_id} or holder.account_id is None
        return same_account and subject.source in {"ALL", holder.source.upper()}


@frozen
class Found:
    """What a request is about: one account, or those of several organisations read as one."""

    accounts: tuple[Account, ...]
    ledger: Ledger

    @property
    def holder(self) -> SandboxCustomer | SandboxGroup:
        """The first one: its details head the answer."""
        return self.accounts[0].holder

    def event(self, event_log_id: int) -> dict[str, Any] | None:
        """The details that a customer was given for an event, in place of those made from the row."""
        given = (account.holder.events.get(event_log_id) for account in self.accounts)
        return next((event for event in given if event is not None), None)


class Directory:
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
        """Make a customer or group known."""
        account = Account(holder, self._org_id)
        self._orgs.add(account.org_id)
        for name, value in holder.identifiers():
            self._accounts.setdefault((isinstance(holder, SandboxGroup), name, value), []).append(account)

    def by_value(self, identifier_value: str) -> Account:
        """The first account with this value under any name; for writers."""
        for (_, _, value), accounts in self._accounts.items():
            if value == identifier_value:
                return accounts[0]
        raise LookupError("no customer or group of this sandbox has that identifier")

    def find(self, subject: Subject, orgs: Iterable[int]) -> Found:
        """The account in these organisations; 8015 or 1632 where there is none."""
        wanted = frozenset(orgs)
        known = self._accounts.get((subject.is_group, subject.name, subject.value), ())
        found = tuple(account for account in known if account.org_id in wanted and account.answers_to(subject))
        if found:
            return Found(found, self._ledger(found))
        if subject.is_group:
            raise Refusal(1632, "group id/externalId/primary userId passed is not valid")
        raise Refusal(8015, "Customer not found for the given identifiers")

    def _ledger(self, accounts: tuple[Account, ...]) -> Ledger:
        if len(accounts) == 1:
            return accounts[0].ledger
        key = tuple((id(account), len(account.ledger)) for account in accounts)
        if key not in self._merged:
            ledgers = [account.ledger for account in accounts]
            self._merged[key] = StoredLedger(ledger.row(rank) for ledger in ledgers for rank in range(len(ledger)))
        return self._merged[key]

    def scope(self, headers: Mapping[str, str]) -> frozenset[int]:
        """The organisations that DATA-SCOPE and DATA-SCOPE-ORG name, SELF without them; 310144 refuses."""
        scope = headers.get("DATA-SCOPE", "SELF").upper()
        connected = self._orgs - {self._org_id} if self._connected is None else self._connected
        if scope == "SELF":
            return frozenset({self._org_id})
        if scope == "ALL" and len(connected) <= _MOST_ORGS:
            return frozenset({self._org_id, *connected})
        named = [part.strip() for part in headers.get("DATA-SCOPE-ORG", "").split(",")]
        asked = frozenset(int(part) for part in named if part.isdigit())
        if scope == "OTHER" and len(asked) == len(named) <= _MOST_ORGS and asked <= connected:
            return asked
        raise Refusal(310144, "Connected Orgs not set properly in Headers")

    def own(self) -> frozenset[int]:
        """The sandbox's own organisation, which v2 is about."""
        return frozenset({self._org_id})
