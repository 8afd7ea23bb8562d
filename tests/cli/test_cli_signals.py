"""Signals: Ctrl-C and SIGTERM end every command, also as the first process of a container."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.shell import ENTRIES, finish, sandbox, start

if TYPE_CHECKING:
    from support.shell import Process

    from capledger.sandbox import LoggedRequest, Sandbox

FIRST_PROCESS = ("unshare", "--map-root-user", "--pid", "--fork", "--kill-child")


def can_unshare() -> bool:
    """Return whether a process may be the first one of a namespace of its own."""
    if not sys.platform.startswith("linux") or shutil.which("unshare") is None:
        return False
    return subprocess.run([*FIRST_PROCESS, "true"], check=False, capture_output=True).returncode == 0  # noqa: S603 - a constant


BOTH = [
    pytest.param((), id="child"),
    pytest.param(FIRST_PROCESS, id="first", marks=pytest.mark.skipif(not can_unshare(), reason="needs namespaces")),
]


def send(process: Process, number: signal.Signals, *, within: tuple[str, ...]) -> None:
    """Send a signal to the command, which is the child of ``unshare`` where that started it."""
    pid = process.pid
    if within:
        pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text())
    os.kill(pid, number)


@pytest.mark.parametrize("within", BOTH)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_end_entries(within: tuple[str, ...], number: signal.Signals) -> None:
    """A signal ends ``entries`` with 130 and the cursor, also where nothing else would end the process."""
    reached = asyncio.Event()

    async def hold_the_third(box: Sandbox, logged: LoggedRequest) -> None:
        if len(box.requests) >= 3:
            reached.set()
            await asyncio.Event().wait()

    async with sandbox(100, on_request=hold_the_third) as box:
        process = await start(box, *ENTRIES, "--json", "--page-size", "20", "--to", "2025-02-01", within=within)
        await reached.wait()
        send(process, number, within=within)
        result = await asyncio.wait_for(finish(process), 20)

    assert result.code == 130
    assert result.err.startswith("capledger: interrupted; go on with --resume ")
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("within", BOTH)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_end_sandbox(within: tuple[str, ...], number: signal.Signals) -> None:
    """A signal ends ``sandbox`` with 0 and a line."""
    process = await start(None, "sandbox", within=within)
    assert process.stdout is not None
    await process.stdout.readuntil(b"--include-alternate-currencies\n")
    send(process, number, within=within)
    result = await asyncio.wait_for(finish(process), 20)

    assert (result.code, result.err) == (0, "capledger: the sandbox has stopped\n")


#: Imports that take long, as on a cold disk.
SLOW_IMPORT = """
import sys, time
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            print("importing", flush=True)
            try:
                time.sleep(30)
            except BaseException:  # as extensions do that lose an exception of an import
                pass
sys.meta_path.insert(0, Slow())
from capledger.cli import main
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_end_imports(number: signal.Signals) -> None:
    """A signal before a command begins ends the process at once, with one line and no traceback."""
    process = await start(None, "entries", program=("-c", SLOW_IMPORT))
    assert process.stdout is not None
    await process.stdout.readline()
    send(process, number, within=())
    result = await asyncio.wait_for(finish(process), 20)

    assert (result.code, result.err) == (130, "capledger: interrupted\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signals_end_backfill_that_waits_for_stdin(number: signal.Signals, tmp_path: Path) -> None:
    """``backfill -`` without input ends at once with 130, and leaves no directory."""
    async with sandbox(1) as box:
        process = await start(box, "backfill", "-", "--out", tmp_path / "out", "--format", "csv")
        assert process.stdin is not None
        process.stdin.write(b"identifier_name,identifier_value\n")
        await asyncio.sleep(0)
        while not (tmp_path / "out" / "job.sqlite").exists():  # noqa: ASYNC110 - a file of another process
            await asyncio.sleep(0.05)
        send(process, number, within=())
        assert process.stderr is not None
        code = await asyncio.wait_for(process.wait(), 20)
        err = (await process.stderr.read()).decode()

    assert (code, box.requests) == (130, [])
    assert err == "capledger: interrupted; the same command goes on where this one stopped\n"
    assert not (tmp_path / "out").exists()
