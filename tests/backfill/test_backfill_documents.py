"""The page about backfills is correct."""

from __future__ import annotations

import asyncio
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from typer.testing import CliRunner

from capledger.backfill import arrow_schema
from capledger.cli.app import app
from capledger.frames.schema import COLUMNS
from capledger.sandbox import Sandbox

if TYPE_CHECKING:
    import pytest

ROOT = Path(__file__).parent.parent.parent


def section(name: str) -> str:
    """Return a section of the page on backfills."""
    text = (ROOT / "docs" / "backfill.md").read_text(encoding="utf-8")
    return text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", section("From a list to a table"), re.DOTALL | re.MULTILINE)


async def test_page_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the file of customers to the query over the result, every step prints what the page shows."""
    monkeypatch.chdir(tmp_path)
    [customers], [shell], [statement] = blocks("csv"), blocks("shell"), blocks("sql")
    Path("customers.csv").write_text(customers, encoding="utf-8")  # noqa: ASYNC240 - a small file
    async with Sandbox() as box:
        monkeypatch.setenv("CAPLEDGER_BASE_URL", box.url)
        monkeypatch.setenv("CAPLEDGER_TIMEZONE", "UTC")
        monkeypatch.setenv("CAPLEDGER_USERNAME", "store.server")
        monkeypatch.setenv("CAPLEDGER_PASSWORD", "server123")
        results = [
            await asyncio.to_thread(CliRunner().invoke, app, shlex.split(line)[1:]) for line in shell.splitlines()
        ]
    with duckdb.connect() as connection:
        table = str(connection.sql(statement))

    assert [result.exit_code for result in results] == [0, 3]
    assert [*(result.stdout for result in results), table] == blocks("text")


def test_every_column_is_described() -> None:
    """The table of columns contains each of them, in order, with its Arrow type."""
    page = (ROOT / "docs" / "backfill.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| (`.*`) \| `(.*)` \| `.*` \|$", page, re.MULTILINE)
    described = [(name, of) for names, of in lines for name in re.findall(r"`(\w+)`", names)]

    assert [name for name, _ in described] == [column.name for column in COLUMNS]
    schema = arrow_schema()
    for name, of in described:
        field = schema.field(name)
        assert of.endswith(" not null") is not field.nullable
        assert re.match(r"\w+", of)[0] == re.match(r"\w+", str(field.type))[0]  # type: ignore[index]  # both match
        assert of.count("decimal128(38, 9)") == str(field.type).count("decimal128(38, 9)")
        assert of.count("int64") == str(field.type).count("int64")
        assert set(re.findall(r"[a-z]\w+(?=[:,>])", of)) <= set(re.findall(r"\w+", str(field.type)))
