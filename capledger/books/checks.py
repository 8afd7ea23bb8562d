"""Whether the books add up: nets against details, movements against the balances of the service, pairs of entries."""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal

from attrs import define, field, frozen

from capledger.books.balances import as_moment, is_before
from capledger.books.movements import (
    HALF_CENT,
    KNOWN_TYPES,
    ZERO,
    LedgerAccount,
    Movement,
    add,
    is_rounded,
    movements_of,
    nets_of,
    netted_details,
    signed,
    subtract,
    total,
)
from capledger.books.pairs import PairedEntries
from capledger.books.rows import entries_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from capledger.books.rows import EntrySource
    from capledger.models import Balance, LedgerEntry

CheckName = Literal["net", "closing_balance", "entry_type", "transfer", "reversal", "below_zero"]

#: Movements that a discrepancy of an account shows.
_NEAR: Final = 3
#: The service takes whole seconds, and whether the second itself counts is not documented.
_SECOND: Final = timedelta(seconds=1)
_INSTANT: Final = timedelta(microseconds=1)


@frozen
class Discrepancy:
    """Two amounts that should be equal and differ by more than rounding explains, or a notice."""

    check: CheckName
    """What was compared: an entry's "net" with its details, movements with the "closing_balance" of the service, the
    two sides of a "transfer" or a "reversal"; "entry_type" is an amount whose sign is not known, and "below_zero" a
    balance that a programme forbids."""
    account: LedgerAccount | None
    """The account; None where the amounts belong to several."""
    expected: Decimal
    """The amount that follows from the movements."""
    found: Decimal
    """The amount that the service states."""
    near: tuple[Movement, ...] = ()
    """The movements of the entry, or the last movements of the account."""
    is_notice: bool = False
    """Whether it is only worth knowing, and no error in the books."""

    @property
    def difference(self) -> Decimal:
        """Return how far the stated amount is above the expected one."""
        return subtract(self.found, self.expected)


def check_books(
    entries: EntrySource,
    closing: Iterable[Balance] | None = None,
    *,
    at: date | None = None,
    opening: Iterable[Balance] = (),
    opening_at: date | None = None,
    filtered: bool = False,
    non_negative: Collection[int] = (),
) -> list[Discrepancy]:
    """Return the discrepancies of a ledger; an empty list where its books add up.

    Args:
        entries: the whole ledger, or the entries after *opening*, up to the moment of *closing* and a second longer.
        closing: balances of the service, none where it has none; None compares no balances. Accounts in alternate
            currencies are compared if any balance has a currency.
        at: the moment of *closing*, as in its query. Later entries are left out, and entries of this very second may
            be in the balances or not, which is not documented.
        opening: balances of the service from before the first entry, or of *opening_at*.
        opening_at: the moment of *opening*, as in its query. Earlier entries are left out, and entries of this very
            second may be in the balances or not.
        filtered: whether the entries were requested with filters, so that nets are not those of the details shown.
        non_negative: ids of programmes that forbid balances below zero.
    """
    checker = BookChecker(opening, opening_at=opening_at, at=at, filtered=filtered, non_negative=non_negative)
    pairs = PairedEntries()
    found: list[Discrepancy] = []
    for entry in sorted(entries_of(entries), key=lambda item: (item.ledger_created_date, item.event_log_id)):
        found += checker.add(entry)
        pairs.add(entry)
    found += checker.finish(closing)
    return [*found, *unbalanced_pairs(pairs)]


def unbalanced_pairs(pairs: PairedEntries) -> Iterator[Discrepancy]:
    """Yield the transfers and reversals of which both sides are known and do not match."""
    for check, account, expected, found, near in pairs.mismatches():
        yield Discrepancy(check, account, expected, found, near)


@define
class _EdgeSums:
    """Sums of the movements that balances of the second may include or not."""

    instant: Decimal = ZERO
    """Those at the start of the second, which may count alone where fractions are compared."""
    second: Decimal = ZERO
    """All of them."""

    def add(self, movement: Movement, start: datetime | None) -> None:
        """Add a movement within the second that begins at *start*."""
        self.second = add(self.second, movement.exact)
        if _is_within(movement.date, start, _INSTANT):
            self.instant = add(self.instant, movement.exact)

    @property
    def possible(self) -> tuple[Decimal, ...]:
        """Return what the balances may include."""
        return ZERO, self.instant, self.second


