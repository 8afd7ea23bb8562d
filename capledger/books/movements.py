"""Movements: the details of entries as signed amounts by account."""

from __future__ import annotations

from datetime import datetime
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from capledger.books.rows import entries_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from capledger.books.rows import EntrySource
    from capledger.models import Balance, EntryDetail, LedgerEntry

#: Type of a detail that states the balance from before the ledger begins.
OPENING_BALANCE: Final = "OPENING_BALANCE"
#: Types of details whose sign is documented.
KNOWN_TYPES: Final = frozenset({"CREDIT", "DEBIT", OPENING_BALANCE})
ZERO: Final = Decimal(0)
#: Half a unit of the second decimal: how far a rounded amount may be from the exact one.
HALF_CENT: Final = Decimal("0.005")

_ROUNDED_DECIMALS: Final = 2
_ARITHMETIC: Final = Context(prec=100)


def add(first: Decimal, second: Decimal) -> Decimal:
    """Return the exact sum of two amounts; the precision of the current context does not matter."""
    return _ARITHMETIC.add(first, second)


def subtract(first: Decimal, second: Decimal) -> Decimal:
    """Return the exact difference of two amounts."""
    return _ARITHMETIC.subtract(first, second)


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Return the exact sum of amounts."""
    found = ZERO
    for amount in amounts:
        found = add(found, amount)
    return found


@frozen
class LedgerAccount:
    """What a balance belongs to: one currency, in one category of one programme. Names of programmes do not count."""

    program_id: int | None
    """Id of the programme."""
    program_name: str | None = field(eq=False)
    """Name of the programme, as the entry has it."""
    points_category: str | None
    """Main (redeemable), DelayedAccrualPointCategory (promised) and others."""
    alternate_currency_name: str | None = None
    """The alternate currency; None for points."""

    @classmethod
    def of(cls, item: EntryDetail | Balance) -> LedgerAccount:
        """Return the account of a detail of an entry, or of a balance of the service."""
        return cls(item.program_id, item.program_name, item.points_category, item.alternate_currency_name)

    @property
    def currency(self) -> str:
        """Return the alternate currency, or ``points``."""
        return self.alternate_currency_name or "points"

    @property
    def sort_key(self) -> tuple[str, int, bool, str, str]:
        """Return the key that sorts accounts by programme, with points and the main category first."""
        category = self.points_category or ""
        currency = self.alternate_currency_name or ""
        return self.program_name or "", self.program_id or 0, category != "Main", category, currency


@frozen
class Movement:
    """One detail of an entry as a signed amount in its account."""

    account: LedgerAccount
    """The account that it changes."""
    amount: Decimal
    """Amount as printed, negative for a DEBIT; zero where the entry has none."""
    date: datetime
    """When the entry was written, aware."""
    event_log_id: int
    """Id of the entry's event."""
    event_name: str
    """Name of the entry's event."""
    ledger_entry_type: str | None
    """CREDIT, DEBIT, OPENING_BALANCE; an unknown type counts as a credit."""
    exact: Decimal = field(eq=False)
    """The amount with three decimals where the entry's net proves it, else ``amount``."""
    rounding: Decimal = field(default=ZERO, eq=False)
    """Largest possible difference between ``exact`` and the amount that the service has; 0 where the net proves it."""

    @property
    def is_opening(self) -> bool:
        """Return whether it states a balance from before the ledger begins."""
        return self.ledger_entry_type == OPENING_BALANCE


def movements(entries: EntrySource) -> Iterator[Movement]:
    """Yield one movement per detail, in the order of the entries."""
    for entry in entries_of(entries):
        yield from movements_of(entry)


def movements_of(entry: LedgerEntry) -> list[Movement]:
    """Return the movements of one entry."""
    residues = _residues(entry)
    return [_movement(entry, detail, *residues.get(id(detail), (ZERO, ZERO))) for detail in entry.entry_details]


def signed(detail: EntryDetail) -> Decimal:
    """Return the amount of a detail, negative for a DEBIT."""
    points = ZERO if detail.points is None else detail.points
    return points.copy_negate() if detail.ledger_entry_type == "DEBIT" and points else points


def is_rounded(detail: EntryDetail) -> bool:
    """Return whether an amount can be rounded: it is not zero and has no third decimal."""
    exponent = (detail.points or ZERO).normalize(_ARITHMETIC).as_tuple().exponent
    return bool(detail.points) and isinstance(exponent, int) and exponent >= -_ROUNDED_DECIMALS


def netted_details(entry: LedgerEntry, currency: str | None) -> list[EntryDetail]:
    """Return the details that the net of a currency (None: points) consists of."""
    return [
        detail
        for detail in entry.entry_details
        if detail.alternate_currency_name == currency and detail.ledger_entry_type != OPENING_BALANCE
    ]


def nets_of(entry: LedgerEntry) -> dict[str | None, Decimal]:
    """Return the nets of an entry by currency; None stands for points."""
    points: dict[str | None, Decimal] = {} if entry.net_points_on_event is None else {None: entry.net_points_on_event}
    return points | entry.net_alternate_currencies_on_event


def _residues(entry: LedgerEntry) -> dict[int, tuple[Decimal, Decimal]]:
    """Return what the net adds to a rounded amount and the bound of what it cannot prove, by the detail's identity."""
    nets = nets_of(entry)
    found = {id(detail): (ZERO, HALF_CENT) for detail in entry.entry_details if is_rounded(detail)}
    for currency, net in nets.items():
        details = netted_details(entry, currency)
        rounded = [detail for detail in details if is_rounded(detail)]
        residue = subtract(net, total(map(signed, details)))
        if len(rounded) == 1 and abs(residue) <= HALF_CENT:
            found[id(rounded[0])] = (residue, ZERO)
    return found


def _movement(entry: LedgerEntry, detail: EntryDetail, residue: Decimal, rounding: Decimal) -> Movement:
    amount = signed(detail)
    return Movement(
        account=LedgerAccount.of(detail),
        amount=amount,
        date=entry.ledger_created_date,
        event_log_id=entry.event_log_id,
        event_name=entry.event_name,
        ledger_entry_type=detail.ledger_entry_type,
        exact=add(amount, residue) if residue else amount,
        rounding=rounding,
    )
