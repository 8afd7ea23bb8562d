"""The README is true: its examples run, its commands exist, its demo output is the demo's."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC
from typing import TYPE_CHECKING

import pytest
from support.examples import DOCS, ROOT, Reader, examples_of, run_command
from typer.testing import CliRunner

from capledger import BasicAuth, LedgerSession
from capledger.cli.app import app
from capledger.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

README = ROOT / "README.md"
TEXT = README.read_text(encoding="utf-8")
EXAMPLES = examples_of(README)
PYTHON = [example.source for example in EXAMPLES if example.language == "python"]
COMMANDS = [command for example in EXAMPLES if example.language == "console" for command in example.commands()]
CAPLEDGER = [command for command in COMMANDS if command[0] == "capledger"]
MAKE = [command for command in COMMANDS if command[0] == "make"]

SITE = "https://capledger.readthedocs.io/en/latest/"
FILES = (
    "https://github.com/capledger/capledger/blob/main/",
    "https://raw.githubusercontent.com/capledger/capledger/main/",
)
SECONDS_AND_PORT = re.compile(r"\d+\.\d\d seconds|:\d{4,5}")
MAX_LINES = 180


@pytest.fixture
async def reader(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Reader]:
    """Somebody with the sandbox that ``capledger sandbox`` runs, the variables that it prints, and a list."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "customers.csv").write_text("mobile\n917406401004\n910000000404\n", encoding="utf-8")
    async with (
        Sandbox() as box,
        LedgerSession(box.url, BasicAuth("store.server", "server123"), timezone=UTC) as session,
    ):
        monkeypatch.setenv("CAPLEDGER_BASE_URL", box.url)
        monkeypatch.setenv("CAPLEDGER_TIMEZONE", "UTC")
        monkeypatch.setenv("CAPLEDGER_USERNAME", "store.server")
        monkeypatch.setenv("CAPLEDGER_PASSWORD", "server123")
        for name in ("CAPLEDGER_CLIENT_KEY", "CAPLEDGER_CLIENT_SECRET"):
            monkeypatch.delenv(name, raising=False)
        yield Reader(session, box.url)


def example_with(substring: str) -> str:
    [found] = [example for example in PYTHON if substring in example]
    return found


def test_it_is_short() -> None:
    """What it is, how to start, what is promised; all else is on the site."""
    assert len(TEXT.splitlines()) <= MAX_LINES


@pytest.mark.parametrize("source", PYTHON, ids=lambda source: source.split("\n")[0][:40])
async def test_every_python_example_runs(reader: Reader, source: str) -> None:
    """Each example runs against a sandbox as it is printed, and the tests it defines pass."""
    await reader.run(source)

    for name in [name for name in reader.names if name.startswith("test_")]:
        await reader.names[name]()


async def test_first_example_prints_entries(reader: Reader) -> None:
    """The program of the README prints each entry of the span with its exact amount."""
    printed = await reader.run(example_with("asyncio.run(main())"))

    assert printed.splitlines()[-2:] == ["2026-06-30 23:59:59+00:00 TransactionAdd 1459.460", "    Coins 1947.567"]


async def test_resuming_from_the_stored_cursor_yields_the_rest(reader: Reader) -> None:
    """The example stores every entry, and a cursor per page from which a walk yields the rest."""
    await reader.run(example_with("load_cursor()"))

    everything = [entry.event_log_id for entry in reader.stored]
    assert len(everything) == len(set(everything)) > 3_000
    assert len(reader.cursors) > 30
    rest = await reader.session.entries(reader.names["query"], resume_from=reader.cursors[9]).collect()
    assert [entry.event_log_id for entry in rest] == everything[-len(rest) :]


async def test_job_sets_aside_only_the_unknown_customer(reader: Reader) -> None:
    """Of three customers one is unknown; the others' entries are stored."""
    await reader.run(example_with("fetch_many"))

    assert [type(error).__name__ for error in reader.failed] == ["CustomerNotFoundError"]
    assert len(reader.cursors) == 2


@pytest.mark.parametrize("command", CAPLEDGER, ids=" ".join)
async def test_every_command_runs(reader: Reader, command: list[str]) -> None:
    """Each command works with the environment variables that the sandbox prints; 3 means that a customer is unknown."""
    result = await asyncio.to_thread(run_command, command)

    assert result.exit_code == (3 if command[1] in {"backfill", "sync"} else 0), result.stderr
    assert result.stdout
    assert reader.url


def test_make_has_the_targets() -> None:
    """Each make command names a target, and ``demo`` and ``test`` come first."""
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert [command[1] for command in MAKE][:2] == ["demo", "test"]
    assert {command[1] for command in MAKE} <= set(targets)


def test_demo_output_is_current() -> None:
    """The output in the README is that of the demo, except for the port, the seconds, and what ``...`` leaves out."""
    real = without_noise(CliRunner().invoke(app, ["demo"], env={"COLUMNS": "80"}).stdout)
    shown = re.findall(r"^```text\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)[0]

    for part in shown.split("...\n"):
        assert "\n".join(without_noise(part)) in "\n".join(real)


def without_noise(text: str) -> list[str]:
    return [line.rstrip() for line in SECONDS_AND_PORT.sub("", text).strip().splitlines()]


def test_links_are_absolute_and_lead_somewhere() -> None:
    """Links work on PyPI too; those to the site are pages with that anchor, those to the repository files of it."""
    links = re.findall(r"\]\(([^)]+)\)", TEXT)

    assert [link for link in links if not link.startswith((SITE, *FILES))] == []
    for link in links:
        assert leads_somewhere(link), link


def leads_somewhere(link: str) -> bool:
    for base in FILES:
        if link.startswith(base):
            return (ROOT / link.removeprefix(base)).is_file()
    name, _, anchor = (link.removeprefix(SITE) or "index.html").partition("#")
    page = (DOCS / name).with_suffix(".md").read_text(encoding="utf-8")
    titles = [title.lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)$", page, re.MULTILINE)]
    return not anchor or anchor in titles
