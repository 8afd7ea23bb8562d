"""Twice or never: what ``backfill`` does about ledgers that the service does not return completely, as a process."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from support.command_jobs import OTHER, backfill, customers
from support.jobs import entries_in, set_aside
from support.shell import MOBILE, rows, sandbox

from capledger.sandbox import SandboxCustomer, faults

if TYPE_CHECKING:
    from pathlib import Path

    from capledger.sandbox import Fault


@pytest.mark.parametrize(
    "fault", [faults.wrong_total(2), faults.doubled_row(), faults.short_page()], ids=lambda fault: fault.name
)
async def test_an_unproven_ledger_is_in_no_file(fault: Fault, tmp_path: Path) -> None:
    """Nothing of a ledger that is not proven is in a file, and the job is not complete; a retry has each entry once."""
    customers(tmp_path / "c.csv", [f"mobile,{MOBILE}", f"mobile,{OTHER}"])
    mine = Counter((MOBILE, number) for number in range(1, 251))
    others = Counter((OTHER, number) for number in range(1, 4))
    async with sandbox() as box:
        box.add(SandboxCustomer(OTHER, rows(3)))
        box.faults = faults.when(lambda logged: logged.query["identifierValue"] == MOBILE, faults.always(fault))
        first = await backfill(box, tmp_path, "--json", hurried=True)
        before, listed = entries_in(tmp_path / "out"), set_aside(tmp_path / "out")
        box.faults = None
        second = await backfill(box, tmp_path, "--retry-set-aside", "--json")

    failed, repaired = json.loads(first.out), json.loads(second.out)
    assert (first.code, failed["complete"], failed["states"]["incomplete"], failed["entries"]) == (3, False, 1, 3)
    assert before == others
    assert [row["identifier_value"] for row in listed] == [MOBILE]
    assert (second.code, repaired["complete"]) == (0, True)
    assert entries_in(tmp_path / "out") == mine + others
