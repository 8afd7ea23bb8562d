"""The customers of a sandbox that is created without any: those of ``capledger sandbox`` and ``capledger demo`` too."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from capledger.sandbox.customers import SandboxCustomer, SandboxGroup
from capledger.sandbox.rows import make_member, make_row
from capledger.sandbox.seeds import seed_rows

if TYPE_CHECKING:
    from capledger.sandbox.rows import LedgerRow

#: The demo customer's mobile number, as in the documents.
DEMO_MOBILE: Final = "917406401004"
#: The three years of the demo, the last of ten that its customer has, naive server time.
DEMO_START: Final = datetime(2023, 7, 1)  # naive server time
DEMO_END: Final = datetime(2026, 7, 1)  # naive server time
#: The connected organisation that shares the demo customer.
DEMO_CHILD_ORG: Final = 70002

_FIRST_ENTRY: Final = datetime(2016, 7, 1)  # naive server time
_PROGRAM: Final = {"programId": 4120, "programName": "Mill Circle"}
_STORE: Final = {"store": "Mill Store", "storeCode": "mill", "tillCode": "mill.till1"}


def demo_holders() -> list[SandboxCustomer | SandboxGroup]:
    """Return customers with many, few and no entries, the first one in another organisation, and a group."""
    return [_busy(), _quiet(), _empty(), _elsewhere(), _family()]


def _busy() -> SandboxCustomer:
    return SandboxCustomer(
        DEMO_MOBILE,
        list(demo_rows()),
        external_id="HB-0001",
        email="ada@sandbox.example",
    )


@cache
def demo_rows() -> tuple[LedgerRow, ...]:
    """Return the entries of the demo's customer: ten years, and a second programme in the last three."""
    recent = seed_rows(7, 640, DEMO_START, DEMO_END)
    before = seed_rows(5, 2900, _FIRST_ENTRY, DEMO_START, first_id=3_000_001)
    second = seed_rows(11, 860, DEMO_START, DEMO_END, first_id=6_500_001, currencies=("Miles",))
    return (*recent, *before, *map(_in_second_programme, second))


def _in_second_programme(row: LedgerRow) -> LedgerRow:
    details = [detail | _PROGRAM for detail in row["entryDetails"]]
    program = {"sourceProgramId": _PROGRAM["programId"], "sourceProgramName": _PROGRAM["programName"]}
    return row | _STORE | program | {"entryDetails": details}


def _quiet() -> SandboxCustomer:
    rows = seed_rows(8, 25, DEMO_START, DEMO_END, first_id=6_000_001, customer_id=910_000_002)
    return SandboxCustomer(
        "910000000002", rows, customer_id=910_000_002, external_id="HB-0002", first_name="Grace", last_name="Sample"
    )


def _empty() -> SandboxCustomer:
    return SandboxCustomer("910000000003", customer_id=910_000_003, first_name="Edsger", last_name="Nobody")


def _elsewhere() -> SandboxCustomer:
    rows = seed_rows(9, 60, DEMO_START, DEMO_END, first_id=7_000_001)
    return SandboxCustomer(DEMO_MOBILE, rows, org_id=DEMO_CHILD_ORG)


def _family() -> SandboxGroup:
    members = [
        make_member(910_000_011, first_name="Alan", last_name="Family", mobile="910000000011"),
        make_member(910_000_012, first_name="Joan", last_name="Family", mobile="910000000012", role="SECONDARY"),
    ]
    rows = [
        make_row(
            8_000_001 + number,
            DEMO_START + number * timedelta(days=3, hours=7),
            event_name="AllocateGoodwillPoints",
            customerId=-4_400_001,
            customerDetails=members[number % 2],
        )
        for number in range(230)
    ]
    return SandboxGroup("4400001", rows, external_id="FAMILY-1", primary_user_id="910000011")
