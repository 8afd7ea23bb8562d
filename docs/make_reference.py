"""Writes ``reference.md`` from the code: ``python docs/make_reference.py``. A test fails when the page is stale."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import fields, frozen

from capledger import CustomerLedgerQuery, EventDetailsQuery, EventFlags, GroupLedgerQuery, errors, models
from capledger.models import _fields as wire
from capledger.models._fields import camel_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from attrs import Attribute

PAGE = Path(__file__).with_name("reference.md")

V2, V21, EXPLODE, NEWER = "v2 ledger", "v2.1 ledger", "explode", "newer"

#: Parameters that are not the keyword in the API's spelling.
IRREGULAR = {
    "page_size": "`limit`",
    "start": "`startDate`",
    "end": "`endDate`",
    "order": "`order`",
    "scope": "headers `DATA-SCOPE`, `DATA-SCOPE-ORG`; path `/v2.1`",
    "api_version": "path `/v2` or `/v2.1`",
    "get_payment_modes": "`getPaymentModes` (v2), `getPaymentMode` (v2.1)",
}
IRREGULAR_IN_GROUPS = {"order": "`sort`, `order`", "roles": "`role`, `roles`"}

ONLY_V2 = {"tillIds", "storeId", "storeCode", "excludePointCategories"}
ONLY_NEWER = {"includeConceptDetails", "order", "type", "isPrimaryUser", "excludeEvents", "eventFilter", "roles"}
GROUPS_V2 = {"type", "tillId", *ONLY_V2}
GROUPS_UNDOCUMENTED = {"accountId", "start", "end"}

#: Where the fields of a module's models are documented, and the models that are documented elsewhere.
DOCUMENTS_OF_MODULES = {
    "page": f"{V2}, {V21}",
    "ledger": f"{V2}, {V21}",
    "report": "",
    "events": f"{EXPLODE}, {NEWER}",
    "event_parts": NEWER,
    "bills": NEWER,
    "points": NEWER,
}
DOCUMENTS_OF_MODELS = {
    "ClosingBalance": f"{V21}, balance",
    "EventDetails": f"{EXPLODE}, {NEWER}",
    "EventsPage": EXPLODE,
    "Notice": f"{EXPLODE}, {NEWER}",
}

ERRORS_TAIL = """\
The codes are those of the *error codes* documents. Any other code raises a plain `ApiError`, with the code, the
service's message, the HTTP status and the request id as fields. 11003 ("no ledger entries") is an empty answer and
raises nothing.
"""

HEAD = """\
# Reference

Made from the code by `python docs/make_reference.py`; a test keeps the two equal.

The *Document* column says where a fact comes from:

| Name | Document |
|---|---|
| v2 ledger | the page of `GET /v2/pointsLedger/getCustomerLedgerInfo` |
| v2.1 ledger | the page of `GET /v2.1/pointsLedger/getCustomerLedgerInfo` (connected organisations) |
| explode | the page of `GET /v2.1/pointsLedger/getLedgerExplodeInfo` |
| newer | the 2026 pages of the same endpoints and their OpenAPI descriptions |
| balance | the page of `getCustomerLedgerBalance`, a sibling |
| error codes | the vendor's index of points-ledger codes, and the three pages above |
"""


@frozen
class Note:
    """What the source says of a field: its type as written, and the ``#:`` comment above it."""

    type: str
    text: str


def notes_of(model: type) -> dict[str, Note]:
    """The notes of a class and of those it inherits from, by field."""
    notes: dict[str, Note] = {}
    for parent in reversed(model.__mro__[:-1]):
        notes |= dict(_own_notes(parent)) if parent.__module__.startswith("capledger") else {}
    return notes


def _own_notes(model: type) -> Iterator[tuple[str, Note]]:
    lines = inspect.getsource(inspect.getmodule(model) or model).splitlines()
    tree = ast.parse("\n".join(lines))
    (definition,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == model.__name__)
    for node in definition.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, Note(ast.unparse(node.annotation), _comment_above(lines, node.lineno - 1))


