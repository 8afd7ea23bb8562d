"""The pages on the command line and its messages are true and complete: exit codes, messages, options, commands."""

from __future__ import annotations

import re
from pathlib import Path

from support.messages import read_messages
from support.shell import run

import capledger
from capledger.cli import exit_codes

PACKAGE = Path(capledger.__file__).parent
DOCS = PACKAGE.parent / "docs"
PAGE = (DOCS / "command-line.md").read_text(encoding="utf-8")
TABLES = (DOCS / "messages.md").read_text(encoding="utf-8")
#: All source text, with strings that are continued on the next line joined.
SOURCE = re.sub(r'"\n\s*f?"', "", "".join(file.read_text(encoding="utf-8") for file in sorted(PACKAGE.rglob("*.py"))))
LISTED = [text for row in re.findall(r"^\| (`.*?) \|", TABLES, re.MULTILINE) for text in re.findall(r"`([^`]+)`", row)]
PATTERNS = [re.compile(".*".join(map(re.escape, text.split("…")))) for text in LISTED]
#: Strings that are within a message that is listed, or in none.
PARTS = {
    " (HTTP …)",
    " (the proxy answered HTTP …)",
    " and by ",
    " and … more",
    " and …",
    "$.data.accessToken: expected a string that is valid in a header",
    "$.data: expected an object",
    "$: nested too deeply",
    ": it was closed before a response",
    ": none of its addresses can be reached",
    ": the response is not HTTP",
    ": … (…)",
    "; and … more",
    "; another line cannot be used either",
    "; … more lines cannot be used either",
    "a --to that is later than --from",
    "a decimal number",
    "a number that is not finite",
    "a number with a fraction",
    "an end that is later than start",
    "another process uses the directory",
    "capledger …",
    "check base_url",
    "end is before start",
    "expected …, got …",
    "finished, with ledgers set aside or unproven, or with wrong books",
    "format the column as text in the spreadsheet and export it again",
    "it cannot be opened",
    "it cannot be read",
    "it cannot be written",
    "nested too deeply",
    "one second",
    "page from 1",
    "several accounts",
    "the disk is full",
    "the disk reports an error",
    "till_id, till_ids",
    "true or false",
    "unexpected error",
    "… customers were",
    "… of …",
    "…: cannot be decoded",
}


def test_every_exit_code_is_listed() -> None:
    """The table has the exit codes of the module, and no others."""
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    listed = set(map(int, re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)))

    assert listed == {0, *(code for code in codes if code < 256)}


def test_every_message_is_listed() -> None:
    """The page on messages has every one that the source can print or raise, the errors of walks included.

    A new message needs a line in docs/messages.md, with its exit code and what to do; a part of one is added to PARTS.
    """
    found = read_messages()
    missing = {text: place for text, place in found.items() if not any(item.fullmatch(text) for item in PATTERNS)}

    assert len(found) > 250
    assert {text: place for text, place in missing.items() if text not in PARTS} == {}


def test_every_listed_message_is_printed_somewhere() -> None:
    """Each listed line is in the source, apart from what varies, and says enough to be found."""
    fragments = {part.strip(" ();:,.'[]") for text in LISTED for part in text.split("…")}

    assert [fragment for fragment in sorted(fragments) if fragment not in SOURCE] == []
    assert [text for text in LISTED if not re.search("[a-z]{3}", text)] == []


def test_every_exit_code_of_a_message_exists() -> None:
    """The codes in the tables of messages are those of the command line, and each has a line."""
    cells = re.findall(r"^\| `.*?` \| ([\d, ]+) \|", TABLES, re.MULTILINE)
    codes = {int(code) for cell in cells for code in cell.split(",")}

    assert codes == set(map(int, re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE))) - {0}


async def test_every_command_is_listed() -> None:
    """The page lists the commands of the help, and every option that it names exists."""
    commands = re.findall(r"^\| `capledger (\S+)` \|", PAGE, re.MULTILINE)
    overview = await run(None, "--help")
    helps = "".join([(await run(None, name, "--help", COLUMNS="200")).out for name in commands])

    assert all(f"│ {name} " in overview.out for name in commands)
    assert overview.out.count("\n│ ") - overview.out.count("\n│ -") - overview.out.count("\n│   ") == len(commands)
    assert set(re.findall(r"--[a-z]+[a-z-]*", PAGE + TABLES)) <= set(re.findall(r"--[a-z]+[a-z-]*", helps)) | {"--help"}
