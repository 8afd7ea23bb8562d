"""Queries as text and back, so that a job can be gone on with by another process."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import evolve, fields

from capledger.queries import CustomerLedgerQuery, GroupLedgerQuery, LedgerQuery, OrgScope

if TYPE_CHECKING:
    from collections.abc import Callable

_KINDS: Final[dict[str, type[LedgerQuery]]] = {"customer": CustomerLedgerQuery, "group": GroupLedgerQuery}
#: What stands in a customer's own row.
_OWN: Final = ("identifier_name", "identifier_value", "source", "account_id")


@cache
def _shared_names(kind: Any) -> tuple[str, ...]:  # noqa: ANN401  (a class of queries)
    return tuple(item.name for item in fields(kind) if item.name not in _OWN)


@cache
def _shared_values(kind: Any) -> Callable[[LedgerQuery], tuple[object, ...]]:  # noqa: ANN401  (a class of queries)
    return attrgetter(*_shared_names(kind))


class Templates:
    """The texts of what many queries share; each is made once."""

    def __init__(self) -> None:
        self._texts: dict[tuple[object, ...], str] = {}

    def text(self, query: LedgerQuery) -> str:
        """Give everything of a query but whom it is about, as JSON."""
        kind: Any = type(query)
        key = (kind, *_shared_values(kind)(query))
        if key not in self._texts:
            self._texts[key] = _text(query)
        return self._texts[key]


def _text(query: LedgerQuery) -> str:
    kind = next(name for name, of in _KINDS.items() if of is type(query))
    kind_of: Any = type(query)
    defaults = {item.name: item.default for item in fields(kind_of)}
    values = {name: getattr(query, name) for name in _shared_names(kind_of)}
    given = {name: _plain(value) for name, value in values.items() if value != defaults[name]}
    return msgspec.json.encode({"kind": kind, **given}, order="sorted").decode()


def _plain(value: object) -> object:
    if isinstance(value, OrgScope):
        return [value.data_scope, list(value.org_ids)]
    return value.isoformat() if isinstance(value, datetime) else value


def read_template(text: str) -> dict[str, Any]:
    """Give the keywords of a template, and its kind."""
    keywords: dict[str, Any] = msgspec.json.decode(text)
    for name in ("start", "end"):
        if keywords.get(name) is not None:
            keywords[name] = datetime.fromisoformat(keywords[name])
    if keywords.get("scope") is not None:
        data_scope, org_ids = keywords["scope"]
        keywords["scope"] = OrgScope(data_scope, org_ids)
    return keywords


def make_query(keywords: dict[str, Any], *own: object) -> LedgerQuery:
    """Make a query of a template's keywords and a customer's own values."""
    values: dict[str, Any] = {**keywords, **dict(zip(_OWN, own, strict=True))}
    return _KINDS[values.pop("kind")](**values)


def with_end(query: LedgerQuery, end: datetime) -> LedgerQuery:
    """Give the query with an end, if it has none."""
    return query if query.end is not None else evolve(query, end=end)
