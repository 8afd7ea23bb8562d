"""The tolerant decoder, from parsed JSON to models: slow, lenient about spelling, strict about meaning.

It accepts beyond the documented types: an integer as a string, a reference as a number, a null or missing list, and the
dates of :mod:`~capledger._sansio.dates`. It never makes an integer of true or 12.9, a string of null, a boolean of a
string, or a float of anything. A problem is described by its path, never by its value, which can be personal.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, TypeVar, get_origin

from attrs import frozen, has
from cattrs import BaseValidationError, ClassValidationError, Converter, IterableValidationError
from cattrs.cols import list_structure_factory, mapping_structure_factory
from cattrs.gen import make_dict_structure_fn, override

from capledger._sansio.dates import ZONE_NEEDED, NotADateError, ZoneNeededError, read_date
from capledger.errors import ConfigurationError
from capledger.models._fields import (
    json_key,
    json_keys,
    model_fields,
    optional_model,
    response_fields,
    value_keys,
    wire_options,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import tzinfo

    from attrs import Attribute, AttrsInstance
    from cattrs.gen._consts import AttributeOverride

T = TypeVar("T", bound="AttrsInstance")

_INTEGER: Final = re.compile(r"[+-]?\d{1,4000}", re.ASCII)
#: Digits of ASCII alone: ``Decimal`` accepts underscores and the digits of all scripts.
_AMOUNT: Final = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*", re.ASCII)
_PLAIN_KEY: Final = re.compile(r"\w+", re.ASCII)

_KINDS: Final[dict[type, str]] = {
    int: "an integer",
    Decimal: "a number with a fraction",
    str: "a string",
    list: "a list",
    dict: "an object",
}


class UnexpectedError(ValueError):
    """A value is not of the documented type; the message names the expected and the received type."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(f"expected {expected}, got {kind(value)}")


def kind(value: object) -> str:
    """Return the kind of a JSON value, without the value."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Decimal) and not value.is_finite():
        return "a number that is not finite"
    return next(name for kind_of, name in _KINDS.items() if isinstance(value, kind_of))


class TolerantDecoder:
    """Decodes the documents of one session; ``zone`` is the server's, for dates without one."""

    def __init__(self, zone: tzinfo | None) -> None:
        self._converter = _make_converter(zone)

    def decode(self, model: type[T], document: object) -> tuple[T | None, list[str]]:
        """Return the model in a document, or None and the problems of the document.

        A problem is a path and what is wrong there: ``$.ledgerEntries[3].eventLogId: expected an integer, got true``.

        Raises:
            ConfigurationError: the document has a date without a zone, and none is known.
        """
        try:
            return self._converter.structure(document, model), []
        except (BaseValidationError, UnexpectedError) as error:
            found = list(_problems(error))
        except RecursionError:
            return None, ["$: nested too deeply"]
        if any(isinstance(error, ZoneNeededError) for _, error in found):
            raise ConfigurationError(ZONE_NEEDED)
        return None, [_describe(path, error) for path, error in found]


def _make_converter(zone: tzinfo | None) -> Converter:
    converter = Converter(detailed_validation=True)
    converter.register_structure_hook_func(lambda of: of is object, lambda value, _: _any_json(value))
    converter.register_structure_hook(bool, lambda value, _: _boolean(value))
    converter.register_structure_hook(int, lambda value, _: _integer(value))
    converter.register_structure_hook(str, lambda value, _: _string(value))
    converter.register_structure_hook(Decimal, lambda value, _: _decimal(value))
    converter.register_structure_hook(datetime, lambda value, _: _date(value, zone))
    converter.register_structure_hook_factory(has, lambda model: _model_hook(model, converter))
    converter.register_structure_hook_factory(_is_list, lambda of: _list_hook(of, converter))
    converter.register_structure_hook_factory(_is_dict, lambda of: _dict_hook(of, converter))
    return converter


def _problems(error: Exception, path: str = "$") -> Iterator[tuple[str, Exception]]:
    """Yield path and error of each problem, in the order of the response."""
    if isinstance(error, ClassValidationError):
        names = {attribute.name: json_key(attribute) for attribute in response_fields(error.cl)}
        for cause, note in error.group_exceptions()[0]:
            yield from _problems(cause, path + _step(names[note.name]))
    elif isinstance(error, IterableValidationError):
        for cause, item in error.group_exceptions()[0]:
            yield from _problems(cause, path + _step(item.index))
    else:
        yield path, error


