"""Random ledgers from a seed, with entries on the boundaries where off-by-one errors show."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

from capledger.sandbox.rows import CATEGORIES, LedgerRow, entry_detail, legacy_date, make_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: The known event names of ledger entries.
EVENT_NAMES: Final = (
    "TransactionAdd",
    "ReturnBill",
    "PointsRedemption",
    "AllocateGoodwillPoints",
    "CustomerRegistration",
    "CustomerUpdate",
    "GenericEvent",
    "TargetCompleted",
    "PointsTransfer",
    "ManualPointsAdjustment",
    "CustomerPromotionImport",
    "LineItemsPointsPromotionImport",
    "BillPointsPromotionImport",
    "GroupTransactionAdd",
    "NewBill",
    "VoucherRedemption",
    "DelayedAccrual",
    "PointsExpiry",
    "PointsRedemptionReversal",
    "BulkAllocatePoints",
    "TransactionUpdate",
    "PointsLedgerBulkJob",
)
_DEBITS: Final = frozenset(
    {"ReturnBill", "PointsRedemption", "ManualPointsAdjustment", "VoucherRedemption", "PointsExpiry"}
)
_OPENINGS: Final = frozenset({"CustomerRegistration", "PointsLedgerBulkJob"})
#: Days between the boundaries of a walk's windows, as a client is likely to cut them.
_WINDOW_DAYS: Final = (30, 60, 88, 89, 90)
#: Distances from a boundary at which an off-by-one error shows.
_NEAR: Final = tuple(
    timedelta(milliseconds=distance) for distance in (0, -1000, 1000, -1, 1, 500, 999, -500, -999, 0, 1001, -1001)
)


def seed_rows(
    seed: int,
    count: int,
    start: datetime,
    end: datetime,
    *,
    step: timedelta | None = None,
    boundaries: Iterable[datetime] = (),
    currencies: Sequence[str] = ("Stars", "Coins"),
    first_id: int = 5_000_001,
    customer_id: int = 910_000_001,
) -> list[LedgerRow]:
    """
    Return ``count`` entries from ``start`` to ``end`` (naive server time, both inclusive), the same for each seed.

    About half of them are within a second of a bound: of the range itself, of ``boundaries``, or of windows of
    ``step`` (several lengths by default) counted from either end; a fifth of the rest repeat the date of an entry.
    """
    random = Random(seed)
    edges = _edges(start, end, step, boundaries)
    moments = sorted(_moment(random, rank, start, end, edges) for rank in range(count))
    return [
        _seeded_row(random, first_id + rank, moment, currencies) | {"customerId": customer_id}
        for rank, moment in enumerate(_clustered(random, moments))
    ]


def _edges(start: datetime, end: datetime, step: timedelta | None, boundaries: Iterable[datetime]) -> list[datetime]:
    steps = [step] if step else [timedelta(days=days) for days in _WINDOW_DAYS]
    found = {start, end, *boundaries}
    for length in steps:
        for number in range(1, int((end - start) / length) + 1):
            found |= {start + number * length, end - number * length}
    return sorted(found)


def _moment(random: Random, rank: int, start: datetime, end: datetime, edges: Sequence[datetime]) -> datetime:
    if rank % 2 == 0:
        near = random.choice(edges) + random.choice(_NEAR)
        return min(max(near, start), end)
    moment = start + random.random() * (end - start)
    kept = random.choice((0, 1000, 1000, 10))
    return moment.replace(microsecond=moment.microsecond // 1000 * kept)


def _clustered(random: Random, moments: Sequence[datetime]) -> list[datetime]:
    """Return the moments with a fifth of them set to the moment before, still in order."""
    clustered = list(moments)
    for rank in range(1, len(clustered)):
        if random.random() < 0.2:  # noqa: PLR2004 - a fifth
            clustered[rank] = clustered[rank - 1]
    return clustered


def _seeded_row(random: Random, event_log_id: int, moment: datetime, currencies: Sequence[str]) -> LedgerRow:
    name = EVENT_NAMES[0] if random.random() < 0.4 else random.choice(EVENT_NAMES)  # noqa: PLR2004 - two in five
    kind = "DEBIT" if name in _DEBITS else "CREDIT"
    row = make_row(event_log_id, moment, event_name=name, points=_amount(random), entry_type=kind)
    if name in _OPENINGS:
        return row | _opening()
    return row | _details(random, row, kind, currencies) | _business_date(random, moment)


def _amount(random: Random) -> str:
    """Return an amount with two or three decimals, as the API prints them: "46.69", "100.000"."""
    return random.choice((f"{random.randint(1, 2_000_000) / 1000:.3f}", f"{random.randint(1, 200_000) / 100:.2f}"))


def _opening() -> dict[str, Any]:
    details = [
        entry_detail("0.00", ledgerEntryType="OPENING_BALANCE", pointsCategory=category)
        for category in CATEGORIES.values()
    ]
    return {"entryDetails": details, "netPointsOnEvent": "0.000", "customerDetails": None}


def _details(random: Random, row: LedgerRow, kind: str, currencies: Sequence[str]) -> dict[str, Any]:
    """Return random categories and alternate currencies; some rows have no points at all."""
    details = list(row["entryDetails"])
    sign = "-" if kind == "DEBIT" else ""
    if row["eventName"] == "DelayedAccrual":
        moved = details[0]["points"]
        held = entry_detail(moved, ledgerEntryType="DEBIT", pointsCategory=CATEGORIES["PROMISED"])
        return {"entryDetails": [held, details[0]], "netPointsOnEvent": "0.000"}
    chosen = [name for name in currencies if random.random() < 0.3]  # noqa: PLR2004 - three in ten
    amounts = {name: _amount(random) for name in chosen}
    if amounts and random.random() < 0.3:  # noqa: PLR2004 - three in ten of those
        details = []
    extra = [entry_detail(amounts[name], ledgerEntryType=kind, alternateCurrencyName=name) for name in amounts]
    nets = {name: sign + amount for name, amount in amounts.items()}
    net = row["netPointsOnEvent"] if details else "0"
    return {"entryDetails": details + extra, "netPointsOnEvent": net, "netAlternateCurrenciesOnEvent": nets}


def _business_date(random: Random, moment: datetime) -> dict[str, Any]:
    """Return the event's own date: from a day before to three hours after the entry's."""
    shifted = moment + timedelta(seconds=random.randint(-86_400, 10_800))
    return {"eventDetails": {"eventDate": legacy_date(shifted)}}


def add_twins(rows: Sequence[LedgerRow], seed: int, *, share: float = 0.2) -> list[LedgerRow]:
    """
    Return the rows with twins of a share (0 to 1) of them, the same for each seed.

    A twin is a second row of the same event, date and till: one half are equal to the row, the others have the details
    of another program.
    """
    random = Random(seed)
    twins = [_twin(random, row) for row in rows if random.random() < share]
    return [*rows, *twins]


def _twin(random: Random, row: LedgerRow) -> LedgerRow:
    if random.random() < 0.5:  # noqa: PLR2004 - one half
        return dict(row)
    details = [entry_detail(_amount(random), programId=4120, programName="Mill Rewards")]
    nets = {"netPointsOnEvent": details[0]["points"], "netAlternateCurrenciesOnEvent": {}}
    return row | {"entryDetails": details} | nets
