"""The pages of the site are true: their examples run as printed, and every public name has a place."""

from __future__ import annotations

import asyncio
import gc
import importlib
import inspect
import logging
import os
import pkgutil
import re
import sys
import tomllib
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from support.examples import DOCS, ROOT, Reader, examples_of, load_script, pages, run_command, text_of

import capledger
from capledger import BasicAuth, LedgerSession
from capledger.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytest_plugins = ["pytester"]

PAGES = list(pages())
SITE_CHECK = load_script(DOCS / "check_site.py")
MODULES: tuple[str, ...] = SITE_CHECK.PUBLIC_MODULES
public_names = SITE_CHECK.public_names
#: Pages whose examples have tests of their own.
TESTED_ELSEWHERE = {"testing", "beyond-one-machine"}
EXIT_CODES = {"backfill": (0, 3), "sync": (0, 3)}
CUSTOMERS = "mobile\n917406401004\n910000000002\n910000000003\n"


@pytest.fixture
async def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Reader]:
    """Somebody in an empty directory, with a list of customers and the variables of the sandbox."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    (tmp_path / "customers.csv").write_text(CUSTOMERS, encoding="utf-8")
    async with (
        Sandbox() as box,
        LedgerSession(box.url, BasicAuth("store.server", "server123"), timezone=UTC) as session,
    ):
        monkeypatch.setenv("CAPLEDGER_BASE_URL", box.url)
        monkeypatch.setenv("CAPLEDGER_TIMEZONE", "UTC")
        monkeypatch.setenv("CAPLEDGER_USERNAME", "store.server")
        monkeypatch.setenv("CAPLEDGER_PASSWORD", "server123")
        yield Reader(session, box.url)
    logging.getLogger("capledger").setLevel(logging.NOTSET)  # which examples set


def name_of(page: Path) -> str:
    return str(page.relative_to(DOCS)).removesuffix(".md")


@pytest.mark.parametrize("page", [page for page in PAGES if name_of(page) not in TESTED_ELSEWHERE], ids=name_of)
@pytest.mark.filterwarnings("default")  # of the libraries that recipes use
async def test_examples_run(reader: Reader, page: Path) -> None:
    """Every program, command and query of a page runs, in their order; what a page shows is what is printed."""
    for example in examples_of(page):
        if example.language == "python":
            printed = await reader.run(example.source, f"{page}:{example.line}")
            assert example.output in {None, printed}
        elif example.language in {"console", "shell"}:
            for command in example.commands():
                await check_command(command)
        elif example.language == "csv":
            Path("customers.csv").write_text(example.source, encoding="utf-8")  # noqa: ASYNC240 - a small file
        elif example.language == "sql":
            assert await asyncio.to_thread(rows_of, example.source)
    if page.parent.name == "recipes":
        gc.collect()  # what libraries leave open must not be found in another test


def test_tests_of_the_page_on_testing_pass(pytester: pytest.Pytester) -> None:
    """The examples with fixtures pass under pytest, configured as shown, with those of an installed capledger."""
    examples = examples_of(DOCS / "testing.md")
    first, *others = [example.source for example in examples if "def test_" in example.source]
    [options] = [example.source for example in examples if example.language == "toml"]
    pytester.makepyprojecttoml(options)
    pytester.makepyfile(test_first=first, test_others="\n".join(["from capledger import CustomerLedgerQuery", *others]))

    plugins = ("-p", "no:capledger", "-p", "capledger.pytest_plugin", "-p", "no:cacheprovider")
    pytester.runpytest_subprocess(*plugins).assert_outcomes(passed=3)


async def test_programs_of_the_page_on_testing_run(reader: Reader) -> None:
    """The examples without pytest run as printed."""
    for example in examples_of(DOCS / "testing.md"):
        if example.language == "python" and "def test_" not in example.source:
            await reader.run(example.source)


@pytest.mark.parametrize(("customers", "code"), [(CUSTOMERS, 0), (f"{CUSTOMERS}910000000404\n", 0), ("nothing\n", 99)])
async def test_the_command_for_airflow_ends_as_the_scheduler_expects(reader: Reader, customers: str, code: int) -> None:
    """Customers set aside are no failure, and a wrong list is one that is not retried."""
    [command] = re.findall(r'COMMAND = """\\\n(.*?)"""', (ROOT / "examples" / "airflow_dag.py").read_text(), re.DOTALL)
    Path("customers.csv").write_text(customers, encoding="utf-8")  # noqa: ASYNC240 - a small file
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = command.replace("--rate 600", "--format jsonl")

    process = await asyncio.create_subprocess_exec("bash", "-c", command, env=environment)

    assert await process.wait() == code
    assert reader.url == environment["CAPLEDGER_BASE_URL"]


async def check_command(command: list[str]) -> None:
    if command[0] == "make":
        assert f"\n{command[1]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    elif command[:2] == ["capledger", "sandbox"] or command[0] in {"pip", "uvx"}:
        check_installation(command)
    elif command[0] == "capledger":
        result = await asyncio.to_thread(run_command, command)
        assert result.exit_code in EXIT_CODES.get(command[1], (0,)), result.stderr
    else:
        pytest.fail(f"{command} is no command of the documents")


def check_installation(command: list[str]) -> None:
    """Extras that a command installs exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {extra for extras in re.findall(r"\[([\w,]+)\]", " ".join(command)) for extra in extras.split(",")}

    assert named <= set(project["optional-dependencies"])


