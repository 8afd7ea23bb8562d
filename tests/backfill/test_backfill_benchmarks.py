"""The benchmarks of backfills run, with tiny sizes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks import backfill, kills

if TYPE_CHECKING:
    import pytest


def test_backfills_are_weighed() -> None:
    """The table has a row for each number of customers."""
    table = backfill.measure((20,), ("jsonl",))

    assert [row[0] for row in table.rows] == ["20 customers, jsonl"]


def test_backfills_are_killed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The table has a row for each format, printed once every entry was found."""
    monkeypatch.setattr(sys, "argv", ["kills", "--customers", "30", "--kills", "0", "--formats", "csv"])

    kills.main()

    assert capsys.readouterr().out.splitlines()[-1].startswith("csv")
