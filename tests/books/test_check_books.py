"""``check_books`` finds every error in the books, and raises no false alarm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from support.books import END, START, as_balances, by_hand, entries_from, ledger, rounded_ledger

from capledger import Balance, books
from capledger.sandbox import add_twins, make_row, seed_rows
from capledger.sandbox.rows import entry_detail

if TYPE_CHECKING:
    from capledger import LedgerEntry
    from capledger.books import Discrepancy

SEEDS = st.integers(0, 10_000)
#: Errors that rounding cannot explain: no ledger of these tests has so many rounded amounts.
DELTAS = st.sampled_from([Decimal(text) for text in ("0.500", "-1.000", "-20.01", "1000")])


def checks_of(found: list[Discrepancy]) -> list[str]:
    return [item.check for item in found]


@given(SEEDS)
def test_sound_books_raise_no_alarm(seed: int) -> None:
    """Seeded ledgers, also with several entries of one event, agree with their own balances."""
    entries = entries_from(add_twins(seed_rows(seed, 40, START, END), seed))

    assert books.check_books(entries, as_balances(by_hand(entries))) == []


@given(SEEDS)
def test_rounding_raises_no_alarm(seed: int) -> None:
    """Details of two decimals and nets and balances of three, as documented, are no discrepancy."""
    entries, balances = rounded_ledger(seed)

    assert books.check_books(entries, balances) == []


@given(SEEDS, DELTAS, st.randoms(use_true_random=False))
def test_every_wrong_balance_is_found(seed: int, delta: Decimal, random: Any) -> None:
    """An error in one balance is one discrepancy, with its account, both amounts and movements near it."""
    entries, balances = rounded_ledger(seed)
    place = random.randrange(len(balances))
    wrong = evolve(balances[place], closing_balance=balances[place].closing_balance + delta)

    (found,) = books.check_books(entries, [*balances[:place], wrong, *balances[place + 1 :]])

    assert found.check == "closing_balance"
    assert found.account == books.LedgerAccount.of(wrong)
    assert found.found == wrong.closing_balance
    assert abs(found.difference - delta) < Decimal("0.5")
    assert all(movement.account == found.account for movement in found.near)


@given(SEEDS, DELTAS, st.randoms(use_true_random=False))
def test_every_wrong_net_is_found(seed: int, delta: Decimal, random: Any) -> None:
    """An error in one net, of points or of an alternate currency, is one discrepancy with that entry's movements."""
    entries, _ = rounded_ledger(seed)
    entry = random.choice(entries)
    currency = random.choice([None, *entry.net_alternate_currencies_on_event])
    if currency is None:
        entry.net_points_on_event += delta
    else:
        entry.net_alternate_currencies_on_event[currency] += delta

    (found,) = books.check_books(entries)

    assert found.check == "net"
    assert {movement.event_log_id for movement in found.near} <= {entry.event_log_id}
    assert abs(found.difference - delta) <= Decimal("0.05")
    assert books.check_books(entries, filtered=True) == []


@given(SEEDS, st.randoms(use_true_random=False))
def test_every_missing_entry_is_found(seed: int, random: Any) -> None:
    """An entry that the ledger lacks and the balances have is found in each account that it moved."""
    entries = ledger(seed)
    balances = as_balances(by_hand(entries))
    lost = random.choice(entries)
    moved = by_hand([lost])

    found = books.check_books([entry for entry in entries if entry is not lost], balances)

    assert len(found) == sum(1 for amount in moved.values() if amount)


def test_details_may_cancel_out() -> None:
    """Points moved between categories have a net of zero."""
    details = [
        entry_detail("100.00", ledgerEntryType="DEBIT", pointsCategory="DelayedAccrualPointCategory"),
        entry_detail("100.00"),
    ]
    rows = [make_row(1, START, event_name="DelayedAccrual", entryDetails=details, netPointsOnEvent="0.000")]

    assert books.check_books(entries_from(rows)) == []


