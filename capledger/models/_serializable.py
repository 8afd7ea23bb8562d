"""Models as dictionaries and JSON, and as types that pydantic and FastAPI know."""

from typing import TYPE_CHECKING, Any, Final, get_type_hints

import msgspec
from attrs import NOTHING, asdict, fields

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

_ENCODER: Final = msgspec.json.Encoder()


class Exportable:
    """Base of what can be written as JSON."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as values that any JSON library can write: amounts as strings, dates in ISO 8601."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Return :meth:`to_dict` as JSON on one line."""
        return _ENCODER.encode(self.to_dict()).decode()

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: Any) -> Any:  # noqa: ANN401 - called by pydantic, which need not be installed
        """Return pydantic's schema: an instance, written as :meth:`to_dict`."""
        from pydantic_core import core_schema as of  # noqa: PLC0415 - installed wherever this is called

        written = of.plain_serializer_function_ser_schema(cls.to_dict, return_schema=of.dict_schema())
        return of.json_or_python_schema(
            json_schema=of.dict_schema(), python_schema=of.is_instance_schema(cls), serialization=written
        )


class Serializable(Exportable):
    """Base of all models: their fields as plain values and back.

    Amounts are strings with every digit received, dates are in ISO 8601 with their zone. ``raw``, the body of a
    response, is left out.
    """

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as values that any JSON library can write: amounts as strings, dates in ISO 8601."""
        values: dict[str, Any] = msgspec.to_builtins(asdict(self, filter=_is_serialized))  # type: ignore[arg-type]  # every model is an attrs class
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Self":
        """Return the model of a dictionary made by :meth:`to_dict`.

        Raises:
            ValueError: a value is missing or of another type; the message has its path and not the value.
        """
        try:
            return msgspec.convert(values, cls)
        except msgspec.ValidationError as error:  # which is a ValueError since msgspec 0.21 only
            reason = str(error)
        raise ValueError(reason)

    @classmethod
    def from_json(cls, string: str | bytes) -> "Self":
        """Return the model of a string made by :meth:`to_json`; errors are those of :meth:`from_dict`."""
        return cls.from_dict(msgspec.json.decode(string))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: Any) -> Any:  # noqa: ANN401 - called by pydantic, which need not be installed
        """Return pydantic's schema: the fields under their names, from an instance, a dictionary or JSON."""
        return _model_schema(cls, handler.generate_schema)


def _is_serialized(_: object, value: object) -> bool:
    return not isinstance(value, bytes)


def _model_schema(model: Any, schema_of: "Callable[[Any], Any]") -> Any:  # noqa: ANN401 - types of pydantic, which need not be installed
    from pydantic_core import core_schema as of  # noqa: PLC0415 - installed wherever this is called

    types = get_type_hints(model)
    parts = {
        item.name: of.typed_dict_field(schema_of(types[item.name]), required=item.default is NOTHING)
        for item in fields(model)
        if types[item.name] is not bytes
    }
    by_name = of.typed_dict_schema(parts, cls=model, cls_name=model.__name__)
    made = of.no_info_after_validator_function(lambda values: model(**values), by_name)
    written = of.plain_serializer_function_ser_schema(
        lambda value: {name: getattr(value, name) for name in parts}, return_schema=by_name
    )
    return of.json_or_python_schema(
        json_schema=made,
        python_schema=of.union_schema([of.is_instance_schema(model), made]),
        ref=f"{model.__module__}.{model.__qualname__}",
        serialization=written,
    )
