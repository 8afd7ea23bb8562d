"""The sandbox of ``demo`` and ``sandbox``: its usual customers, one of them with ten years and two programmes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

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


def demo_rows() -> list[Row]:
    """The ledger of the demo's customer: the usual three years, those before, and a second programme beside."""
    usual = next(holder.rows for holder in demo_holders() if isinstance(holder.rows, list))
    before = seed_rows(5, 2900, _FIRST_ENTRY, DEMO_START, first_id=3_000_001)
    beside = seed_rows(11, 860, DEMO_START, DEMO_END, first_id=6_500_001, currencies=("Miles",))
    return [*usual, *before, *map(_elsewhere, beside)]


def demo_sandbox(rules: Rules | None = None, *, rows: list[Row] | None = None, port: int = 0) -> Sandbox:
    """A sandbox with this ledger for the demo's customer, among the usual others."""
    holders = demo_holders()
    holders[0].rows = demo_rows() if rows is None else rows
    customers = [holder for holder in holders if isinstance(holder, SandboxCustomer)]
    groups = [holder for holder in holders if isinstance(holder, SandboxGroup)]
    return Sandbox(customers, groups=groups, rules=rules, port=port)


def _elsewhere(row: Row) -> Row:
    details = [detail | _PROGRAM for detail in row["entryDetails"]]
    program = {"sourceProgramId": _PROGRAM["programId"], "sourceProgramName": _PROGRAM["programName"]}
    return row | _PLACE | program | {"entryDetails": details}
