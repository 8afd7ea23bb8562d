"""The README is true: its examples run, its commands exist, its demo output is the demo's."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from capledger import BasicAuth, CapledgerError, CustomerLedgerQuery, LedgerEntry, LedgerSession
from capledger.cli.app import app
from capledger.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import CodeType


ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SECONDS_AND_PORT = re.compile(r"\d+\.\d\d seconds|:\d{4,5}")
RUNNER = CliRunner()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def commands() -> list[list[str]]:
    lines = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines]


PYTHON = blocks("python")
MAKE = [command for command in commands() if command[0] == "make"]
CAPLEDGER = [command for command in commands() if command[0] == "capledger"]


class UserCode:
    """The names that the examples expect, as a user would have defined them."""

    def __init__(self, session: LedgerSession) -> None:
        self.session = session
        self.stored: list[LedgerEntry] = []
        self.cursors: list[str | None] = []
        self.failed: list[CapledgerError] = []

    def store(self, entries: list[LedgerEntry], cursor: str | None) -> None:
        self.stored += entries
        self.cursors.append(cursor)

    def names(self) -> dict[str, Any]:
        return {
            "__name__": "readme",
            "session": self.session,
            "LedgerSession": LedgerSession,
            "CustomerLedgerQuery": CustomerLedgerQuery,
            "query": CustomerLedgerQuery.mobile("917406401004", end=datetime(2026, 7, 2)),
            "mobiles": ["917406401004", "910000000002", "910000000404"],
            "last_end": datetime(2026, 6, 1, tzinfo=UTC),
            "load_cursor": lambda: None,
            "store": self.store,
            "set_aside": lambda _, error: self.failed.append(error),
        }


@pytest.fixture
async def box(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    """The sandbox that ``capledger sandbox`` runs, and the environment variables that it prints."""
    async with Sandbox() as box:
        monkeypatch.setenv("CAPLEDGER_BASE_URL", box.url)
        monkeypatch.setenv("CAPLEDGER_TIMEZONE", "UTC")
        monkeypatch.setenv("CAPLEDGER_USERNAME", "store.server")
        monkeypatch.setenv("CAPLEDGER_PASSWORD", "server123")
        for name in ("CAPLEDGER_CLIENT_KEY", "CAPLEDGER_CLIENT_SECRET"):
            monkeypatch.delenv(name, raising=False)
        yield box


async def execute(example: str, names: dict[str, Any]) -> None:
    """Run an example as printed: here if it awaits at its top level, in a thread if it is a whole program."""
    code = compile(example, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if code.co_flags & inspect.CO_COROUTINE:
        await eval(code, names)  # noqa: S307 - our own README
    else:
        await asyncio.to_thread(run_program, code, names)


def run_program(code: CodeType, names: dict[str, Any]) -> None:
    exec(code, names)  # noqa: S102 - our own README


async def run_example(box: Sandbox, number: int) -> tuple[UserCode, dict[str, Any]]:
    """Run the example with this number, and the tests it defines."""
    async with LedgerSession(box.url, BasicAuth("store.server", "server123"), timezone=UTC) as session:
        user = UserCode(session)
        names = user.names()
        await execute(PYTHON[number], names)
        for name in [name for name in names if name.startswith("test_")]:
            await names[name]()
        if "newest" in names:
            names["result"] = await names["newest"](session, 910_000_001)
    return user, names


def number_of(substring: str) -> int:
    [number] = [number for number, example in enumerate(PYTHON) if substring in example]
    return number


@pytest.mark.parametrize("number", range(len(PYTHON)), ids=lambda number: PYTHON[number].split("\n")[0][:40])
async def test_every_python_example_runs(box: Sandbox, number: int) -> None:
    """Each example runs against a sandbox as it is printed."""
    before = len(box.requests)

    await run_example(box, number)

    assert len(box.requests) > before or "Sandbox(" in PYTHON[number]


async def test_first_example_prints_entries(box: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    """The program of the README prints each entry of the span with its exact amount."""
    await run_example(box, number_of("asyncio.run(main())"))

    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ["2026-06-30 23:59:59+00:00 TransactionAdd 1459.460", "    Coins 1947.567"]


async def test_resuming_from_the_stored_cursor_yields_the_rest(box: Sandbox) -> None:
    """The example stores every entry, and a cursor per page from which a walk yields the rest."""
    user, names = await run_example(box, number_of("load_cursor()"))

    everything = [entry.event_log_id for entry in user.stored]
    assert len(everything) == len(set(everything)) > 3_000
    assert len(user.cursors) > 30
    async with LedgerSession(box.url, BasicAuth("store.server", "server123"), timezone=UTC) as session:
        rest = await session.entries(names["query"], resume_from=user.cursors[9]).collect()
    assert [entry.event_log_id for entry in rest] == everything[-len(rest) :]


async def test_job_sets_aside_only_the_unknown_customer(box: Sandbox) -> None:
    """Of three customers one is unknown; the others' entries are stored."""
    user, _ = await run_example(box, number_of("fetch_many"))

    assert [type(error).__name__ for error in user.failed] == ["CustomerNotFoundError"]
    assert len(user.cursors) == 2


async def test_service_gets_the_newest_page(box: Sandbox) -> None:
    """The function of the service returns twenty entries, newest first."""
    _, names = await run_example(box, number_of("async def newest"))

    dates = [entry.ledger_created_date for entry in names["result"]]
    assert len(dates) == 20
    assert dates == sorted(dates, reverse=True)


@pytest.mark.parametrize("command", CAPLEDGER, ids=" ".join)
async def test_every_command_runs(box: Sandbox, command: list[str]) -> None:
    """Each command works with the environment variables that the sandbox prints."""
    arguments = command[1 : command.index(">")] if ">" in command else command[1:]

    result = await asyncio.to_thread(RUNNER.invoke, app, arguments)

    assert result.exit_code == 0, result.stderr
    assert len(result.stdout.splitlines()) > 1
    assert len(box.requests) > 0


def test_make_has_the_targets() -> None:
    """Each make command names a target, and ``demo`` and ``test`` come first."""
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    assert [command[1] for command in MAKE][:2] == ["demo", "test"]
    assert {command[1] for command in MAKE} <= set(targets)


def test_demo_output_is_current() -> None:
    """The output in the README is that of the demo, except for the port and the seconds."""
    real = RUNNER.invoke(app, ["demo"], env={"COLUMNS": "80"}).stdout

    [shown, *_] = blocks("text")
    assert without_noise(shown) == without_noise(real)


def without_noise(text: str) -> list[str]:
    return [line.rstrip() for line in SECONDS_AND_PORT.sub("", text).strip().splitlines()]


def test_links_lead_to_files() -> None:
    """Each relative link is a file of the repository."""
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
