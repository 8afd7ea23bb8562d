"""What a run costs: one request for a customer without news, and little more for the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.jobs import session_at
from support.syncs import Ledgers, held, sync

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("count", "rows"), [(300, 5), (100, 130)])
async def test_requests_when_few_have_moved(count: int, rows: int, tmp_path: Path) -> None:
    """Where one in a hundred has moved, new and late, a run costs at most 1.02 requests a customer, and finds all."""
    ledgers, out = Ledgers([rows] * count), tmp_path / "out"
    async with ledgers.box as box, session_at(box) as session:
        await sync(session, count, out)
        moved = {100 * part + 7: part for part in range(count // 100)}
        added = {
            number: ledgers.append_newest(number) if part == 1 else ledgers.append_late(number, rows // 3)
            for number, part in moved.items()
        }
        sent = len(box.requests)
        manifest = await sync(session, count, out)
        requests = len(box.requests) - sent

    run = manifest.runs[-1]
    late = len(moved) - (1 in moved.values())
    assert (run.entries, run.late, run.changed) == (len(moved), late, len(moved))
    assert (run.proven, run.complete) == (count, True)
    assert requests == run.requests <= 1.02 * count
    assert all(id_ in held(out, number) for number, id_ in added.items())
