"""Values of query parameters as strings; the only place where they are encoded.

The HTTP library never receives any other type: given a ``Decimal`` or a UUID, yarl would silently send an integer.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

Encodable = str | int | Decimal | UUID | date | Iterable[str | int]


def encode(value: Encodable) -> str:
    """Return a value as a string for a query parameter.

    Booleans are ``true`` and ``false``; dates are ``yyyy-MM-ddTHH:mm:ss`` in the server's zone, so they must be naive,
    and fractions of a second are cut off; lists are separated by commas without spaces.
    """
    match value:
        case str():
            return str.__str__(value)  # also of an enumeration of strings, whose own ``str`` is its name
        case bool():
            return "true" if value else "false"
        case int() | Decimal() | UUID():
            return str(value)
        case date():
            return _encode_date(value)
        case Iterable():
            return ",".join(encode(item) for item in value)
    raise TypeError(f"a {type(value).__name__} cannot be sent in a request")


def _encode_date(value: date) -> str:
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
    if moment.tzinfo is not None:
        raise ValueError("a date is sent naive, in the server's zone: convert it first")
    return moment.isoformat(timespec="seconds")
