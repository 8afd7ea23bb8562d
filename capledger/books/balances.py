"""Balances at a moment, running balances, and statements."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from attrs import frozen

from capledger.books.movements import ZERO, LedgerAccount, Movement, add, movements, total

if TYPE_CHECKING:
    from collections.abc import Iterable

    from capledger.books.rows import EntrySource


@frozen
class RunningBalance:
    """A movement, and the balance of its account after it."""

    movement: Movement
    """The movement."""
    balance: Decimal
    """Balance of the account after the movement."""


@frozen
class AccountStatement:
    """One account in a period: ``closing = opening + opening_balances + credits - debits``."""

    account: LedgerAccount
    """The account."""
    opening: Decimal
    """Balance at the start of the period."""
    opening_balances: Decimal
    """Opening balances that entries of the period state: brought in from before the ledger, not earned."""
    credits: Decimal
    """Sum of the credits."""
    debits: Decimal
    """Sum of the debits, not negative."""
    closing: Decimal
    """Balance at the end of the period: the opening of the next one."""


@frozen
class Statement:
    """The accounts of a ledger in a period, and the movements in it."""

    start: datetime | None
    """First instant of the period, inclusive; None for the beginning of the ledger."""
    end: datetime | None
    """End of the period, exclusive; None for the end of the ledger."""
    accounts: tuple[AccountStatement, ...]
    """All accounts that have movements before the end, by programme, points first."""
    movements: tuple[RunningBalance, ...]
    """The movements of the period, oldest first, each with the balance of its account after it."""


def running_balances(entries: EntrySource) -> list[RunningBalance]:
    """Return every movement, oldest first, with the balance of its account after it."""
    return _run(_sorted(movements(entries)), {})


def balances_at(entries: EntrySource, moment: date | None) -> dict[LedgerAccount, Decimal]:
    """Return the balance of each account at a moment, from the movements before it.

    Args:
        entries: the whole ledger up to the moment.
        moment: exclusive; a date is its midnight, a naive moment is on the clock of the entries, None is their end.
    """
    before = as_moment(moment)
    balances: dict[LedgerAccount, Decimal] = {}
    for movement in movements(entries):
        if is_before(movement.date, before):
            balances[movement.account] = add(balances.get(movement.account, ZERO), movement.amount)
    return balances


def statement(entries: EntrySource, start: date | None, end: date | None) -> Statement:
    """Return the statement of a period: ``start <= date < end``, written like ``moment`` in :func:`balances_at`.

    Args:
        entries: the whole ledger up to the end.
        start: first instant of the period; None for the beginning of the ledger.
        end: end of the period; None for the end of the ledger.

    Raises:
        ValueError: the end is before the start.
    """
    first, last = as_moment(start), as_moment(end)
    if first is not None and last is not None and (first.tzinfo is None) is (last.tzinfo is None) and last < first:
        raise ValueError("end is before start: swap them, or leave one out")
    known = _sorted(movement for movement in movements(entries) if is_before(movement.date, last))
    earlier = [movement for movement in known if first is not None and is_before(movement.date, first)]
    within = known[len(earlier) :]
    opening: dict[LedgerAccount, Decimal] = {}
    _run(earlier, opening)
    closing = dict(opening)
    running = _run(within, closing)
    accounts = sorted({movement.account: None for movement in known}, key=lambda account: account.sort_key)
    parts = (_account_statement(account, opening, closing, within) for account in accounts)
    return Statement(first, last, tuple(parts), tuple(running))


def _account_statement(
    account: LedgerAccount,
    opening: dict[LedgerAccount, Decimal],
    closing: dict[LedgerAccount, Decimal],
    within: Iterable[Movement],
) -> AccountStatement:
    own = [movement for movement in within if movement.account == account]
    moved = [movement for movement in own if not movement.is_opening]
    return AccountStatement(
        account=account,
        opening=opening.get(account, ZERO),
        opening_balances=total(movement.amount for movement in own if movement.is_opening),
        credits=total(movement.amount for movement in moved if movement.amount >= 0),
        debits=total(movement.amount.copy_negate() for movement in moved if movement.amount < 0),
        closing=closing.get(account, ZERO),
    )


def _sorted(found: Iterable[Movement]) -> list[Movement]:
    return sorted(found, key=lambda movement: (movement.date, movement.event_log_id))


def _run(ordered: Iterable[Movement], balances: dict[LedgerAccount, Decimal]) -> list[RunningBalance]:
    """Return movements with their running balances, which are brought up to date in *balances*."""
    running = []
    for movement in ordered:
        balance = balances[movement.account] = add(balances.get(movement.account, ZERO), movement.amount)
        running.append(RunningBalance(movement, balance))
    return running


def as_moment(value: date | None) -> datetime | None:
    """Return a day as its midnight."""
    if value is None or isinstance(value, datetime):
        return value
    return datetime(value.year, value.month, value.day)


def is_before(moment: datetime, end: datetime | None) -> bool:
    """Return whether a moment is before an end; a naive end is on the moment's own clock."""
    if end is None:
        return True
    return moment.replace(tzinfo=None) < end if end.tzinfo is None else moment < end
