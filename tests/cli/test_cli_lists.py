"""Lists of customers as they come, given to ``backfill`` as a process: refused before any request, with what to do."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING

import pytest
from support.command_jobs import OTHER
from support.shell import MOBILE, rows, run, sandbox

from capledger.sandbox import Sandbox, SandboxCustomer

if TYPE_CHECKING:
    from pathlib import Path

HEADED = "identifier_name,identifier_value"
LIST = f"mobile\n{MOBILE}\n".encode()
HEADER = (
    "line 1 of the customers: it must be a header with identifier_name and identifier_value, or with one of mobile, "
    "email, external_id, customer_id; name others with --column"
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04\x14\x00\x06\x00", "the file of customers is a workbook or a ZIP archive: export the sheet as "),
        (gzip.compress(LIST), "the file of customers is compressed with gzip: unpack it first\n"),
        (b"Phone,Name\n917,Ada\n", f"{HEADER}\n"),
        (b"mobile\n" + b"N/A\n" * 3, "line 2 of the customers: a value stands for none, such as N/A or null: "),
        (b'[{"mobile": "917"}]', "the file of customers is a JSON array: write one object a line\n"),
    ],
    ids=["xlsx", "gz", "header", "n/a", "array"],
)
async def test_lists_that_are_none_leave_nothing(content: bytes, message: str, tmp_path: Path) -> None:
    """A list that cannot be used is exit code 2 and one line, and neither a request nor a directory is made."""
    (tmp_path / "list").write_bytes(content)
    async with sandbox(1) as box:
        command = ("backfill", tmp_path / "list", "--out", tmp_path / "data" / "out", "--format", "csv")
        result = await run(box, *command)

    assert (result.code, result.out, box.requests, result.err.count("\n")) == (2, "", [], 1)
    assert result.err.startswith(f"capledger: {message}")
    assert not (tmp_path / "data").exists()


async def test_wrong_lines_are_counted(tmp_path: Path) -> None:
    """The first wrong line is told with what to do, and how many more there are; what is spoiled is never sent."""
    lines = [MOBILE, "unknown", "91740640100/4", "9.17406E+11", "", "+91 74064 01004", "-"]
    (tmp_path / "c.csv").write_text("mobile,name\n" + "".join(f"{line},x\n" for line in lines))
    async with sandbox(1) as box:
        command = ("backfill", tmp_path / "c.csv", "--out", tmp_path / "out", "--format", "csv")
        result = await run(box, *command)

    assert (result.code, box.requests) == (2, [])
    assert result.err == (
        "capledger: line 3 of the customers: a mobile number has other characters than digits: correct it, or remove "
        "the line; 4 more lines cannot be used either\n"
    )


@pytest.mark.parametrize(
    "content",
    [
        f"\ufeffMOBILE\tCity\r{MOBILE}\tPune\r".encode(),
        f" Mobile ;Stadt\r\n\r\n{MOBILE} ;K\xf6ln\r\n".encode("utf-16"),
        f"Identifier_Name,Identifier_Value,Source\nmobile,{MOBILE},instore\r\nmobile,{MOBILE},INSTORE\n".encode(),
        b"External_ID\nC-1\n",
        b'{"email": "ada@example.com"}\n',
    ],
    ids=["BOM, tab, CR", "UTF-16, semicolon, blank line", "mixed line ends, repeat", "external_id", "email as JSON"],
)
async def test_lists_of_spreadsheets_are_read(content: bytes, tmp_path: Path) -> None:
    """Encodings, separators, line ends, spaces and cases of spreadsheets are read as they come, each customer once."""
    (tmp_path / "list").write_bytes(content)
    me = SandboxCustomer(MOBILE, rows(2), external_id="C-1", email="ada@example.com")
    async with Sandbox([me]) as box:
        command = ("backfill", tmp_path / "list", "--out", tmp_path / "out", "--format", "csv")
        result = await run(box, *command)

    assert (result.code, result.lines[0]) == (0, "2 entries of 1 customer in 1 file")
    assert len(box.requests) == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("9.17406E+11", "digits are lost: format the column as text in the spreadsheet and export it again"),
        ("917406401004.0", "has a decimal point, added by a spreadsheet: format"),
        ('"=""917406401004"""', "is a formula: export values, without = and quotes"),
        ("'917406401004", "apostrophe, a spreadsheet's mark of text: remove it"),
        ("917406\u200b401004", "such as a zero-width space: remove it"),
        ('"917406\n401004"', "has a line break within it: remove it"),
        ("917406\x00401004", "such as NUL, within it: remove it"),
    ],
    ids=["power", "fraction", "formula", "apostrophe", "zero width", "has a line break within it: remove it", "NUL"],
)
async def test_what_a_spreadsheet_has_spoiled_is_refused(value: str, message: str, tmp_path: Path) -> None:
    """Values that spreadsheets spoil are refused with their line and what to do, before any request."""
    (tmp_path / "c.csv").write_bytes(f"mobile,name\n{value},Ada\n".encode())
    async with sandbox(1) as box:
        result = await run(box, "backfill", tmp_path / "c.csv", "--out", tmp_path / "out")

    assert (result.code, box.requests, result.err.count("\n")) == (2, [], 1)
    assert re.match(r"capledger: line [23] of the customers: ", result.err)
    assert message in result.err


async def test_set_aside_is_a_list_as_it_is(tmp_path: Path) -> None:
    """set-aside.csv has source and account, and is a list of customers for another directory without any change."""
    lines = (f"{HEADED},source,account_id", f"mobile,{MOBILE},INSTORE,", f"mobile,{OTHER},ECOMMERCE,7")
    (tmp_path / "c.csv").write_text("".join(f"{line}\n" for line in lines))
    async with sandbox(1) as box:
        first = await run(box, "backfill", tmp_path / "c.csv", "--out", tmp_path / "out", "--format", "csv")
        box.add(SandboxCustomer(OTHER, rows(2), source="ECOMMERCE", account_id="7"))
        command = ("backfill", tmp_path / "out" / "set-aside.csv", "--out", tmp_path / "again", "--format", "csv")
        second = await run(box, *command)

    assert (first.code, second.code, second.lines[0]) == (3, 0, "2 entries of 1 customer in 1 file")
    assert box.requests[-1].query.items() >= {"source": "ECOMMERCE", "accountId": "7"}.items()
