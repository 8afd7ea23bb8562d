"""The page on the command line is true: its exit codes, its messages, its options and its commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.shell import run

import capledger
from capledger.cli import exit_codes

PACKAGE = Path(capledger.__file__).parent
PAGE = (PACKAGE.parent / "docs" / "command-line.md").read_text(encoding="utf-8")
#: All source text, with strings that are continued on the next line joined.
SOURCE = re.sub(r'"\n\s*f?"', "", "".join(file.read_text(encoding="utf-8") for file in sorted(PACKAGE.rglob("*.py"))))
MESSAGES = [text for row in re.findall(r"^\| (`.*?`) \|", PAGE, re.MULTILINE) for text in re.findall(r"`([^`]+)`", row)]
FRAGMENTS = [
    part.strip(" ();:,.'[]")
    for text in MESSAGES
    if not text.startswith(("capledger ", "-"))
    for part in text.split("…")
    if len(part.strip(" ();:,.'[]")) > 3
]


def test_every_exit_code_is_listed() -> None:
    """The table has the exit codes of the module, and no others."""
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    listed = set(map(int, re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)))

    assert listed == {0, *(code for code in codes if code < 256)}


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_every_message_is_printed_somewhere(fragment: str) -> None:
    """Each listed line is in the source, apart from what varies."""
    assert fragment in SOURCE


async def test_every_command_is_listed() -> None:
    """The page lists the commands of the help, and every option that it names exists."""
    commands = re.findall(r"^\| `capledger (\S+)` \|", PAGE, re.MULTILINE)
    overview = await run(None, "--help")
    helps = "".join([(await run(None, name, "--help", COLUMNS="200")).out for name in commands])

    assert all(f"│ {name} " in overview.out for name in commands)
    assert overview.out.count("\n│ ") - overview.out.count("\n│ -") - overview.out.count("\n│   ") == len(commands)
    assert set(re.findall(r"--[a-z]+[a-z-]*", PAGE)) <= set(re.findall(r"--[a-z]+[a-z-]*", helps))
