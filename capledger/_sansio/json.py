"""JSON to Python without loss of digits: fractions become Decimals, never floats."""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Final

#: Stands for NaN, Infinity and numbers that are too long; refused by the models.
_NOT_A_NUMBER: Final = Decimal("NaN")


#: Bytes of a body that may hold half of a surrogate pair: as an escape, or encoded as if it were a character.
_SURROGATE_MARKS: Final = (b"\\ud", b"\\uD", b"\xed")
#: Escapes of JSON: a whole pair, half of one, or any other.
_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class NotJsonError(ValueError):
    """The body is not JSON: an HTML page, empty, or JSON that was cut off."""


class MalformedJsonError(ValueError):
    """The body is meant as JSON but cannot be parsed; the message says why."""


def parse_json(body: bytes) -> object:
    """Return the JSON value of a body in UTF-8.

    Raises:
        NotJsonError: the body is not JSON.
        MalformedJsonError: the body is meant as JSON but cannot be parsed.
    """
    try:
        return json.loads(_decoded(body), parse_float=_decimal, parse_constant=lambda _: _NOT_A_NUMBER)
    except json.JSONDecodeError:
        reason: ValueError = NotJsonError("not JSON")
    except RecursionError:
        reason = MalformedJsonError("nested too deeply")
    except (NotJsonError, MalformedJsonError) as error:
        reason = error
    except ValueError:
        reason = MalformedJsonError("a number with too many digits")
    raise reason


def without_lone_surrogates(body: bytes) -> bytes:
    """Return the body with U+FFFD for each half of a surrogate pair; the same object where it has none."""
    if not any(mark in body for mark in _SURROGATE_MARKS):
        return body
    try:
        text = body.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return body
    text = _ESCAPE.sub(lambda match: "\\ufffd" if match["half"] else match[0], text)
    clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    return body if clean == body else clean


def _decoded(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        starts_as_json = body.lstrip()[:1] in {b"{", b"["}
    raise MalformedJsonError("not UTF-8") if starts_as_json else NotJsonError("not JSON")


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        return _NOT_A_NUMBER