@pytest.mark.parametrize(
    ("net", "details", "sound"),
    [
        ("46.688", ["46.69"], True),
        ("46.685", ["46.69"], True),
        ("46.684", ["46.69"], False),
        ("46.688", ["46.690"], True),
        ("46.688", ["46.689"], False),
        ("437.080", ["300.00", "137"], False),
        ("437.010", ["300.00", "137.00"], True),
    ],
)
def test_rounding_is_half_a_unit_of_the_second_decimal(net: str, details: list[str], sound: bool) -> None:  # noqa: FBT001 - a table
    """An amount without a third decimal may be off by 0.005, any other not at all."""
    rows = [make_row(1, START, entryDetails=[entry_detail(amount) for amount in details], netPointsOnEvent=net)]

    assert checks_of(books.check_books(entries_from(rows))) == ([] if sound else ["net"])


def one_account(**options: Any) -> tuple[list[LedgerEntry], Balance]:
    entries = entries_from([make_row(number, START + timedelta(seconds=number), points="10.000") for number in (1, 2)])
    return entries, Balance(4110, "Harbour Rewards", "Main", closing_balance=Decimal("20.000"), **options)


@pytest.mark.parametrize(("closing", "sound"), [("10", True), ("20", True), ("30", False), ("0", False)])
def test_the_second_of_the_balances_may_count_or_not(closing: str, *, sound: bool) -> None:
    """Whether balances at a moment include entries of this second is not documented, so both are right."""
    entries, balance = one_account()
    later = entries_from([make_row(3, END, points="500.000")])
    at = datetime(2024, 1, 1, 0, 0, 2)

    for moment in (at, at.replace(tzinfo=UTC)):
        stated = [evolve(balance, closing_balance=Decimal(closing))]
        assert checks_of(books.check_books([*entries, *later], stated, at=moment)) == (
            [] if sound else ["closing_balance"]
        )


def test_a_ledger_can_begin_with_balances() -> None:
    """With the balances from before the first entry, entries of a part of the ledger are checked."""
    entries, balance = one_account()
    opening = evolve(balance, closing_balance=Decimal(100))
    closing = evolve(balance, closing_balance=Decimal(120))

    assert books.check_books(entries, [closing], opening=[opening]) == []
    assert checks_of(books.check_books(entries, [closing])) == ["closing_balance"]


@given(SEEDS, st.datetimes(START, END), st.datetimes(START, END), DELTAS)
def test_a_part_of_a_ledger_is_checked_between_balances(
    seed: int, one: datetime, other: datetime, delta: Decimal
) -> None:
    """Of a whole ledger, the entries between two moments lead from the balances at one to those at the other."""
    entries = ledger(seed)
    first, last = sorted((one, other))
    opening, closing = (as_balances(by_hand(entries, moment)) for moment in (first, last))

    def check(closing: list[Balance]) -> list[Discrepancy]:
        return books.check_books(entries, closing, at=last, opening=opening, opening_at=first)

    assert check(closing) == []
    for balance in closing[:1]:
        wrong = evolve(balance, closing_balance=balance.closing_balance + delta)
        assert checks_of(check([wrong, *closing[1:]])) == ["closing_balance"]


@pytest.mark.parametrize("counted", [0, 1, 2])
def test_the_second_of_the_opening_balances_may_count_or_not(counted: int) -> None:
    """Opening balances may include no entry of their second, that of its first instant, or all of them."""
    moments = [datetime(2024, 1, 1, 0, 0, 2, microsecond) for microsecond in (0, 500_000)]
    entries = entries_from([make_row(number, moment, points="10.000") for number, moment in enumerate(moments, 1)])
    _, balance = one_account()
    opening = evolve(balance, closing_balance=Decimal(100 + 10 * counted))
    closing = evolve(balance, closing_balance=Decimal(120))

    found = books.check_books(entries, [closing], opening=[opening], opening_at=moments[0])
    wrong = books.check_books(entries, [evolve(closing, closing_balance=Decimal(121))], opening=[opening])

    assert found == []
    assert checks_of(wrong) == ["closing_balance"]


