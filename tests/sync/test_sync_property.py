"""Whatever happens to ledgers and processes, a run that says that it is complete has the entries of the service."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from attrs import field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from support.jobs import session_at
from support.syncs import Crash, FragileDatabase, FragileSink, Fuse, Ledgers, held, sync, vanished

from capledger.backfill import job
from capledger.backfill.sinks import sink_for
from capledger.backfill.sync import comparison
from capledger.backfill.sync import sync as sync_module
from capledger.sandbox import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from capledger import LedgerSession

#: A change of a ledger: customer, kind, position.
Change = tuple[int, str, int]


@frozen
class PlannedRun:
    """What happens before and during one run."""

    before: list[Change]
    during: dict[int, Change]
    """By the number of the request."""
    crashes: list[int] = field(factory=list)
    """Steps at which a process ends, one process after the other."""


@frozen
class Case:
    """A service and what happens to its ledgers."""

    page_size: int
    newest_rows: int
    sizes: list[int]
    runs: list[PlannedRun]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw a case.

    Behind the newest page, an entry that vanishes and a late one leave the total as it was, which nobody can notice
    with one request; so a ledger of several pages has either.
    """
    page_size = draw(st.sampled_from([3, 5, 100]))
    other = draw(st.sampled_from(["late", "vanish"]))
    kinds = ["new", "new", "late", "vanish"] if page_size == 100 else ["new", other]
    changes = st.tuples(st.integers(0, 2), st.sampled_from(kinds), st.integers(0, 40))
    run = st.builds(
        PlannedRun,
        st.lists(changes, max_size=4),
        st.dictionaries(st.integers(1, 12), changes, max_size=2),
        st.lists(st.integers(1, 40), max_size=2),
    )
    sizes = draw(st.lists(st.integers(0, 14), min_size=1, max_size=3))
    newest_rows = 300 if page_size == 100 else draw(st.sampled_from([4, 300]))
    return Case(page_size, newest_rows, sizes, draw(st.lists(run, min_size=1, max_size=4)))


def apply(ledgers: Ledgers, change: Change) -> None:
    customer, kind, position = change
    number = customer % len(ledgers.dates)
    match kind:
        case "new":
            ledgers.append_newest(number)
        case "late":
            ledgers.append_late(number, position)
        case _:
            ledgers.remove(number, position)


@contextmanager
def ending_at(step: int) -> Iterator[Fuse]:
    """End the process at a step of its database or its sink."""
    with pytest.MonkeyPatch.context() as patch:
        fuse = Fuse(step)
        patch.setattr(FragileDatabase, "fuse", fuse)
        patch.setattr(job, "Database", FragileDatabase)
        patch.setattr(job, "removed_if_unused", nullcontext)  # which a process that has ended cannot do
        patch.setattr(sync_module, "sink_for", lambda name: FragileSink(sink_for(name), fuse))
        yield fuse


async def run(session: LedgerSession, ledgers: Ledgers, planned: PlannedRun, out: Path) -> Any:
    """Run processes until one comes to its end; return its manifest."""
    count = len(ledgers.dates)
    for step in planned.crashes:
        with ending_at(step) as fuse:
            try:
                return await sync(session, count, out)
            except Crash:
                pass
            except Exception:
                if not fuse.blown:
                    raise
    return await sync(session, count, out)


def check(ledgers: Ledgers, out: Path) -> None:
    for number, states in enumerate(ledgers.seen):
        entries, gone = held(out, number), vanished(out, number)
        assert set(entries.values()) <= {1}
        assert any(entries - gone == Counter(state) for state in states)


@settings(max_examples=settings().max_examples // 3)
@given(cases())
async def test_a_complete_run_has_what_the_service_has(case: Case) -> None:
    """After each run that is complete, each ledger is what the service had at a moment of the run, each entry once."""
    ledgers = Ledgers(case.sizes, rules=Rules(max_limit=case.page_size))
    with TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "NEWEST_ROWS", case.newest_rows)
        out = Path(place) / "out"
        async with ledgers.box as box, session_at(box) as session:
            for planned in case.runs:
                for change in planned.before:
                    apply(ledgers, change)
                ledgers.watch()
                sent = len(box.requests)

                def write(_: object, __: object, planned: PlannedRun = planned, sent: int = sent) -> None:
                    change = planned.during.get(len(box.requests) - sent)
                    if change is not None:
                        apply(ledgers, change)

                box.on_request = write
                manifest = await run(session, ledgers, planned, out)
                box.on_request = None
                if manifest.runs[-1].complete:
                    check(ledgers, out)
            await sync(session, len(case.sizes), out)
            ledgers.watch()
            last = await sync(session, len(case.sizes), out)
            check(ledgers, out)

    assert last.complete
