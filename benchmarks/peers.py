"""Models for other libraries, made from ours so that all of them decode the same fields."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import orjson
import pydantic
from attrs import NOTHING, Attribute, AttrsInstance, fields, has
from cattrs.gen import make_dict_structure_fn, override
from cattrs.preconf.orjson import make_converter

from capledger import LedgerPage
from capledger.models._fields import container_and_item, json_key, response_fields


@cache
def struct_of(model: type[AttrsInstance]) -> type[msgspec.Struct]:
    """Return a msgspec Struct with the fields of a model; nothing is checked beyond its types."""
    required = [(json_key(item), _kind(item, struct_of)) for item in _required(model)]
    optional = [(json_key(item), _kind(item, struct_of) | None, None) for item in _optional(model)]
    return msgspec.defstruct(model.__name__, [*required, *optional])


@cache
def pydantic_of(model: type[AttrsInstance]) -> type[pydantic.BaseModel]:
    """Return a pydantic model with the fields of a model."""
    members: dict[str, Any] = {
        item.name: (_kind(item, pydantic_of), pydantic.Field(alias=json_key(item))) for item in _required(model)
    }
    for item in _optional(model):
        members[item.name] = (_kind(item, pydantic_of) | None, pydantic.Field(None, alias=json_key(item)))
    return pydantic.create_model(model.__name__, **members)


def cattrs_reader() -> Any:  # noqa: ANN401 - a function from bytes to whatever its hooks make
    """Return a function that reads our models with orjson and cattrs, with the hooks one would write by hand."""
    converter = make_converter()
    converter.register_structure_hook(Decimal, lambda value, _: Decimal(str(value)))
    converter.register_structure_hook(datetime, lambda value, _: datetime.fromisoformat(value).replace(tzinfo=UTC))
    converter.register_structure_hook_factory(
        has,
        lambda model: make_dict_structure_fn(
            model,
            converter,
            **{  # type: ignore[arg-type]  # may name an option
                item.name: override(rename=json_key(item)) for item in fields(model)
            },
        ),
    )
    return lambda body: converter.structure(orjson.loads(body), LedgerPage)


def _required(model: type[AttrsInstance]) -> list[Attribute[Any]]:
    return [item for item in response_fields(model) if item.default is NOTHING]


def _optional(model: type[AttrsInstance]) -> list[Attribute[Any]]:
    return [item for item in response_fields(model) if item.default is not NOTHING]


def _kind(item: Attribute[Any], part: Any) -> Any:  # noqa: ANN401 - type expressions
    container, inner = container_and_item(item.type)
    kind: Any = part(inner) if has(inner) else inner
    if container is None:
        return kind
    return list[kind] if container is list else dict[str, kind]
