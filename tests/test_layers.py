"""The layers: imports only point down."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import capledger

ROOT = Path(__file__).parent.parent
PACKAGE = Path(capledger.__file__).parent
SANDBOX_FILES = sorted((PACKAGE / "sandbox").rglob("*.py"))


def imported_modules(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}


def tree_of_the_architecture_page() -> dict[str, set[str]]:
    """Return the modules that the page lists, by folder; a folder without a list of its own is left out."""
    block = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("```text\ncapledger/\n")[2]
    listed: dict[str, set[str]] = {"": set()}
    folder = ""
    for line in block.partition("```")[0].splitlines():
        indent, name = re.match(r"( +)(\S+)", line).groups()  # type: ignore[union-attr]  # every line has a name
        parent = folder if len(indent) > len("  ") else ""
        listed.setdefault(parent, set()).add(name)
        folder = name.rstrip("/") if name.endswith("/") and not parent else folder
    return listed


def tree_of_the_package(folder: str) -> set[str]:
    directory = PACKAGE / folder
    modules = {file.stem for file in directory.glob("*.py") if not file.stem.startswith("__")}
    return modules | {f"{file.parent.name}/" for file in directory.glob("*/__init__.py")}


def test_architecture_page_lists_the_tree() -> None:
    """The tree on the architecture page is the tree of the package."""
    listed = tree_of_the_architecture_page()

    assert listed == {folder: tree_of_the_package(folder) for folder in listed}


def test_imports_only_point_down() -> None:
    """No module imports one above or beside it, as the contracts in ``pyproject.toml`` define."""
    code = f"from importlinter import cli; sys.exit(cli.lint_imports({str(ROOT / 'pyproject.toml')!r}, no_cache=True))"

    checked = subprocess.run(  # noqa: S603 - our own code, in a process of its own since it disables all loggers
        [sys.executable, "-c", f"import sys; {code}"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("file", SANDBOX_FILES, ids=lambda file: file.name)
def test_sandbox_shares_no_code_with_the_client(file: Path) -> None:
    """The sandbox imports only itself from the package, so that it cannot share a mistake with what it tests."""
    ours = {name for name in imported_modules(file) if name.split(".")[0] == "capledger"}

    assert {name for name in ours if not name.startswith("capledger.sandbox")} == set()
