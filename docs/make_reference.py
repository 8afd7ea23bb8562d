"""Write ``reference.md`` from the code: ``python docs/make_reference.py``. A test fails when the page is stale."""

from __future__ import annotations

import ast
import inspect
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import fields, frozen

from capledger import (
    BalanceQuery,
    CustomerLedgerQuery,
    EventDetailsQuery,
    EventFlags,
    GroupLedgerQuery,
    books,
    errors,
    models,
)
from capledger.models import _fields as wire
from capledger.models._fields import camel_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from attrs import Attribute

PAGE = Path(__file__).with_name("reference.md")

#: Modules of models, in the order of the page.
MODULES = ("page", "ledger", "report", "events", "event_parts", "bills", "points")

#: Parameters that are not the keyword in the API's spelling.
IRREGULAR = {
    "page_size": "`limit`",
    "start": "`startDate`",
    "end": "`endDate`",
    "order": "`order`",
    "at": "`endDate`",
    "scope": "headers `DATA-SCOPE`, `DATA-SCOPE-ORG`; path `/v2.1`",
    "api_version": "path `/v2` or `/v2.1`",
    "get_payment_modes": "`getPaymentModes` (v2), `getPaymentMode` (v2.1)",
}
IRREGULAR_IN_GROUPS = {"order": "`sort`, `order`", "roles": "`role`, `roles`"}

#: Sources of the parameters of groups that differ from those of customers.
SOURCES_IN_GROUPS = {
    "account_id": "none",
    "start": "none",
    "end": "none",
    "till_id": "v2 ledger",
    "order": "v2 ledger and 2026",
    "roles": "v2.1 ledger and 2026",
    "include_alternate_currencies": "v2.1 ledger",
}

ERRORS_TAIL = """\
The codes are from the *error codes* page. Any other code raises a plain `ApiError`, with the code, the service's
message, the HTTP status and the request id as fields. 11003 ("no ledger entries") is an empty response and raises
nothing.
"""

HEAD = """\
# Parameters, fields and errors

What can be sent and what is received: every parameter, field and error, with the page of the vendor that documents it.

Keywords and fields have the names of the API in snake_case:

```python
from capledger import CustomerLedgerQuery

query = CustomerLedgerQuery.mobile("917406401004", include_alternate_currencies=True, ledger_entry_type="DEBIT")
entry = await anext(session.entries(query))
print(entry.event_log_id, entry.net_points_on_event, entry.entry_details[0].ledger_entry_type)
```

Generated from the code by `python docs/make_reference.py`; a test compares the two.

The *Source* column names the vendor's pages that document a field:

| Source | Page |
|---|---|
| v2 ledger | the page of `GET /v2/pointsLedger/getCustomerLedgerInfo` |
| v2.1 ledger | the page of `GET /v2.1/pointsLedger/getCustomerLedgerInfo` (connected organisations) |
| explode | the page of `GET /v2.1/pointsLedger/getLedgerExplodeInfo` |
| 2026 | the 2026 pages of the same endpoints and their OpenAPI descriptions |
| balance | the page of `GET /v2/pointsLedger/getCustomerLedgerBalance` |
| error codes | the vendor's index of points-ledger codes, and the first three pages above |
"""


@frozen
class FieldDoc:
    """What the source code says of a field."""

    type: str
    """The annotation as written."""
    meaning: str
    """The docstring under the field, without its source."""
    source: str
    """The pages in parentheses at the end of the docstring's first paragraph, or an empty string."""


def field_docs(model: type) -> dict[str, FieldDoc]:
    """Return the documentation of the fields of a class, inherited ones included, by name."""
    docs: dict[str, FieldDoc] = {}
    for parent in reversed(model.__mro__[:-1]):
        if parent.__module__.startswith("capledger"):
            docs |= dict(_own_field_docs(parent))
    return docs


def _own_field_docs(model: type) -> Iterator[tuple[str, FieldDoc]]:
    module = inspect.getmodule(model)
    assert module is not None  # noqa: S101 - for the type checker
    body = _class_bodies(inspect.getsource(module))[model.__name__]
    for statement, following in zip(body, [*body[1:], ast.Pass()], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            yield statement.target.id, _field_doc(ast.unparse(statement.annotation), _docstring(following))


@cache
def _class_bodies(source: str) -> dict[str, list[ast.stmt]]:
    return {node.name: node.body for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}


def _docstring(statement: ast.stmt) -> str:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(docstring))):
            return inspect.cleandoc(docstring)
    return ""