def _comment_above(lines: list[str], index: int) -> str:
    words: list[str] = []
    while lines[index - 1].lstrip().startswith("#:"):
        index -= 1
        words.insert(0, lines[index].lstrip().removeprefix("#:").strip())
    return " ".join(words)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of Markdown."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def plain(text: str) -> str:
    """A docstring's text without the marks of Sphinx, on one line."""
    text = re.sub(r":[a-z]+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
    return " ".join(text.replace("``", "`").split())


def summary(value: type) -> str:
    """The first paragraph of a docstring."""
    return plain((inspect.getdoc(value) or "").split("\n\n")[0])


def parameters(query: type, documents: dict[str, str], irregular: dict[str, str]) -> str:
    """The table of a query's keywords."""
    rows = (
        (
            f"`{name}`",
            irregular.get(name, f"`{camel_case(name)}`"),
            f"`{note.type}`",
            plain(note.text),
            documents[name],
        )
        for name, note in notes_of(query).items()
        if name in documents
    )
    return table(("Keyword", "Parameter", "Type", "Meaning", "Document"), rows)


def _customer_documents() -> dict[str, str]:
    keywords = {item.name: camel_case(item.name) for item in fields(CustomerLedgerQuery)}
    return {
        name: V2 if parameter in ONLY_V2 else NEWER if parameter in ONLY_NEWER else f"{V2}, {V21}"
        for name, parameter in keywords.items()
    } | {"scope": V21}


def _group_documents() -> dict[str, str]:
    keywords = {item.name: camel_case(item.name) for item in fields(GroupLedgerQuery)}
    return {
        name: "none for groups"
        if parameter in GROUPS_UNDOCUMENTED
        else V2
        if parameter in GROUPS_V2
        else f"{V2}, {V21}"
        for name, parameter in keywords.items()
    } | {"scope": V21, "include_alternate_currencies": V21, "roles": f"{V21}, {NEWER}", "order": f"{V2}, {NEWER}"}


def queries() -> Iterator[str]:
    """The sections on what can be asked."""
    group_irregular = IRREGULAR | IRREGULAR_IN_GROUPS
    event_documents = dict.fromkeys((item.name for item in fields(EventDetailsQuery)), EXPLODE)
    event_documents |= dict.fromkeys(("api_version", "get_payment_modes"), f"{EXPLODE}, {NEWER}")
    for query, documents, irregular in (
        (CustomerLedgerQuery, _customer_documents(), IRREGULAR),
        (GroupLedgerQuery, _group_documents(), group_irregular),
        (EventDetailsQuery, event_documents, IRREGULAR),
        (EventFlags, event_documents, IRREGULAR),
    ):
        yield f"### {query.__name__}\n\n{summary(query)}\n\n{parameters(query, documents, irregular)}"


def answers() -> Iterator[str]:
    """The sections on what comes back."""
    for model in sorted((getattr(models, name) for name in models.__all__), key=_place):
        notes = notes_of(model)
        rows = [
            (
                f"`{item.name}`",
                _keys(model, item),
                f"`{notes[item.name].type}`",
                plain(notes[item.name].text),
                _document(model, item),
            )
            for item in wire.model_fields(model)
        ]
        fields_table = table(("Field", "Key", "Type", "Meaning", "Document"), rows)
        yield f"### {model.__name__}\n\n{summary(model)}\n\n{fields_table}"


def _place(model: type) -> tuple[int, int]:
    """Pages and ledgers come first, then events and what they hold; each module in its own order."""
    module = model.__module__.rpartition(".")[2]
    return (list(DOCUMENTS_OF_MODULES).index(module), inspect.getsourcelines(model)[1])


def _keys(model: type, item: Attribute[Any]) -> str:
    return "" if _is_ours(model, item) else ", ".join(f"`{key}`" for key in wire.json_keys(item))


def _is_ours(model: type, item: Attribute[Any]) -> bool:
    return wire.wire_options(item).sdk_only or model is models.WalkReport


def _document(model: type, item: Attribute[Any]) -> str:
    if _is_ours(model, item):
        return ""
    if item.name.endswith(wire.ISO_SUFFIX) or item.name.startswith("concept_"):
        return NEWER
    return DOCUMENTS_OF_MODELS.get(model.__name__) or DOCUMENTS_OF_MODULES[model.__module__.rpartition(".")[2]]


def refusals() -> Iterator[str]:
    """The sections on errors: the tree, then the codes."""
    tree = inspect.cleandoc(errors.__doc__ or "").partition("::\n\n")[2].split("\n\n")[0]
    yield f"```text\n{inspect.cleandoc(tree)}\n```\n"
    codes: dict[type, list[str]] = {}
    for code, kind in sorted(errors.ERROR_CLASSES.items()):
        codes.setdefault(kind, []).append(str(code))
    rows = ((f"`{kind.__name__}`", ", ".join(own), _without_codes(summary(kind))) for kind, own in codes.items())
    yield table(("Class", "Codes", "Meaning"), rows)
    yield ERRORS_TAIL


def _without_codes(text: str) -> str:
    text = re.sub(r"^[\d, to]+: ", "", text)
    return text[0].upper() + text[1:]


def reference() -> str:
    """The whole page."""
    parts = [HEAD, "## What can be asked\n", *queries(), "## What comes back\n", *answers(), "## Errors\n", *refusals()]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
