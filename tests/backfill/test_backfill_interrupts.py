"""A signal while a job is opened, or a crash: nothing is left that the next run would stumble over."""

from __future__ import annotations

import asyncio
import gc
import sys
from datetime import UTC
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define
from support.jobs import BASIC, backfill, entries_in, expected, queries, sandbox

from capledger import LedgerSession
from capledger.backfill import Backfill, database, files, job

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from capledger import CustomerLedgerQuery

SHARED_MEMORY = "/dev/shm"  # noqa: S108 - a directory of its own is made there
MODULES = {module.__file__ for module in (database, files, job)}


@define
class Interrupt:
    """Raises :class:`KeyboardInterrupt` at a line of the modules that open a job, as a signal may, or in the list."""

    lines_left: int

    def trace(self, frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code.co_filename not in MODULES:
            return None
        self.lines_left -= event == "line"
        if self.lines_left == 0:
            sys.settrace(None)
            raise KeyboardInterrupt
        return self.trace

    def list(self) -> Iterator[CustomerLedgerQuery]:
        """Return a list of customers that is interrupted before its first line."""
        sys.settrace(None)
        yield from ()
        raise KeyboardInterrupt


async def run_until(interrupt: Interrupt, out: Path) -> None:
    async with LedgerSession("http://127.0.0.1:9", BASIC, timezone=UTC) as session:
        sys.settrace(interrupt.trace)
        await Backfill(session, interrupt.list(), out=out).run()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one, since a job forces much to the disk."""
    with TemporaryDirectory(dir=SHARED_MEMORY if Path(SHARED_MEMORY).is_dir() else tmp_path) as path:
        yield Path(path)


@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")  # of a process that goes on after such a signal
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupted_start_leaves_nothing(memory: Path) -> None:
    """At whatever line a signal comes before the first customer is read, there is no directory afterwards."""
    for number in count(1):
        interrupt = Interrupt(number)
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(run_until(interrupt, memory / "new" / "out"))
        left = [str(path.relative_to(memory)) for path in memory.rglob("*")]
        assert (number, left) == (number, [])
        if interrupt.lines_left > 0:
            break
    assert number > 50
    gc.collect()


@pytest.mark.parametrize("left", [["job.lock"], ["job.lock", "job.sqlite"], ["job.lock", "entries"]], ids=str)
async def test_what_a_crash_leaves_is_no_obstacle(left: list[str], tmp_path: Path) -> None:
    """Files of a start that was killed before anything was recorded are used by the next run."""
    out = tmp_path / "out"
    out.mkdir()
    for name in left:
        (out / name).mkdir() if name == "entries" else (out / name).touch()
    async with sandbox([3]) as box:
        await backfill(box, queries(1), out)

    assert entries_in(out) == expected([3])
