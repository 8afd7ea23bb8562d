"""Transfers and reversals: entries that belong together, where the ledgers of both sides are at hand."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, Literal

from attrs import define, field

from capledger.books.movements import ZERO, LedgerAccount, Movement, add, movements_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from capledger.models import LedgerEntry

_TRANSFER: Final = "PointsTransfer"
_REDEMPTION: Final = "PointsRedemption"
_REVERSAL: Final = "PointsRedemptionReversal"

#: Check, account, expected and found amount, movements of both sides.
Mismatch = tuple[Literal["transfer", "reversal"], LedgerAccount, "Decimal", "Decimal", tuple[Movement, ...]]


@define
class _Side:
    """Movements of one event or transaction, of each customer from one ledger only."""

    ledgers: dict[int | None, object] = field(factory=dict)
    """The ledger that the movements of each customer are from."""
    movements: list[Movement] = field(factory=list)

    def add(self, entry: LedgerEntry, ledger: object) -> None:
        """Add an entry, unless another ledger of the same customer has it too."""
        if self.ledgers.setdefault(entry.customer_id, ledger) == ledger:
            self.movements += movements_of(entry)


class PairedEntries:
    """The transfers and reversals among entries of any number of ledgers; memory grows with their number alone.

    The two sides of a transfer are entries of the same event in ledgers of two customers; a reversal and its redemption
    are entries of the same transaction. The service itself links those by a ``redemptionId`` (page on reversals), which
    entries do not have; reversals without a transaction are not compared.
    """

    def __init__(self) -> None:
        self._transfers: defaultdict[int, _Side] = defaultdict(_Side)
        self._redemptions: defaultdict[int, _Side] = defaultdict(_Side)
        self._reversals: defaultdict[int, _Side] = defaultdict(_Side)

    def add(self, entry: LedgerEntry, ledger: object = None) -> None:
        """Keep the movements of an entry that can be one of a pair.

        Args:
            entry: of any ledger.
            ledger: which one. A customer can be listed under two identifiers, and a group has the entries of members.
        """
        if entry.event_name == _TRANSFER and not _is_of_group(entry):
            self._transfers[entry.event_log_id].add(entry, ledger)
        transaction = None if entry.transaction_details is None else entry.transaction_details.transaction_id
        if transaction is not None and entry.event_name in {_REDEMPTION, _REVERSAL}:
            side = self._redemptions if entry.event_name == _REDEMPTION else self._reversals
            side[transaction].add(entry, ledger)

    def mismatches(self) -> Iterator[Mismatch]:
        """Yield the accounts of pairs whose sides do not match: credits and debits of a transfer, excess reversals."""
        for transfer in self._transfers.values():
            if len(transfer.ledgers) > 1:
                yield from _mismatches_of_transfer(transfer.movements)
        for transaction in self._redemptions.keys() & self._reversals.keys():
            yield from _mismatches_of_reversal(
                self._redemptions[transaction].movements, self._reversals[transaction].movements
            )


def _is_of_group(entry: LedgerEntry) -> bool:
    """Return whether an entry is of a group: it repeats one of a member, under the negative id of the group."""
    return entry.customer_id is not None and entry.customer_id < 0


def _mismatches_of_transfer(movements: list[Movement]) -> Iterator[Mismatch]:
    credited = _sums(item for item in movements if item.amount > 0)
    debited = _sums(item for item in movements if item.amount <= 0)
    rounding = _roundings(movements)
    for account in {**credited, **debited}:
        sent, received = debited.get(account, ZERO).copy_negate(), credited.get(account, ZERO)
        if abs(received - sent) > rounding[account]:
            near = tuple(item for item in movements if item.account == account)
            yield "transfer", account, sent, received, near


def _mismatches_of_reversal(redeemed: list[Movement], reversed_: list[Movement]) -> Iterator[Mismatch]:
    taken, returned = _sums(redeemed), _sums(reversed_)
    rounding = _roundings([*redeemed, *reversed_])
    for account, amount in returned.items():
        most = taken.get(account, ZERO).copy_negate()
        if amount - most > rounding[account]:
            near = tuple(item for item in (*redeemed, *reversed_) if item.account == account)
            yield "reversal", account, most, amount, near


def _sums(movements: Iterator[Movement] | list[Movement]) -> dict[LedgerAccount, Decimal]:
    sums: dict[LedgerAccount, Decimal] = {}
    for movement in movements:
        sums[movement.account] = add(sums.get(movement.account, ZERO), movement.exact)
    return sums


def _roundings(movements: list[Movement]) -> dict[LedgerAccount, Decimal]:
    bounds: dict[LedgerAccount, Decimal] = {}
    for movement in movements:
        bounds[movement.account] = add(bounds.get(movement.account, ZERO), movement.rounding)
    return bounds