@define
class _AccountState:
    balance: Decimal = ZERO
    """Sum of the movements, each as exact as its net proves."""
    rounding: Decimal = ZERO
    """Bound of the difference to the service's own balance."""
    opening_edge: _EdgeSums = field(factory=_EdgeSums)
    """Movements in the second of the opening balances, which are in ``balance``."""
    closing_edge: _EdgeSums = field(factory=_EdgeSums)
    """Movements in the second of the closing balances, which are not in it."""
    lowest: Decimal = ZERO
    lowest_at: Movement | None = None
    recent: deque[Movement] = field(factory=lambda: deque(maxlen=_NEAR))

    def add(self, movement: Movement) -> None:
        """Add a movement."""
        self.balance = add(self.balance, movement.exact)
        self.rounding = add(self.rounding, movement.rounding)
        self.recent.append(movement)
        if add(self.balance, self.rounding) < self.lowest:
            self.lowest, self.lowest_at = self.balance, movement

    def is_possible(self, stated: Decimal) -> bool:
        """Return whether the service can state this balance, whatever it does with the seconds of its balances."""
        difference = subtract(stated, self.balance)
        return any(
            abs(add(difference, subtract(opened, closed))) <= self.rounding
            for opened in self.opening_edge.possible
            for closed in self.closing_edge.possible
        )


class BookChecker:
    """Checks the entries of one ledger as they are added, oldest first, in memory that its accounts bound."""

    def __init__(
        self,
        opening: Iterable[Balance] = (),
        *,
        opening_at: date | None = None,
        at: date | None = None,
        filtered: bool = False,
        non_negative: Collection[int] = (),
    ) -> None:
        self._opening_at = as_moment(opening_at)
        self._at = as_moment(at)
        self._filtered = filtered
        self._non_negative = non_negative
        self._accounts: defaultdict[LedgerAccount, _AccountState] = defaultdict(_AccountState)
        for balance in opening:
            state = self._accounts[LedgerAccount.of(balance)]
            state.balance = add(state.balance, balance.closing_balance)

    def add(self, entry: LedgerEntry) -> Iterator[Discrepancy]:
        """Add an entry, and return what is wrong in itself."""
        movements = movements_of(entry)
        for movement in movements:
            self._add(movement)
        return self._check_entry(entry, movements)

    def _add(self, movement: Movement) -> None:
        date = movement.date
        if self._opening_at is not None and is_before(date, self._opening_at):
            return
        if _is_within(date, self._at, _SECOND):
            self._accounts[movement.account].closing_edge.add(movement, self._at)
        elif is_before(date, self._at):
            state = self._accounts[movement.account]
            state.add(movement)
            if _is_within(date, self._opening_at, _SECOND):
                state.opening_edge.add(movement, self._opening_at)

    def _check_entry(self, entry: LedgerEntry, movements: list[Movement]) -> Iterator[Discrepancy]:
        for movement in movements:
            if movement.ledger_entry_type not in KNOWN_TYPES:
                yield Discrepancy("entry_type", movement.account, movement.amount, movement.amount, (movement,))
        for currency, net in {} if self._filtered else nets_of(entry).items():
            details = netted_details(entry, currency)
            expected = total(map(signed, details))
            rounded = [detail for detail in details if is_rounded(detail)]
            if abs(subtract(net, expected)) > HALF_CENT * len(rounded):
                near = tuple(item for item in movements if item.account.alternate_currency_name == currency)
                yield Discrepancy("net", _only_account(near), expected, net, near)

    def finish(self, closing: Iterable[Balance] | None) -> Iterator[Discrepancy]:
        """Return accounts that differ from the balances of the service, unless it is None, and those below zero."""
        if closing is not None:
            stated: dict[LedgerAccount, Decimal] = {}
            for balance in closing:
                account = LedgerAccount.of(balance)
                stated[account] = add(stated.get(account, ZERO), balance.closing_balance)
            has_currencies = any(account.alternate_currency_name is not None for account in stated)
            yield from self._check_balances(stated, has_currencies=has_currencies)
        yield from self._below_zero()

    def _check_balances(self, stated: dict[LedgerAccount, Decimal], *, has_currencies: bool) -> Iterator[Discrepancy]:
        accounts = {**dict.fromkeys(self._accounts), **dict.fromkeys(stated)}
        for account in sorted(accounts, key=lambda item: item.sort_key):
            if account.alternate_currency_name is not None and not has_currencies:
                continue
            state, found = self._accounts[account], stated.get(account, ZERO)
            if not state.is_possible(found):
                yield Discrepancy("closing_balance", account, state.balance, found, tuple(state.recent))

    def _below_zero(self) -> Iterator[Discrepancy]:
        for account, state in self._accounts.items():
            if account.program_id in self._non_negative and state.lowest_at is not None:
                yield Discrepancy("below_zero", account, ZERO, state.lowest, (state.lowest_at,), is_notice=True)


def _is_within(moment: datetime, start: datetime | None, length: timedelta) -> bool:
    """Return whether a moment is in the time that begins at a start."""
    return start is not None and not is_before(moment, start) and is_before(moment, start + length)


def _only_account(movements: Iterable[Movement]) -> LedgerAccount | None:
    accounts = {movement.account for movement in movements}
    return accounts.pop() if len(accounts) == 1 else None
