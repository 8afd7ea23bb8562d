"""Keys of rows outlive releases: the same from a response and from each format, and these of this version."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from capledger.backfill.sync.keys import KEY_VERSION, HeldRow, RowKeys, StoredEntry, decode_rows, encode_rows
from capledger.models import EntryDetail, LedgerEntry

MOMENT = datetime(2026, 10, 25, 0, 30, 5, 250_000, tzinfo=UTC)
ENTRY = LedgerEntry(
    7,
    "TransactionAdd",
    MOMENT,
    entry_details=[
        EntryDetail(ledger_entry_type="CREDIT", points=Decimal("20.00"), points_category="Main", program_id=3)
    ],
)


def test_keys_of_this_version() -> None:
    """A key that changes needs another version, so that states are rewritten from the data set."""
    row = RowKeys(UTC).row(ENTRY)

    assert (KEY_VERSION, row.second, f"{row.key:016x}") == (1, 1792888205, "936fcd97b57e9e44")


def test_keys_do_not_depend_on_zone_scale_or_names() -> None:
    """The zone that a date comes in, trailing zeros and the name of a programme make no other key."""
    keys = RowKeys(ZoneInfo("Europe/Berlin"))
    detail = EntryDetail(
        ledger_entry_type="CREDIT",
        points=Decimal("20.000000000"),
        points_category="Main",
        program_id=3,
        program_name="Renamed",
    )
    same = LedgerEntry(7, "TransactionAdd", MOMENT.astimezone(ZoneInfo("Asia/Kolkata")), entry_details=[detail])

    assert keys.row(same) == keys.row(ENTRY) == keys.row(StoredEntry.of(ENTRY)) == keys.row(StoredEntry.of(same))


def test_an_amendment_keeps_the_event() -> None:
    """Another amount is another row of the same event; another programme is another event."""
    keys = RowKeys(UTC)
    amended, other = (
        LedgerEntry(
            7,
            "TransactionAdd",
            MOMENT,
            entry_details=[
                EntryDetail(
                    ledger_entry_type="CREDIT", points=Decimal(amount), points_category="Main", program_id=programme
                )
            ],
        )
        for amount, programme in (("21", 3), ("20", 4))
    )

    assert keys.row(amended) != keys.row(ENTRY)
    assert keys.event(amended) == keys.event(ENTRY) != keys.event(other)


@given(st.lists(st.builds(HeldRow, st.integers(-(2**40), 2**40), st.integers(0, 2**64 - 1))))
def test_rows_as_bytes(rows: list[HeldRow]) -> None:
    """Rows come back as they were."""
    newest_first = sorted(rows, reverse=True)

    assert decode_rows(encode_rows(newest_first)) == newest_first
