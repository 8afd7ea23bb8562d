"""The fast decoder: common responses from bytes to models, much faster than the tolerant decoder and as strict.

msgspec decodes the bytes into Structs, in C, with Decimals from the digits of the response; then a function copies each
Struct into its model. Both are generated from the attrs class, once a class, so that a model has one definition:
:mod:`~capledger._sansio.fast.structs` makes the Structs, :mod:`~capledger._sansio.fast.copying` the functions. For
uncommon responses, valid or not, :func:`decode` returns None, and the tolerant decoder is used.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import msgspec
from attrs import AttrsInstance

from capledger._sansio.fast.copying import ORIGIN, copier
from capledger._sansio.fast.structs import wire_struct

if TYPE_CHECKING:
    from datetime import datetime, tzinfo

__all__ = ["decode"]

T = TypeVar("T", bound=AttrsInstance)

#: Everything that an uncommon body can raise.
_UNCOMMON: Final = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)


#: An underscore among the last characters of a string, which ``Decimal`` accepts between digits; and what precedes it.
_UNDERSCORE: Final = re.compile(rb'_[0-9._eE+-]*\s*"')
_AFTER_UNDERSCORE: Final = b'0123456789._eE+-" \t\n\r\f\v'
_DIGITS: Final = re.compile(rb"\s*[+-]?[0-9._]+")
_ESCAPES: Final = re.compile(rb"\\u(?:[dD][89abAB][0-9a-fA-F]{2}\\u)?[0-9a-fA-F]{4}")
_ASCII: Final = bytes(range(128))
_BACKSLASH: Final = ord("\\")


class _NoZone:
    """Takes the place of a date in the zone where no zone is known; fails when a date needs it."""

    def __add__(self, other: object) -> NoReturn:
        raise ValueError("a date without a zone")


def decode(model: type[T], body: bytes, zone: tzinfo | None) -> T | None:
    """Return the model in a body, None for the tolerant decoder; ``zone`` is the server's."""
    if _may_have_odd_amounts(body):
        return None
    try:
        wire = _json_decoder(model).decode(body)
        if wire.errors:
            return None
        made: T = copier(model)(wire, _origin(zone))
    except _UNCOMMON:
        return None
    return made


@cache
def _origin(zone: tzinfo | None) -> datetime | _NoZone:
    return _NoZone() if zone is None else ORIGIN.replace(tzinfo=zone)


@cache
def _json_decoder(model: type[AttrsInstance]) -> msgspec.json.Decoder[Any]:
    errors = ("errors", list[msgspec.Raw] | None, None)
    response = msgspec.defstruct("Response", [errors], bases=(wire_struct(model),), gc=False)
    return msgspec.json.Decoder(response)


def _may_have_odd_amounts(body: bytes) -> bool:
    """Return whether a body has digits or spaces that ``Decimal`` accepts in a string though they are no amount.

    Those of another script in a name count as well: such a body is rare.
    """
    if _has_underscore_in_amount(body):
        return True
    if _BACKSLASH in body and _has_odd_character(_unescaped(set(_ESCAPES.findall(body)))):
        return True
    return not body.isascii() and _has_odd_character(body.translate(None, _ASCII).decode(errors="ignore"))


def _has_underscore_in_amount(body: bytes) -> bool:
    at, last = body.find(b"_"), len(body) - 1
    while 0 <= at < last:  # a search for the expression takes five times as long
        if body[at + 1] in _AFTER_UNDERSCORE and _ends_amount(body, at):
            return True
        at = body.find(b"_", at + 1)
    return False


def _ends_amount(body: bytes, at: int) -> bool:
    """Return whether nothing but digits stands between an underscore and the quotes around it."""
    start = body.rfind(b'"', 0, at) + 1
    return _UNDERSCORE.match(body, at) is not None and _DIGITS.fullmatch(body, start, at) is not None


def _unescaped(escapes: set[bytes]) -> str:
    halves = b"".join(escapes).decode("unicode-escape")
    return halves.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")


def _has_odd_character(characters: str) -> bool:
    return any(not c.isascii() and (c.isdecimal() or c.isspace()) for c in set(characters))
