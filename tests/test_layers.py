"""The layers: imports only point down."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from importlinter import cli

import capledger

ROOT = Path(__file__).parent.parent
PACKAGE = Path(capledger.__file__).parent
SANDBOX_FILES = sorted((PACKAGE / "sandbox").rglob("*.py"))


def imported_modules(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}


def test_imports_only_point_down() -> None:
    """No module imports one above or beside it, as the contracts in ``pyproject.toml`` define."""
    assert cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == cli.EXIT_STATUS_SUCCESS


@pytest.mark.parametrize("file", SANDBOX_FILES, ids=lambda file: file.name)
def test_sandbox_shares_no_code_with_the_client(file: Path) -> None:
    """The sandbox imports only itself from the package, so that it cannot share a mistake with what it tests."""
    ours = {name for name in imported_modules(file) if name.split(".")[0] == "capledger"}

    assert {name for name in ours if not name.startswith("capledger.sandbox")} == set()
