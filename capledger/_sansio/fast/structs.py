"""msgspec Structs generated from models: the keys on the wire, and the types of common responses."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final, get_args

import msgspec
from attrs import NOTHING, has

from capledger.models._fields import ISO_SUFFIX, container_and_item, iso_twin, json_key, json_keys, response_fields

if TYPE_CHECKING:
    from attrs import Attribute, AttrsInstance

#: Dates have no zone, except the ISO twins.
_LOCAL: Final[Any] = Annotated[datetime, msgspec.Meta(tz=False)]
_AWARE: Final[Any] = Annotated[datetime, msgspec.Meta(tz=True)]


@cache
def wire_struct(model: type[AttrsInstance]) -> type[msgspec.Struct]:
    """Return the Struct that a model is decoded into; what is missing is None."""
    required: list[tuple[str, Any]] = []
    optional: list[tuple[str, Any, None]] = []
    for attribute in response_fields(model):
        kind = _kind(attribute)
        if attribute.default is NOTHING and iso_twin(model, attribute) is None:
            required.append((json_key(attribute), kind))
        else:
            optional += [(key, kind | None, None) for key in json_keys(attribute)]
    # Structs live only until they are copied, so the garbage collector need not track them
    return msgspec.defstruct(model.__name__, [*required, *optional], gc=False)


def _kind(attribute: Attribute[Any]) -> Any:  # noqa: ANN401 - a type expression has no type of its own
    container, item = container_and_item(attribute.type)
    if has(item):
        kind: Any = wire_struct(item)
    elif item is datetime:
        kind = _AWARE if attribute.name.endswith(ISO_SUFFIX) else _LOCAL
    else:
        kind = str if item is object else item
    if container is None:
        return kind
    in_list = get_args(attribute.type)[-1]
    return container[kind if in_list is item else kind | None] if container is list else dict[str, kind]
