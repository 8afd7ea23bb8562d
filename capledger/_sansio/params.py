"""How a value and a name are written in a request: everything becomes ``str`` here, and nowhere else.

The HTTP library never sees a rich value: handed a ``Decimal`` or a UUID, yarl would quietly send an integer.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

Encodable = str | int | Decimal | UUID | date | Iterable[str | int]


def encode(value: Encodable) -> str:
    """The text of a value in a query string.

    Booleans are ``true`` and ``false``; dates ``yyyy-MM-ddTHH:mm:ss`` in the server's zone, so they have to be naive,
    and fractions of a second are cut off; lists are separated by commas without spaces.
    """
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | Decimal() | UUID():
            return str(value)
        case date():
            return _encode_date(value)
        case Iterable():
            return ",".join(encode(item) for item in value)
    raise TypeError(f"a {type(value).__name__} has no place in a request")


def _encode_date(value: date) -> str:
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    if moment.tzinfo is not None:
        raise ValueError("a date goes out in the server's zone and naive: convert it first")
    return moment.isoformat(timespec="seconds")
