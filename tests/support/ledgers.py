"""Sandboxes with ledgers, queries for them, and the entries that a walk must yield."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from capledger import BasicAuth, CustomerLedgerQuery, GroupLedgerQuery, LedgerSession
from capledger.sandbox import Rules, Sandbox, SandboxCustomer, SandboxGroup, SyntheticLedger
from capledger.sandbox.rows import read_date

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from capledger import LedgerEntry, LedgerWalk

MOBILE = "917400000001"
GROUP = "381000001"


def sandbox(rows: Sequence[dict[str, Any]] | SyntheticLedger, rules: Rules | None = None, **options: Any) -> Sandbox:
    return Sandbox([SandboxCustomer(MOBILE, rows)], rules=rules, **options)


def group_sandbox(rows: Sequence[dict[str, Any]] | SyntheticLedger, rules: Rules | None = None) -> Sandbox:
    return Sandbox(groups=[SandboxGroup(GROUP, rows)], rules=rules)


def session(box: Sandbox, **options: Any) -> LedgerSession:
    return LedgerSession(box.url, BasicAuth("store.server", "server123"), timezone=UTC, **options)


def customer(**options: Any) -> CustomerLedgerQuery:
    return CustomerLedgerQuery.mobile(MOBILE, include_alternate_currencies=True, **options)


def group(**options: Any) -> GroupLedgerQuery:
    return GroupLedgerQuery(**{"identifier_value": GROUP} | options)


def ids(entries: Iterable[LedgerEntry]) -> list[int]:
    return [entry.event_log_id for entry in entries]


def expected_ids(rows: Iterable[dict[str, Any]], start: datetime | None, end: datetime | None, order: str) -> list[int]:
    """Return the ids of ``start <= ledgerCreatedDate < end`` by date, computed from the rows alone."""
    dated = sorted((read_date(row["ledgerCreatedDate"]), row["eventLogId"]) for row in rows)
    chosen = [number for date, number in dated if (start is None or start <= date) and (end is None or date < end)]
    return chosen if order == "asc" else chosen[::-1]


async def take(walk: LedgerWalk, count: int) -> list[int]:
    """Iterate over this many entries, break, and return their ids."""
    taken: list[int] = []
    if count:
        async for entry in walk:
            taken.append(entry.event_log_id)
            if len(taken) == count:
                break
    return taken
