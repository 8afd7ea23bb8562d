"""The command line, run in this process or as a process of its own, and a sandbox for it."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from attrs import frozen

import capledger
from capledger.sandbox import Sandbox, SandboxCustomer, make_row
from support.forks import run_command

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ROOT = Path(capledger.__file__).parent.parent
MOBILE = "919988776655"
ENTRIES = ("entries", "mobile", MOBILE)
START = datetime(2025, 1, 1)
PASSWORD, SECRET = "server123", "sandbox-secret"
NAMES = [
    f"CAPLEDGER_{name}" for name in ("BASE_URL", "TIMEZONE", "USERNAME", "PASSWORD", "CLIENT_KEY", "CLIENT_SECRET")
]
#: Amounts that a float would not keep.
AMOUNTS = ("20000.00", "0.10", "1234567890123456.789", "46.690")


@frozen
class CommandResult:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def rows(count: int, **options: Any) -> list[dict[str, Any]]:
    """Return entries an hour apart, numbered from 1."""
    return [
        make_row(number + 1, START + number * timedelta(hours=1), points=AMOUNTS[number % len(AMOUNTS)], **options)
        for number in range(count)
    ]


def sandbox(count: int = 250, **options: Any) -> Sandbox:
    return Sandbox([SandboxCustomer(MOBILE, rows(count))], **options)


def nets(ledger: Iterable[Mapping[str, Any]]) -> list[Decimal]:
    return [Decimal(row["netPointsOnEvent"]) for row in ledger]


def environment(box: Sandbox | None = None, **changes: str | None) -> dict[str, str | None]:
    """Return the variables of the sandbox's user; None removes one."""
    address = "http://127.0.0.1:9" if box is None else box.url
    given = {"BASE_URL": address, "TIMEZONE": "UTC", "USERNAME": "store.server", "PASSWORD": PASSWORD} | changes
    return dict.fromkeys(NAMES) | {f"CAPLEDGER_{name}": value for name, value in given.items()}


async def run(box: Sandbox | None, *arguments: str | Path, **changes: str | None) -> CommandResult:
    """Run a command as a process, while the sandbox responds in this one; *changes* are variables of capledger's."""
    return await invoke(arguments, process_environment(box, **changes))


async def invoke(
    arguments: Iterable[str | Path],
    variables: Mapping[str, str],
    stdout: IO[bytes] | None = None,
    *,
    hurried: bool = False,
) -> CommandResult:
    """Run a command as a process, with these variables alone, and with a file in place of the pipe of its output."""
    file = None if stdout is None else stdout.fileno()
    return CommandResult(*await run_command([*map(str, arguments)], variables, file, hurried=hurried))


def process_environment(box: Sandbox | None = None, **changes: str | None) -> dict[str, str]:
    given = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", **environment(box, **changes)}
    return {name: value for name, value in given.items() if value is not None}


async def start(
    box: Sandbox | None,
    *arguments: str | Path,
    program: tuple[str, ...] = ("-m", "capledger"),
    within: tuple[str, ...] = (),
    stdout: int | IO[bytes] = asyncio.subprocess.PIPE,
    stderr: int | IO[bytes] = asyncio.subprocess.PIPE,
    **settings: str,
) -> Process:
    """Start a command as a process, *within* another command such as ``unshare`` where one is given."""
    return await asyncio.create_subprocess_exec(
        *within,
        sys.executable,
        *program,
        *map(str, arguments),
        env=process_environment(box) | settings,
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
    )


async def finish(process: Process, data: bytes | None = None) -> CommandResult:
    """Wait for a process to end, and return its output; *data* is its standard input."""
    out, err = await process.communicate(data)
    assert process.returncode is not None
    return CommandResult(process.returncode, (out or b"").decode(), (err or b"").decode())


Process = asyncio.subprocess.Process
