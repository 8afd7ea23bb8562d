"""Lists of customers as they come, given to ``backfill`` as a process: refused before any request, with what to do."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
from support.shell import MOBILE, run, sandbox

if TYPE_CHECKING:
    from pathlib import Path

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
