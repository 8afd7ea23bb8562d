"""How the fields of a model map to the keys of a response: mechanically, with options for the irregular ones."""

from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from attrs import Attribute, fields, frozen, has

if TYPE_CHECKING:
    from attrs import AttrsInstance

#: Suffix of the ISO twin of a date field: ``event_date_iso`` beside ``event_date``, whose value it determines.
ISO_SUFFIX: Final = "_iso"

_METADATA_KEY: Final = "capledger.wire"


@frozen
class WireOptions:
    """What cannot be derived from the name and the type of a field."""

    key: str | None = None
    """The key in the response; None derives it from the field's name."""
    aliases: tuple[str, ...] = ()
    """Other spellings of the key that are accepted."""
    number_as_string: bool = False
    """Whether a number in the response becomes a string, as for references that are sent in both ways."""
    zero_is_empty: bool = False
    """Whether zero counts as no value, so that an object with nothing else in it becomes None."""
    sdk_only: bool = False
    """Whether the field is filled by the SDK and not read from the response."""


_DEFAULT_OPTIONS: Final = WireOptions()


def wire(**options: Any) -> dict[str, WireOptions]:  # noqa: ANN401 - the fields of WireOptions
    """Return the ``metadata`` of a field with these :class:`WireOptions`."""
    return {_METADATA_KEY: WireOptions(**options)}


def wire_options(attribute: "Attribute[Any]") -> WireOptions:
    """Return the options of a field."""
    options: WireOptions = attribute.metadata.get(_METADATA_KEY, _DEFAULT_OPTIONS)
    return options


def camel_case(name: str) -> str:
    """Return the API's spelling of a name: ``is_primary_user`` is ``isPrimaryUser``, ``date_iso`` is ``dateISO``."""
    first, *others = name.split("_")
    return first + "".join("ISO" if word == "iso" else word.capitalize() for word in others)


def json_key(attribute: "Attribute[Any]") -> str:
    """Return the key of a field in the API's responses."""
    return wire_options(attribute).key or camel_case(attribute.name)


def json_keys(attribute: "Attribute[Any]") -> tuple[str, ...]:
    """Return the key of a field and its aliases."""
    return (json_key(attribute), *wire_options(attribute).aliases)


def iso_twin(model: "type[AttrsInstance]", attribute: "Attribute[Any]") -> "Attribute[Any] | None":
    """Return the ISO twin of a field, or None if it has none."""
    return next((other for other in model_fields(model) if other.name == attribute.name + ISO_SUFFIX), None)


def value_keys(model: "type[AttrsInstance]", attribute: "Attribute[Any]") -> tuple[str, ...]:
    """Return the keys that a field takes its value from, best first: its ISO twin's, its own, its aliases."""
    twin = iso_twin(model, attribute)
    return (*(json_keys(twin) if twin else ()), *json_keys(attribute))


def model_fields(model: "type[AttrsInstance]") -> "tuple[Attribute[Any], ...]":
    """Return the fields of a model, in order."""
    attributes: tuple[Attribute[Any], ...] = fields(model)
    return attributes


def response_fields(model: "type[AttrsInstance]") -> "list[Attribute[Any]]":
    """Return the fields of a model that are read from the response, in order."""
    return [attribute for attribute in model_fields(model) if not wire_options(attribute).sdk_only]


def container_and_item(field_type: Any) -> tuple[type | None, Any]:  # noqa: ANN401 - type expressions
    """Return the container of a field's type (list, dict or None) and the type inside, without None."""
    parts = [part for part in get_args(field_type) if part is not type(None)]
    origin = get_origin(field_type)
    if origin in {list, dict}:
        return origin, container_and_item(parts[-1])[1]
    return None, parts[0] if parts else field_type


def optional_model(attribute: "Attribute[Any]") -> "type[AttrsInstance] | None":
    """Return the model of a field that holds one or None, or None for any other field."""
    container, item = container_and_item(attribute.type)
    return item if container is None and has(item) else None
