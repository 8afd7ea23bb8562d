"""How a model's fields stand on the wire: names made mechanically, and a mark on the few that are irregular."""

from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from attrs import Attribute, fields, frozen, has

if TYPE_CHECKING:
    from attrs import AttrsInstance

WIRE: Final = "capledger.wire"

#: Ends the name of an ISO twin: ``event_date_iso`` beside ``event_date``, whose value it takes over.
TWIN: Final = "_iso"


@frozen
class Wire:
    """What the mechanical rule cannot know of a field."""

    #: The key in the answer; None: made from the attribute's name.
    name: str | None = None
    #: Other spellings of the key that are taken as well.
    aliases: tuple[str, ...] = ()
    #: A reference kept as text that some answers send as a number.
    reference: bool = False
    #: Zero says nothing here: an object that holds no more than this is no object.
    blank_zero: bool = False
    #: Not part of the answer; filled by the SDK.
    absent: bool = False


REGULAR: Final = Wire()


def camel_case(name: str) -> str:
    """The API's spelling of one of our names: ``is_primary_user`` is ``isPrimaryUser``, ``date_iso`` is ``dateISO``."""
    first, *others = name.split("_")
    return first + "".join("ISO" if word == "iso" else word.capitalize() for word in others)


def wire(**marks: Any) -> dict[str, Wire]:  # noqa: ANN401 - the fields of Wire
    """Return the ``metadata`` of a field with these :class:`Wire` marks."""
    return {WIRE: Wire(**marks)}


def wire_of(attribute: "Attribute[Any]") -> Wire:
    """Return the marks of an attribute."""
    marks: Wire = attribute.metadata.get(WIRE, REGULAR)
    return marks


def wire_name(attribute: "Attribute[Any]") -> str:
    """Return the key of an attribute in the API's answers."""
    return wire_of(attribute).name or camel_case(attribute.name)


def wire_keys(attribute: "Attribute[Any]") -> tuple[str, ...]:
    """Return every key that an attribute is taken from."""
    return (wire_name(attribute), *wire_of(attribute).aliases)


def twin_of(model: "type[AttrsInstance]", attribute: "Attribute[Any]") -> "Attribute[Any] | None":
    """Return the ISO twin of an attribute, None if the documents show none."""
    return next((other for other in all_attributes(model) if other.name == attribute.name + TWIN), None)


def source_keys(model: "type[AttrsInstance]", attribute: "Attribute[Any]") -> tuple[str, ...]:
    """Return the keys that give an attribute its value, best first: its ISO twin, its own, its aliases."""
    twin = twin_of(model, attribute)
    return (*(wire_keys(twin) if twin else ()), *wire_keys(attribute))


def all_attributes(model: "type[AttrsInstance]") -> "tuple[Attribute[Any], ...]":
    """Return the attributes of a model, in order."""
    attributes: tuple[Attribute[Any], ...] = fields(model)
    return attributes


def wire_attributes(model: "type[AttrsInstance]") -> "list[Attribute[Any]]":
    """Return the attributes of a model that come from the answer, in order."""
    return [attribute for attribute in all_attributes(model) if not wire_of(attribute).absent]


def shape(of: Any) -> tuple[type | None, Any]:  # noqa: ANN401 - a type expression has no type of its own
    """Return the container of a field's type (list, dict or None) and the type in it, without its None."""
    parts = [part for part in get_args(of) if part is not type(None)]
    origin = get_origin(of)
    if origin in {list, dict}:
        return origin, shape(parts[-1])[1]
    return None, parts[0] if parts else of


def optional_model(attribute: "Attribute[Any]") -> "type[AttrsInstance] | None":
    """Return the model of a field that holds one or None, else None."""
    container, item = shape(attribute.type)
    return item if container is None and has(item) else None
