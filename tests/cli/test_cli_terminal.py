"""What a person sees of a backfill on terminals of different widths."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from support.shell import MOBILE, START, finish, start

from capledger.sandbox import Rules, Sandbox, SandboxCustomer, faults, make_row

if TYPE_CHECKING:
    from pathlib import Path

    from support.shell import Process

    from capledger.sandbox import LoggedRequest

if sys.platform == "win32":
    pytest.skip("needs pseudo-terminals", allow_module_level=True)

from support.terminal import Screen, Terminal

COUNT = 60


def many_customers(**options: object) -> Sandbox:
    customers = [SandboxCustomer(str(int(MOBILE) + number), [make_row(number + 1, START)]) for number in range(COUNT)]
    return Sandbox(customers, rules=Rules(latency=0.15), faults=faults.every(7, faults.status(503)), **options)  # type: ignore[arg-type]  # options of any type


async def start_backfill(box: Sandbox, path: Path, terminal: Terminal, *arguments: str) -> Process:
    """Start a backfill of all of them, with a terminal for its messages."""
    (path / "c.csv").write_text("mobile\n" + "".join(f"{int(MOBILE) + number}\n" for number in range(COUNT)))
    command = ("backfill", path / "c.csv", "--out", path / "out", "--format", "csv")
    return await start(box, *command, *arguments, stderr=terminal.device, TERM="xterm", COLUMNS="")


@pytest.mark.parametrize("width", [60, 80, 140])
async def test_progress_fits_the_terminal(width: int, tmp_path: Path) -> None:
    """On any width no line is wrapped, all counts are seen while it runs, and nothing stays in the end."""
    terminal = Terminal.open(width)
    async with many_customers() as box:
        process = await start_backfill(box, tmp_path, terminal, "--rate", "6000")
        output, result = await asyncio.gather(terminal.read(), finish(process))

    screen, seen = Screen(width), ""
    for refresh in output.split("\r\x1b[2K"):
        screen.feed("\r\x1b[2K" + refresh)
        seen = screen.text if " of 60 customers" in screen.text and "last failure" in screen.text else seen
    assert result.code == 0
    assert max(map(len, seen.splitlines())) < width
    for part in (
        " of 60 customers",
        " entries",
        " of 6,000 requests in the last minute",
        "last failure: the service failed",
    ):
        assert part in " ".join(seen.split())
    assert screen.text == ""


async def test_nothing_stale_after_resizing(tmp_path: Path) -> None:
    """Where the terminal becomes narrower and wider, what is shown is fitted to it at once, and nothing else stays."""
    terminal, screen = Terminal.open(140), Screen(140)
    released = asyncio.Event()

    async def hold(box: Sandbox, _: LoggedRequest) -> None:
        if len(box.requests) > COUNT // 2:
            await released.wait()

    async with many_customers(on_request=hold) as box:
        process = await start_backfill(box, tmp_path, terminal, "--rate", "6000")
        while "last failure" not in screen.text:
            await asyncio.sleep(0.1)
            screen.feed(terminal.read_available())
        shown = []
        for width in (60, 100, 40):
            process.send_signal(signal.SIGSTOP)
            screen.feed(terminal.read_available())
            terminal.resize(width)
            screen.resize(width)
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGWINCH)
            while not (output := terminal.read_available()):  # noqa: ASYNC110 - output of another process
                await asyncio.sleep(0.01)
            screen.feed(output)
            shown.append(screen.text)
        released.set()
        output, result = await asyncio.gather(terminal.read(), finish(process))

    assert result.code == 0
    for text, width in zip(shown, (60, 100, 40), strict=True):
        assert max(map(len, text.splitlines())) < width
        assert (text.count(" of 60 customers"), text.count("last failure")) == (1, 1)
    screen.feed(output)
    assert screen.text == ""


async def test_nothing_stale_after_ctrl_c(tmp_path: Path) -> None:
    """After Ctrl-C the terminal shows the messages of the stop and nothing of the progress."""
    reached = asyncio.Event()

    def at_the_tenth(box: Sandbox, _: LoggedRequest) -> None:
        if len(box.requests) >= 10:
            reached.set()

    terminal = Terminal.open(80)
    async with many_customers(on_request=at_the_tenth) as box:
        process = await start_backfill(box, tmp_path, terminal)
        reading = asyncio.create_task(terminal.read())
        await reached.wait()
        process.send_signal(signal.SIGINT)
        result = await finish(process)
        output = await reading

    screen = Screen(80)
    screen.feed(output)
    assert result.code == 130
    first, second, *others = screen.text.splitlines()
    assert first == "capledger: stopping after the current files are written; a second Ctrl-C stops"
    assert second == "at once"
    assert "customers done; the same command goes on from here" in "".join(others)
    assert len(others) <= 2
