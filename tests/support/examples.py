"""Examples of the documents: found in their pages, and run as printed."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import importlib.util
import inspect
import io
import re
import shlex
import sys
from datetime import UTC, date, datetime
from itertools import zip_longest
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen
from typer.testing import CliRunner

from capledger import BasicAuth, CapledgerError, CustomerLedgerQuery, LedgerEntry, LedgerSession
from capledger.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typer.testing import Result

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)

INCLUDE = re.compile(r"^```\{include\} (\S+)\n```$", re.MULTILINE)


@frozen
class Example:
    """A block of code in a page."""

    language: str
    source: str
    line: int
    output: str | None
    """What the page says that it prints; None where it says nothing."""

    def commands(self) -> list[list[str]]:
        """Return the commands of a block of a console or a shell, without what is redirected."""
        lines = [line.removeprefix("$ ") for line in self.source.splitlines()]
        return [shlex.split(line.partition(" > ")[0], comments=True) for line in lines if line]


def examples_of(page: Path) -> list[Example]:
    """Return the examples of a page; a block of text directly behind a program is what it prints."""
    text = text_of(page)
    found = list(FENCE.finditer(text))
    return [
        Example(match[1], match[2], text[: match.start()].count("\n") + 1, _output(text, match, following))
        for match, following in zip_longest(found, found[1:])
        if match[1] != "text"
    ]


def text_of(page: Path) -> str:
    """Return the source of a page, with the file that it includes."""
    text = page.read_text(encoding="utf-8")
    return INCLUDE.sub(lambda match: (page.parent / match[1]).read_text(encoding="utf-8"), text)


def _output(text: str, match: re.Match[str], following: re.Match[str] | None) -> str | None:
    if following is None or following[1] != "text" or match[1] != "python":
        return None
    return following[2] if not text[match.end() : following.start()].strip() else None


class NoLeases:
    """A book of leases that is closed."""

    grace = 60.0

    async def lease(self, want: int, settled: object, unused: object) -> tuple[int, int, float]:
        """Lease nothing."""
        return 0, 0, 1.0


@define
class Reader:
    """Somebody who runs the examples of a page from top to bottom, and has what they need."""

    session: LedgerSession
    url: str
    stored: list[LedgerEntry] = field(factory=list)
    cursors: list[str | None] = field(factory=list)
    failed: list[CapledgerError] = field(factory=list)
    module: ModuleType = field(factory=lambda: ModuleType("example"))
    """The names that examples expect, and those that they define; a module, since libraries look for it."""

    def __attrs_post_init__(self) -> None:
        sys.modules["example"] = self.module
        self.names.update(
            {
                "session": self.session,
                "base_url": self.url,
                "url": self.url,
                "source": NoLeases(),
                "auth": BasicAuth("store.server", "server123"),
                "LedgerSession": LedgerSession,
                "CustomerLedgerQuery": CustomerLedgerQuery,
                "UTC": UTC,
                "Path": Path,
                "query": CustomerLedgerQuery.mobile("917406401004", end=date(2026, 7, 2)),
                "queries": [CustomerLedgerQuery.mobile(mobile) for mobile in ("910000000002", "910000000003")],
                "mobiles": ["917406401004", "910000000002", "910000000404"],
                "last_end": datetime(2026, 6, 1, tzinfo=UTC),
                "load_cursor": lambda: None,
                "store": self.store,
                "set_aside": lambda _, error: self.failed.append(error),
            }
        )

    @property
    def names(self) -> dict[str, Any]:
        """The names of the module."""
        return self.module.__dict__

    def store(self, entries: list[LedgerEntry], cursor: str | None) -> None:
        """Keep what an example stores."""
        self.stored += entries
        self.cursors.append(cursor)

    async def run(self, source: str, page: str = "example") -> str:
        """Run a program: here if it awaits at its top level, in a thread otherwise; return what it prints."""
        code = compile(source, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if code.co_flags & inspect.CO_COROUTINE:
                await eval(code, self.names)  # noqa: S307 - our own documents
            else:
                await asyncio.to_thread(exec, code, self.names)
        return printed.getvalue()


def run_command(command: list[str]) -> Result:
    """Run a command of capledger."""
    return CliRunner().invoke(app, command[1:], env={"COLUMNS": "80"})


def load_script(path: Path) -> ModuleType:
    """Return a script of the repository as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pages() -> Iterator[Path]:
    """Yield the pages of the site."""
    return iter(sorted(DOCS.rglob("*.md")))
