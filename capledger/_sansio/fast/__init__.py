"""The quick road: usual answers from bytes to models, many times faster than the tolerant road and as strict.

msgspec reads the bytes into Structs, in C, with Decimals from the digits of the answer; then a function copies each
Struct into its model. Both are made from the attrs class itself, once a class, so that a model has one definition:
:mod:`~capledger._sansio.fast.structs` makes the Structs, :mod:`~capledger._sansio.fast.copying` the functions. What is
not usual, be it right or wrong, makes :func:`read` return None, and the tolerant road decides.
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

__all__ = ["read"]

T = TypeVar("T", bound=AttrsInstance)

#: Everything that a body can raise on this road.
_UNUSUAL: Final = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)


class _NoZone:
    """Stands where a date in the zone would, for answers whose dates may not need one."""

    def __add__(self, other: object) -> NoReturn:
        raise ValueError("a date without a zone")


def read(model: type[T], body: bytes, zone: tzinfo | None) -> T | None:
    """Return the model in a body, or None where the tolerant road has to look; ``zone`` is the server's."""
    try:
        wire = _decoder(model).decode(body)
        if wire.errors:
            return None
        made: T = copier(model)(wire, _NoZone() if zone is None else ORIGIN.replace(tzinfo=zone))
    except _UNUSUAL:
        return None
    return made


@cache
def _decoder(model: type[AttrsInstance]) -> msgspec.json.Decoder[Any]:
    errors = ("errors", list[msgspec.Raw] | None, None)
    answer = msgspec.defstruct("Response", [errors], bases=(wire_struct(model),), gc=False)
    return msgspec.json.Decoder(answer)
