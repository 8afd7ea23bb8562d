"""JSON to Python with every digit kept: fractions become Decimals, never floats."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import Final

#: Stands for a number that is none (NaN, Infinity) or has no end; refused where a model would take it.
_NO_NUMBER: Final = Decimal("NaN")


class NotJsonError(ValueError):
    """The body is something else: an HTML page, nothing at all, or JSON that breaks off."""


class UnreadableError(ValueError):
    """The body is JSON to the eye, but not one that can be read; the text says why."""


def parse_json(body: bytes) -> object:
    """Return the value of a body in UTF-8; raises :class:`NotJsonError` or :class:`UnreadableError`."""
    try:
        return json.loads(_text(body), parse_float=_decimal, parse_constant=lambda _: _NO_NUMBER)
    except json.JSONDecodeError:
        reason: ValueError = NotJsonError("not JSON")
    except RecursionError:
        reason = UnreadableError("nested too deeply")
    except (NotJsonError, UnreadableError) as error:
        reason = error
    except ValueError:
        reason = UnreadableError("a number of too many digits")
    raise reason


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        starts_as_json = body.lstrip()[:1] in {b"{", b"["}
    raise UnreadableError("not UTF-8") if starts_as_json else NotJsonError("not JSON")


def _decimal(digits: str) -> Decimal:
    try:
        return Decimal(digits)
    except InvalidOperation:
        return _NO_NUMBER
