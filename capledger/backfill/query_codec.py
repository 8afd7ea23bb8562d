"""Queries as strings and back, so that another process can continue a job."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import fields

from capledger.queries import CustomerLedgerQuery, GroupLedgerQuery, LedgerQuery, OrgScope
from capledger.queries.subject import with_changes

if TYPE_CHECKING:
    from collections.abc import Callable

_KINDS: Final[dict[str, type[LedgerQuery]]] = {"customer": CustomerLedgerQuery, "group": GroupLedgerQuery}
#: The fields that stand in a customer's own row.
_OWN_FIELDS: Final = ("identifier_name", "identifier_value", "source", "account_id")


@cache
def _shared_fields(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - a class of queries
    return tuple(item.name for item in fields(kind) if item.name not in _OWN_FIELDS)


@cache
def _shared_values(kind: Any) -> Callable[[LedgerQuery], tuple[object, ...]]:  # noqa: ANN401 - a class of queries
    return attrgetter(*_shared_fields(kind))


class TemplateEncoder:
    """Encodes what many queries share; each template is encoded once."""

    def __init__(self) -> None:
        self._encoded: dict[tuple[object, ...], str] = {}

    def encode(self, query: LedgerQuery) -> str:
        """Return everything in a query except whom it is about, as JSON."""
        kind: Any = type(query)
        key = (kind, *_shared_values(kind)(query))
        if key not in self._encoded:
            self._encoded[key] = _encode(query)
        return self._encoded[key]


def _encode(query: LedgerQuery) -> str:
    kind: Any = type(query)
    name = next(name for name, known in _KINDS.items() if known is kind)
    defaults = {item.name: item.default for item in fields(kind)}
    values = {name: getattr(query, name) for name in _shared_fields(kind)}
    changed = {name: _to_json(value) for name, value in values.items() if value != defaults[name]}
    return msgspec.json.encode({"kind": name, **changed}, order="sorted").decode()


def _to_json(value: object) -> object:
    if isinstance(value, OrgScope):
        return [value.data_scope, list(value.org_ids)]
    return value.isoformat() if isinstance(value, datetime) else value


def decode_template(encoded: str) -> dict[str, Any]:
    """Return the keyword arguments of a template, and its kind."""
    keywords: dict[str, Any] = msgspec.json.decode(encoded)
    for name in ("start", "end"):
        if keywords.get(name) is not None:
            keywords[name] = datetime.fromisoformat(keywords[name])
    if keywords.get("scope") is not None:
        data_scope, org_ids = keywords["scope"]
        keywords["scope"] = OrgScope(data_scope, org_ids)
    return keywords


def make_query(keywords: dict[str, Any], *own: object) -> LedgerQuery:
    """Return a query made of a template's keyword arguments and a customer's own values."""
    values: dict[str, Any] = {**keywords, **dict(zip(_OWN_FIELDS, own, strict=True))}
    return _KINDS[values.pop("kind")](**values)


def with_end(query: LedgerQuery, end: datetime) -> LedgerQuery:
    """Return the query with an end, if it has none."""
    return query if query.end is not None else with_changes(query, {"end": end})