def _describe(path: str, error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"{path}: missing"
    return f"{path}: {error}" if isinstance(error, UnexpectedError) else f"{path}: cannot be decoded"


def _step(key: int | str) -> str:
    return f".{key}" if isinstance(key, str) and _PLAIN_KEY.fullmatch(key) else f"[{key!r}]"


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise UnexpectedError("true or false", value)


def _integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    raise UnexpectedError("an integer", value)


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise UnexpectedError("a string", value)
    return value


def _reference(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _string(value)


def _any_json(value: object) -> object:
    """Return a JSON value unchanged; refuse numbers that are not finite."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        _any_json(part)
    return _decimal(value) if isinstance(value, Decimal) else value


def _decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise UnexpectedError("a decimal number", value)
    if isinstance(value, str) and not _AMOUNT.fullmatch(value):
        raise UnexpectedError("a decimal number", value)
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise UnexpectedError("a decimal number", value)
    return number


def _date(value: object, zone: tzinfo | None) -> datetime:
    if not isinstance(value, str):
        raise UnexpectedError("a date", value)
    try:
        return read_date(value, zone)
    except NotADateError:
        raise UnexpectedError("a date", value) from None


def _is_list(of: Any) -> bool:  # noqa: ANN401 - a type expression, which has no type of its own
    return get_origin(of) is list


def _is_dict(of: Any) -> bool:  # noqa: ANN401 - a type expression, which has no type of its own
    return get_origin(of) is dict


def _list_hook(of: Any, converter: Converter) -> Callable[[object, Any], list[Any]]:  # noqa: ANN401 - as above
    each: Callable[[object, Any], list[Any]] = list_structure_factory(of, converter)

    def structure_list(value: object, _: object) -> list[Any]:
        if not isinstance(value, list):
            raise UnexpectedError("a list", value)
        return each(value, of)

    return structure_list


def _dict_hook(of: Any, converter: Converter) -> Callable[[object, Any], dict[str, Any]]:  # noqa: ANN401 - as above
    each: Callable[[dict[str, Any], Any], dict[str, Any]] = mapping_structure_factory(of, converter)

    def structure_dict(value: object, _: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise UnexpectedError("an object", value)
        return each(value, of)

    return structure_dict


def _model_hook(model: type[T], converter: Converter) -> Callable[[object, Any], T]:
    sources = [_Source.of(model, attribute) for attribute in response_fields(model)]
    overrides = {attribute.name: _override(attribute) for attribute in model_fields(model)}
    structure = make_dict_structure_fn(model, converter, **overrides)  # type: ignore[arg-type]  # a field may be named like an option

    def structure_model(value: object, _: object) -> T:
        if not isinstance(value, dict):
            raise UnexpectedError("an object", value)
        found = {source.name: source.take(value) for source in sources}
        return structure({name: part for name, part in found.items() if part is not None}, model)

    return structure_model


def _override(attribute: Attribute[Any]) -> AttributeOverride:
    wire = wire_options(attribute)
    hook = (lambda value, _: _reference(value)) if wire.number_as_string else None
    return override(rename=json_key(attribute), omit=wire.sdk_only or None, struct_hook=hook)


@frozen
class _Source:
    """Where the value of one attribute of a model comes from."""

    name: str
    """The attribute's own key."""
    keys: tuple[str, ...]
    """All keys that it may come from, best first."""
    blanks: dict[str, tuple[object, ...]] | None
    """For an optional model: its keys, each with the values that count as empty; else None."""

    @classmethod
    def of(cls, model: type[AttrsInstance], attribute: Attribute[Any]) -> _Source:
        part = optional_model(attribute)
        blanks = (
            {key: _blank_values(inner) for inner in response_fields(part) for key in json_keys(inner)} if part else None
        )
        return cls(json_key(attribute), value_keys(model, attribute), blanks)

    def take(self, value: dict[str, Any]) -> object:
        """Return the first value that is not empty, None if there is none."""
        return next((found for key in self.keys if not self._is_empty(found := value.get(key))), None)

    def _is_empty(self, found: object) -> bool:
        if found is None or self.blanks is None or not isinstance(found, dict):
            return found is None
        return all(found.get(key) in values for key, values in self.blanks.items())


def _blank_values(attribute: Attribute[Any]) -> tuple[object, ...]:
    return (None, 0) if wire_options(attribute).zero_is_empty else (None,)
