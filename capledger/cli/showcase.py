"""The sandbox of ``demo`` and ``sandbox``: its usual customers, one of them with ten years and two programmes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

from capledger.sandbox import DEMO_END, DEMO_START, Sandbox, SandboxCustomer, SandboxGroup, seed_rows
from capledger.sandbox.demo import demo_holders

if TYPE_CHECKING:
    from capledger.sandbox import Rules
    from capledger.sandbox.rows import Row

#: A date to begin with for those who want less than everything, naive server time.
NEWEST_YEAR: Final = datetime(2026, 1, 1)
_FIRST_ENTRY: Final = datetime(2016, 7, 1)
_PROGRAM: Final = {"programId": 4120, "programName": "Mill Circle"}
_PLACE: Final = {"store": "Mill Store", "storeCode": "mill", "tillCode": "mill.till1"}


def demo_customer() -> SandboxCustomer:
    """The demo's customer, with the years before the last three, and with a second programme in these."""
    customer = next(holder for holder in demo_holders() if isinstance(holder, SandboxCustomer))
    before = seed_rows(5, 2900, _FIRST_ENTRY, DEMO_START, first_id=3_000_001)
    beside = seed_rows(11, 860, DEMO_START, DEMO_END, first_id=6_500_001, currencies=("Miles",))
    customer.rows = [*cast("list[Row]", customer.rows), *before, *(_elsewhere(row) for row in beside)]
    return customer


def demo_sandbox(rules: Rules | None = None, *, customer: SandboxCustomer | None = None, port: int = 0) -> Sandbox:
    """A sandbox with this customer in her usual company."""
    _, *others = demo_holders()
    customers = [holder for holder in others if isinstance(holder, SandboxCustomer)]
    groups = [holder for holder in others if isinstance(holder, SandboxGroup)]
    return Sandbox([customer or demo_customer(), *customers], groups=groups, rules=rules, port=port)


def _elsewhere(row: Row) -> Row:
    details = [detail | _PROGRAM for detail in row["entryDetails"]]
    program = {"sourceProgramId": _PROGRAM["programId"], "sourceProgramName": _PROGRAM["programName"]}
    return row | _PLACE | program | {"entryDetails": details}