def rows_of(statement: str) -> list[Any]:
    with duckdb.connect() as connection:
        return connection.execute(statement).fetchall()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_page_opens_with_what_it_is_for(page: Path) -> None:
    """A title, then a sentence."""
    title, blank, first, *_ = text_of(page).splitlines()

    assert title.startswith("# ")
    assert not blank
    assert re.match(r"[A-Z`*]", first)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_page_has_an_example(page: Path) -> None:
    """No page is prose alone."""
    languages = {example.language for example in examples_of(page)}

    assert languages & {"python", "console", "shell"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files(page: Path) -> None:
    """Each relative link is a page or a file, with an extension that GitHub and Sphinx both follow."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]

    assert [link for link in links if link and not (page.parent / link).exists()] == []


def test_every_page_is_in_the_contents() -> None:
    """Each page is named by the contents of the first page, of the recipes or of the reference."""
    for folder in (DOCS, DOCS / "recipes", DOCS / "api"):
        contents = (folder / "index.md").read_text(encoding="utf-8")
        listed = re.findall(r"^[a-z-]+(?:/index)?$", contents, re.MULTILINE)
        names = {page.stem for page in folder.glob("*.md")} - {"index"}
        assert names - {*listed} == set(), "name the page in the toctree of index.md"


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_a_place_in_the_reference(module: str) -> None:
    """A page documents the classes and functions of a whole module, or names each; all else is named."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    named = {
        name for path in re.findall(r"automodule:: (\S+)", text) for name in public_names(path) if is_code(path, name)
    }
    named |= set(re.findall(r"(?:autoclass|py:data|py:type|automodule):: capledger\.(?:\w+\.)*(\w+)", text))

    assert set(public_names(module)) - named == set()


def is_code(path: str, name: str) -> bool:
    value = inspect.unwrap(getattr(importlib.import_module(path), name))
    return inspect.isclass(value) or inspect.isfunction(value)


def test_the_public_modules_are_all() -> None:
    """Modules with public names that are documented elsewhere are those whose names capledger itself has."""
    found = {info.name for info in pkgutil.iter_modules(capledger.__path__, "capledger.")}
    found = {name for name in found if not name.rpartition(".")[2].startswith("_")}
    parts = {"auth", "balances", "errors", "events", "many", "queries", "session", "walk"}
    internal = {"cli", "cursor", "iteration", "moments", "pytest_plugin", "server_profile", "timezones", "windows"}

    assert found - {*MODULES} == {f"capledger.{name}" for name in parts | internal}


def test_references_in_docstrings_lead_somewhere() -> None:
    """Each role names something that can be imported."""
    for file in sorted((ROOT / "capledger").rglob("*.py")):
        for target in re.findall(r":(?:class|func|mod|data):`~?(capledger\.[\w.]+)`", file.read_text(encoding="utf-8")):
            assert resolves(target), f"{file.name}: {target}"


def resolves(target: str) -> bool:
    """Return whether a path leads to a module, or to a name of one, or to one of a class."""
    module, _, name = target.rpartition(".")
    try:
        if not module:
            return target == "capledger"
        return hasattr(importlib.import_module(module), name)
    except ModuleNotFoundError:
        owner, _, class_name = module.rpartition(".")
        return hasattr(getattr(importlib.import_module(owner), class_name, None), name)
