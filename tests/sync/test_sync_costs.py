"""What a run costs: one request for a customer without news, and little more for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.jobs import session_at
from support.syncs import Ledgers, held, sync

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("rows", [5, 130])
async def test_requests_when_few_have_moved(rows: int, tmp_path: Path) -> None:
    """Where one in a hundred has moved, new and late, a run costs at most 1.02 requests a customer, and finds all."""
    count = 300
    ledgers, out = Ledgers([rows] * count), tmp_path / "out"
    async with ledgers.box as box, session_at(box) as session:
        await sync(session, count, out)
        moved = {100 * part + 7: part for part in range(count // 100)}
        added = {
            number: ledgers.append_late(number, rows // 3) if part == 1 else ledgers.append_newest(number)
            for number, part in moved.items()
        }
        sent = len(box.requests)
        manifest = await sync(session, count, out)
        requests = len(box.requests) - sent

    run = manifest.runs[-1]
    assert (run.entries, run.late, run.changed, run.proven, run.complete) == (3, 1, 3, count, True)
    assert requests == run.requests <= 1.02 * count
    assert all(id_ in held(out, number) for number, id_ in added.items())
