"""The layers: arrows only point down."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from importlinter import cli

import capledger

ROOT = Path(__file__).parent.parent
PACKAGE = Path(capledger.__file__).parent
SANDBOX_FILES = sorted((PACKAGE / "sandbox").rglob("*.py"))


def modules_imported_by(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}


def test_contracts_are_kept() -> None:
    """No module imports one above it or beside it, as the contracts in ``pyproject.toml`` say."""
    assert cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == cli.EXIT_STATUS_SUCCESS


@pytest.mark.parametrize("file", SANDBOX_FILES, ids=lambda file: file.name)
def test_sandbox_shares_nothing(file: Path) -> None:
    """The sandbox imports nothing of the package but itself, so it cannot share a mistake with what it tests."""
    ours = {name for name in modules_imported_by(file) if name.split(".")[0] == "capledger"}

    assert {name for name in ours if not name.startswith("capledger.sandbox")} == set()
