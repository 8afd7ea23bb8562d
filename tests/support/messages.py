"""Every message that the source can print or raise, collected from its syntax trees."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import capledger

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(capledger.__file__).parent
#: Calls whose first argument is a message, beside those of exceptions, and calls with a message in second place.
_FIRST = frozenset({"print_message", "BadParameter", "exit"})
_SECOND = frozenset({"exit_with", "Contradiction"})
#: Calls with texts that are no messages: help and tables.
_TEXTS = frozenset(
    {"Option", "Argument", "Typer", "epilog", "paragraph", "TableColumn", "CheckedItem", "compile", "execute"}
)
#: Exceptions that no caller sees as they are, since others are raised for them.
_INTERNAL = frozenset(
    {
        "AttributeError",
        "CancelledError",
        "KeyError",
        "MalformedJsonError",
        "NotADateError",
        "NotJsonError",
        "RuntimeError",
        "TypeError",
        "UnexpectedError",
        "ValueError",
        "ZoneNeededError",
    }
)
_LETTERS = re.compile(r"[a-z]{3}")
_SENTENCE = re.compile(r"(?!.*[|\\])[a-z…;$ ].*[a-z]{2,}[,;:]? \S*[a-z…]")


def read_messages() -> dict[str, str]:
    """Return each message with the place that has it; what varies in a message is ``…``."""
    found: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE)
        if name.parts[0] != "sandbox":  # whose messages are those of a service
            tree = ast.parse(path.read_text(encoding="utf-8"))
            found.update((text.removeprefix("capledger: "), f"{name}:{line}") for line, text in _messages_of(tree))
    return found


def _messages_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the messages of a module: of calls, and all its sentences where the message of a call is a variable."""
    calls = [(call.lineno, text) for call in ast.walk(tree) if isinstance(call, ast.Call) for text in _texts_of(call)]
    yield from ((line, text) for line, text in calls if _LETTERS.search(text))
    if not all(_LETTERS.search(text) for _, text in calls):
        yield from _sentences_of(tree)


def _texts_of(call: ast.Call) -> list[str]:
    """Return the strings of a call that are messages, or what follows a message."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in _SECOND:
        return [_template(item) for item in call.args[1:]]
    if name in _FIRST or (name.endswith("Error") and name not in _INTERNAL):
        return [_template(item) for item in call.args[:1]]
    return []


def _sentences_of(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield all strings of a module that are sentences, apart from documentation."""
    nodes = list(ast.walk(tree))
    skipped = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
    skipped |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    skipped |= {id(part) for node in nodes if _is_text(node) for part in ast.walk(node)}
    for node in nodes:
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in skipped:
            text = _template(node)
            if _SENTENCE.match(text) and "\n" not in text:
                yield node.lineno, text


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in _TEXTS


def _template(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(_template, parts))
        case ast.BinOp(left=left, right=right):
            return _template(left) + _template(right)
    return "…"