def _field_doc(annotation: str, docstring: str) -> FieldDoc:
    first, *others = docstring.split("\n\n")
    match = re.search(r"\s*\(([^()]+) pages?\)\.$", first)
    if match is None:
        return FieldDoc(annotation, plain(docstring), "")
    return FieldDoc(annotation, plain("\n".join([f"{first[: match.start()]}.", *others])), match[1])


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    titles = list(head)
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def plain(docstring: str) -> str:
    """Return a docstring on one line, with the roles and literals of Sphinx as Markdown."""
    docstring = re.sub(r":[a-z]+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", docstring)
    return " ".join(docstring.replace("``", "`").split())


def summary(value: object) -> str:
    """Return the first paragraph of a docstring."""
    return plain((inspect.getdoc(value) or "").split("\n\n")[0])


def queries() -> Iterator[str]:
    """Return the sections of the queries."""
    yield query_section(CustomerLedgerQuery, IRREGULAR, {"type": "2026"})
    yield query_section(GroupLedgerQuery, IRREGULAR | IRREGULAR_IN_GROUPS, SOURCES_IN_GROUPS)
    yield query_section(EventDetailsQuery, IRREGULAR, {"type": "explode", "scope": "explode"}, everywhere="explode")
    yield query_section(BalanceQuery, IRREGULAR, {"type": "none", "scope": "none"}, everywhere="balance")
    yield query_section(EventFlags, IRREGULAR, {})


def query_section(
    query: type, irregular: dict[str, str], sources: dict[str, str], everywhere: str = "v2 and v2.1 ledger"
) -> str:
    """Return the section of one query: a table of its keywords."""
    rows = []
    for name, doc in field_docs(query).items():
        parameter = irregular.get(name, f"`{camel_case(name)}`")
        source = sources.get(name, everywhere if doc.source == "all" else doc.source)
        rows.append((f"`{name}`", parameter, f"`{doc.type}`", doc.meaning, source))
    keywords = table(("Keyword", "Parameter", "Type", "Meaning", "Source"), rows)
    return f"### {query.__name__}\n\n{summary(query)}\n\n{keywords}"


def responses() -> Iterator[str]:
    """Return the sections of the models."""
    for model in sorted((getattr(models, name) for name in models.__all__), key=_position):
        docs = field_docs(model)
        rows = [
            (f"`{item.name}`", _keys(model, item), f"`{doc.type}`", doc.meaning, doc.source)
            for item, doc in ((item, docs[item.name]) for item in fields(model))
        ]
        fields_table = table(("Field", "Key", "Type", "Meaning", "Source"), rows)
        yield f"### {model.__name__}\n\n{summary(model)}\n\n{fields_table}"


def _position(model: type) -> tuple[int, int]:
    module = model.__module__.rpartition(".")[2]
    return (MODULES.index(module), inspect.getsourcelines(model)[1])


def _keys(model: type, item: Attribute[Any]) -> str:
    if wire.wire_options(item).sdk_only or model is models.WalkReport:
        return ""
    return ", ".join(f"`{key}`" for key in wire.json_keys(item))


def book_sections() -> Iterator[str]:
    """Return the sections of ``capledger.books``: its functions, then its classes."""
    yield f"{summary(books)}\n"
    public = [getattr(books, name) for name in books.__all__]
    functions = [value for value in public if inspect.isfunction(value)]
    rows = (
        (f"`{value.__name__}({', '.join(inspect.signature(value).parameters)})`", summary(value)) for value in functions
    )
    yield table(("Function", "Result"), rows)
    for model in (value for value in public if inspect.isclass(value)):
        docs = field_docs(model)
        fields_of_model = ((f"`{name}`", f"`{doc.type}`", doc.meaning) for name, doc in docs.items())
        yield f"### {model.__name__}\n\n{summary(model)}\n\n{table(('Field', 'Type', 'Meaning'), fields_of_model)}"


def error_sections() -> Iterator[str]:
    """Return the sections of the errors: the tree, then the codes."""
    tree = inspect.cleandoc(errors.__doc__ or "").partition("::\n\n")[2].split("\n\n")[0]
    yield f"```text\n{inspect.cleandoc(tree)}\n```\n"
    codes: dict[type, list[str]] = {}
    for code, error in sorted(errors.ERROR_CLASSES.items()):
        codes.setdefault(error, []).append(str(code))
    rows = ((f"`{error.__name__}`", ", ".join(own), _without_codes(summary(error))) for error, own in codes.items())
    yield table(("Class", "Codes", "Meaning"), rows)
    yield ERRORS_TAIL


def _without_codes(docstring: str) -> str:
    docstring = re.sub(r"^[\d, to]+: ", "", docstring)
    return docstring[0].upper() + docstring[1:]


def reference() -> str:
    """Return the whole page."""
    parts = [
        HEAD,
        "## Queries\n",
        *queries(),
        "## Models\n",
        *responses(),
        "## Books\n",
        *book_sections(),
        "## Errors\n",
        *error_sections(),
    ]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
