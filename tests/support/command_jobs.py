"""Backfills as a user runs them: a list of customers in a directory, and the command as a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.shell import MOBILE, invoke, process_environment

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from capledger.sandbox import Sandbox
    from support.shell import CommandResult

OTHER = "919988776600"
GOES_ON = "the same command goes on where this one stopped\n"


def customers(path: Path, lines: Iterable[str] = (f"mobile,{MOBILE}",)) -> Path:
    path.write_text("".join(f"{line}\n" for line in ("identifier_name,identifier_value", *lines)))
    return path


async def backfill(
    box: Sandbox | None, path: Path, *arguments: str | Path, hurried: bool = False, **settings: str
) -> CommandResult:
    """Run a backfill of the list in a directory into ``out`` beside it, as CSV; *settings* are variables."""
    return await invoke([*command_of(path), *arguments], process_environment(box) | settings, hurried=hurried)


def command_of(path: Path) -> tuple[str | Path, ...]:
    """Return the command of such a backfill."""
    return ("backfill", path / "c.csv", "--out", path / "out", "--format", "csv")
