"""The style that no linter checks: sizes, one meaning per type name, docstrings, words, and reasons for exceptions."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "capledger"
FILES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
ALL_FILES = [*FILES, *TESTS, *sorted((ROOT / "benchmarks").glob("*.py")), *sorted((ROOT / "docs").glob("*.py"))]

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_MEDIAN = 6
#: Nine in ten functions are shorter.
MAX_NINTH_DECILE = 16

WORDS = (
    *("course", "crew", "crowd", "handout", "shelf", "patience", "inquiry", "verdict", "cutter", "recipe", "befell"),
    *("tally", "looks", "jumbled", "signer", "unread"),
)
#: Openings of docstrings that are no imperative of the field.
OPENINGS = re.compile(r"(Gives?|Tells?|Hears?|Says?|The|Returns|Raises|Yields) ")
NOQA = re.compile(r"# noqa: [A-Z]+\d+(, [A-Z]+\d+)* - \S")
TYPE_IGNORE = re.compile(r"# type: ignore\[[a-z-]+(, ?[a-z-]+)*\]  # \S")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def functions_of(file: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree_of(file)) if isinstance(node, Function))


def size_of(function: Function) -> int:
    """Return the lines of a function without its docstring."""
    statements = function.body[1:] if ast.get_docstring(function) else function.body
    return statements[-1].end_lineno - statements[0].lineno + 1 if statements else 0  # type: ignore[operator]  # parsed


def types_of(file: Path) -> Iterator[str]:
    """Yield the names of the classes of a file, and of the aliases of types in it."""
    yield from (node.name for node in ast.walk(tree_of(file)) if isinstance(node, ast.ClassDef))
    for node in tree_of(file).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp | ast.Subscript):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name) and is_type(target.id))


def is_type(name: str) -> bool:
    return re.fullmatch(r"_?[A-Z]\w*[a-z]\w*", name) is not None


def comments_of(file: Path, mark: str) -> list[tuple[int, str]]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [(number, line) for number, line in enumerate(lines, 1) if f"# {mark}" in line and f'"# {mark}' not in line]


def test_no_type_name_means_two_things() -> None:
    """Every name of a class or of an alias is defined once in the whole package."""
    places = defaultdict(list)
    for file in FILES:
        for name in types_of(file):
            places[name].append(name_of(file))

    assert {name: files for name, files in places.items() if len(files) > 1} == {}


def test_files_are_short() -> None:
    """No file has more than 400 lines."""
    lengths = {name_of(file): len(file.read_text(encoding="utf-8").splitlines()) for file in ALL_FILES}

    assert {name: length for name, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_functions_are_short() -> None:
    """Half of the functions have at most 6 lines, nine in ten fewer than 16, and none more than 60."""
    sizes = {f"{name_of(file)}:{node.lineno}": size_of(node) for file in FILES for node in functions_of(file)}

    assert median(sizes.values()) <= MAX_MEDIAN
    assert quantiles(sizes.values(), n=10)[-1] < MAX_NINTH_DECILE
    assert {place: size for place, size in sizes.items() if size > MAX_FUNCTION_LINES} == {}


def test_docstrings_begin_with_an_imperative() -> None:
    """A docstring of a function opens with "Return ..." or another plain imperative, in one form everywhere."""
    openings = {
        f"{name_of(file)}:{node.lineno}": docstring.splitlines()[0]
        for file in FILES
        for node in functions_of(file)
        if OPENINGS.match(docstring := ast.get_docstring(node) or "")
    }

    assert openings == {}


def test_words_are_those_of_the_field() -> None:
    """No file of the package contains a word that only this project would understand."""
    word = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)
    found = {name_of(file): word.findall(file.read_text(encoding="utf-8")) for file in FILES}

    assert {name: words for name, words in found.items() if words} == {}


def test_fields_are_documented_under_them() -> None:
    """No class documents a field by a comment above it, which no editor shows."""
    lines = {
        f"{name_of(file)}:{node.lineno}"
        for file in ALL_FILES
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.ClassDef) and "#: " in (ast.get_source_segment(file.read_text("utf-8"), node) or "")
    }

    assert lines == set()


@pytest.mark.parametrize(("mark", "form"), [("noqa", NOQA), ("type: ignore", TYPE_IGNORE)])
def test_exceptions_have_their_reason_in_one_form(mark: str, form: re.Pattern[str]) -> None:
    """Every exception to a rule has a reason on its line, after the rule and a dash, or a second ``#`` for mypy."""
    lines = {f"{name_of(file)}:{number}": line for file in ALL_FILES for number, line in comments_of(file, mark)}

    assert {place: line.strip() for place, line in lines.items() if not form.search(line)} == {}


def test_a_test_says_what_it_proves() -> None:
    """Every test has a docstring."""
    tests = {
        f"{name_of(file)}:{node.lineno}": ast.get_docstring(node)
        for file in TESTS
        for node in functions_of(file)
        if node.name.startswith("test_")
    }

    assert {place for place, docstring in tests.items() if not docstring} == set()


def test_no_test_imports_another() -> None:
    """Tests share helpers through ``tests/support`` and fixtures only, and no two test modules have one name."""
    names = [file.stem for file in TESTS if file.name != "__init__.py"]
    imported = {
        f"{name_of(file)}: {name}"
        for file in TESTS
        for node in ast.walk(tree_of(file))
        if isinstance(node, ast.ImportFrom)
        for name in [(node.module or "").rpartition(".")[2]]
        if name.startswith("test_")
    }

    assert imported == set()
    assert len(names) == len(set(names))