def test_no_balances_at_all_are_an_error_in_the_books() -> None:
    """A service that states no balance of a ledger with points is wrong; without balances nothing is compared."""
    entries, balance = one_account()

    assert checks_of(books.check_books(entries, [])) == ["closing_balance"]
    assert books.check_books(entries) == []
    assert books.check_books([], [evolve(balance, closing_balance=Decimal(0))]) == []


def test_accounts_missing_on_one_side_are_found() -> None:
    """A balance without entries and entries without a balance are discrepancies, unless they are zero."""
    entries, balance = one_account()
    empty = evolve(balance, program_id=1, closing_balance=Decimal("0.000"))
    unknown = evolve(balance, program_id=2, closing_balance=Decimal("5.000"))

    assert books.check_books(entries, [balance, empty]) == []
    assert {item.account for item in books.check_books(entries, [unknown])} == {
        books.LedgerAccount.of(balance),
        books.LedgerAccount.of(unknown),
    }


def test_currencies_are_compared_where_balances_have_any() -> None:
    """Balances requested without alternate currencies say nothing about them."""
    entries = entries_from([make_row(1, START, currencies={"Coins": "5.000"})])
    points, coins = as_balances(by_hand(entries))

    assert books.check_books(entries, [points]) == []
    assert checks_of(books.check_books(entries, [points, evolve(coins, closing_balance=Decimal(6))])) == [
        "closing_balance"
    ]


def test_unknown_types_are_reported() -> None:
    """An amount of an unknown type has no known sign, which is reported."""
    rows = [make_row(1, START, entryDetails=[entry_detail("5.000", ledgerEntryType="ADJUSTMENT")])]

    assert "entry_type" in checks_of(books.check_books(entries_from(rows)))


def test_balances_below_zero_are_a_notice() -> None:
    """A balance below zero is a notice where the programme forbids it, once, at its lowest."""
    amounts = (("CREDIT", "10.000"), ("DEBIT", "15.000"), ("DEBIT", "1.000"), ("CREDIT", "50.000"))
    rows = [
        make_row(number, START + timedelta(days=number), entry_type=kind, points=points)
        for number, (kind, points) in enumerate(amounts)
    ]

    (found,) = books.check_books(entries_from(rows)[::-1], non_negative=[4110])

    assert (found.check, found.found, found.is_notice) == ("below_zero", Decimal(-6), True)
    assert [movement.event_log_id for movement in found.near] == [2]
    assert books.check_books(entries_from(rows)) == []


def transfer(customer: int, kind: str, points: str) -> dict[str, Any]:
    return make_row(1, START, event_name="PointsTransfer", entry_type=kind, points=points, customerId=customer)


def test_transfers_are_compared_where_both_sides_are_known() -> None:
    """What one customer gives is what the other receives; one side alone says nothing, and nor does a group's copy."""
    given_, received = transfer(1, "DEBIT", "30.000"), transfer(2, "CREDIT", "30.000")
    wrong = transfer(2, "CREDIT", "31.000")

    assert books.check_books(entries_from([given_, received])) == []
    assert books.check_books(entries_from([given_])) == []
    assert books.check_books(entries_from([given_, transfer(-7, "DEBIT", "30.000"), received])) == []
    (found,) = books.check_books(entries_from([given_, wrong]))
    assert found.check == "transfer"
    assert [found.expected, found.found] == [30, 31]


def test_reversals_return_no_more_than_was_redeemed() -> None:
    """A reversal of the same transaction may return a part or all, and not more."""
    bill: dict[str, Any] = {"transactionDetails": {"transactionId": 77}}
    redeemed = make_row(1, START, event_name="PointsRedemption", entry_type="DEBIT", points="30.000", **bill)

    def reversal(points: str) -> dict[str, Any]:
        return make_row(2, END, event_name="PointsRedemptionReversal", points=points, **bill)

    assert books.check_books(entries_from([redeemed, reversal("30.000")])) == []
    assert books.check_books(entries_from([redeemed, reversal("12.000")])) == []
    assert checks_of(books.check_books(entries_from([redeemed, reversal("30.001")]))) == ["reversal"]
