"""The fast decoder: common responses from bytes to models, much faster than the tolerant decoder and as strict.

msgspec decodes the bytes into Structs, in C, with Decimals from the digits of the response; then a function copies each
Struct into its model. Both are generated from the attrs class, once a class, so that a model has one definition:
:mod:`~capledger._sansio.fast.structs` makes the Structs, :mod:`~capledger._sansio.fast.copying` the functions. For
uncommon responses, valid or not, :func:`decode` returns None, and the tolerant decoder is used.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import msgspec
from attrs import AttrsInstance

from capledger._sansio.fast.copying import ORIGIN, copier
from capledger._sansio.fast.structs import wire_struct

if TYPE_CHECKING:
    from datetime import tzinfo

__all__ = ["decode"]

T = TypeVar("T", bound=AttrsInstance)

#: Everything that an uncommon body can raise.
_UNCOMMON: Final = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)


class _NoZone:
    """Takes the place of a date in the zone where no zone is known; fails when a date needs it."""

    def __add__(self, other: object) -> NoReturn:
        raise ValueError("a date without a zone")


def decode(model: type[T], body: bytes, zone: tzinfo | None) -> T | None:
    """Return the model in a body, None for the tolerant decoder; ``zone`` is the server's."""
    try:
        wire = _json_decoder(model).decode(body)
        if wire.errors:
            return None
        made: T = copier(model)(wire, _NoZone() if zone is None else ORIGIN.replace(tzinfo=zone))
    except _UNCOMMON:
        return None
    return made


@cache
def _json_decoder(model: type[AttrsInstance]) -> msgspec.json.Decoder[Any]:
    errors = ("errors", list[msgspec.Raw] | None, None)
    response = msgspec.defstruct("Response", [errors], bases=(wire_struct(model),), gc=False)
    return msgspec.json.Decoder(response)
