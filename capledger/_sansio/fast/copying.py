"""Functions that copy a Struct into its model, generated as Python source as attrs generates an ``__init__``.

Measured to matter, in this order: attributes set on a bare instance rather than passed to ``__init__``, nested models
copied inline rather than by a call, a zone attached by adding to a date that has it (``replace`` takes seven times as
long), lists of Structs converted in place, bare instances made by a partial of ``object.__new__``.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final

from attrs import NOTHING, has

from capledger.models._fields import (
    ISO_SUFFIX,
    container_and_item,
    iso_twin,
    json_key,
    json_keys,
    model_fields,
    response_fields,
    wire_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from attrs import Attribute, AttrsInstance

#: Dates without a zone are measured from this one; the difference is then added to the same date in the zone.
ORIGIN: Final = datetime(2000, 1, 1)


@cache
def copier(model: type[AttrsInstance]) -> Callable[[Any, Any], Any]:
    """Return the function from a Struct to its model; its second argument is :data:`ORIGIN` in the zone."""
    source = CopySource(model)
    exec(compile(source.text, f"<copy of {model.__name__}>", "exec"), source.names)  # noqa: S102 - generated source
    function: Callable[[Any, Any], Any] = source.names["copy"]
    return function


class CopySource:
    """Source of one copying function, and the names that it refers to."""

    def __init__(self, model: type[AttrsInstance]) -> None:
        self.names: dict[str, Any] = {"ORIGIN": ORIGIN}
        self._locals = 0
        lines = list(self._fill(model, "made", "wire"))
        bound = ", ".join(f"{name}={name}" for name in self.names)  # as defaults they are local names
        head = f"def copy(wire, zoned, *, {bound}):"
        self.text = "\n".join([head, "    seen = aware = None", *_indent(lines), "    return made"])

    def _fill(self, model: type[AttrsInstance], made: str, wire: str) -> Iterator[str]:
        """Yield lines that create ``made``, an instance of the model, from ``wire``."""
        new = f"new_{model.__name__}"
        self.names[new] = partial(object.__new__, model)
        yield f"{made} = {new}()"
        for attribute in model_fields(model):
            if wire_options(attribute).sdk_only:
                yield f"{made}.{attribute.name} = {attribute.default!r}"
            else:
                yield from self._set(model, attribute, made, wire)

    def _set(self, model: type[AttrsInstance], attribute: Attribute[Any], made: str, wire: str) -> Iterator[str]:
        """Yield lines that set one attribute, through a local name where the value is converted."""
        value, source = self._local("value"), f"{wire}.{json_key(attribute)}"
        conversion = list(self._convert(model, attribute, value, wire))
        if conversion:
            yield f"{value} = {source}"
            yield from conversion
        yield f"{made}.{attribute.name} = {value if conversion else source}"

    def _convert(self, model: type[AttrsInstance], attribute: Attribute[Any], value: str, wire: str) -> Iterator[str]:
        """Yield lines that convert a value from the wire, in place."""
        container, item = container_and_item(attribute.type)
        for alias in wire_options(attribute).aliases:
            yield from _when(f"{value} is None", [f"{value} = {wire}.{alias}"])
        if container is not None:
            yield from self._items(container, item, value)
        elif attribute.default not in {None, NOTHING}:
            yield from _when(f"{value} is None", [f"{value} = {attribute.default!r}"])
        elif has(item):
            yield from self._part(item, value)
        elif item is Decimal:
            yield from _when(f"{value} is not None and not {value}.is_finite()", ["raise ValueError"])
        elif item is datetime:
            yield from _date(model, attribute, value, wire)

    def _items(self, container: type, item: Any, value: str) -> Iterator[str]:  # noqa: ANN401 - a type expression
        """Yield lines that convert or check the items of a list or dict; null becomes an empty one."""
        yield from _when(f"not {value}", [f"{value} = {container()!r}"])
        key, part, made = (self._local(name) for name in ("key", "part", "made"))
        if item is Decimal:
            body = _when(f"not {part}.is_finite()", ["raise ValueError"])
        elif has(item):
            body = _when(f"{part} is not None", [*self._fill(item, made, part), f"{value}[{key}] = {made}"])
        else:
            return
        each = f"enumerate({value})" if container is list else f"{value}.items()"
        yield "else:"
        yield from _indent([f"for {key}, {part} in {each}:", *_indent(body)])

    def _part(self, model: type[AttrsInstance], value: str) -> Iterator[str]:
        """Yield lines that convert a Struct into its model, or into None where it is empty."""
        made = self._local("made")
        yield f"if {value} is not None:"
        yield from _indent(_when(" and ".join(_blank_conditions(model, value)), [f"{value} = None"]))
        yield "    else:"
        yield from _indent(_indent([*self._fill(model, made, value), f"{value} = {made}"]))

    def _local(self, name: str) -> str:
        self._locals += 1
        return f"{name}{self._locals}"


def _blank_conditions(model: type[AttrsInstance], wire: str) -> Iterator[str]:
    for attribute in response_fields(model):
        for key in json_keys(attribute):
            yield f"not {wire}.{key}" if wire_options(attribute).zero_is_empty else f"{wire}.{key} is None"


def _date(model: type[AttrsInstance], attribute: Attribute[Any], value: str, wire: str) -> Iterator[str]:
    """Yield lines that use the ISO twin, or attach the zone; a required date must have one or the other.

    The dates of an entry are mostly equal: the bill's date is the event's, or the entry's own.
    """
    if attribute.name.endswith(ISO_SUFFIX):
        return
    word = "if"
    if twin := iso_twin(model, attribute):
        yield from _when(f"{wire}.{json_key(twin)} is not None", [f"{value} = {wire}.{json_key(twin)}"])
        word = "elif"
    yield f"{word} {value} is not None:"
    yield f"    if {value} != seen:"
    yield f"        seen, aware = {value}, zoned + ({value} - ORIGIN)"
    yield f"    {value} = aware"
    if attribute.default is NOTHING:
        yield "else:"
        yield "    raise ValueError"


def _when(condition: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"if {condition}:"
    yield from _indent(lines)


def _indent(lines: Iterable[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)
