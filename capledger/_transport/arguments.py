"""Checks of the arguments of a session: each works as meant or is refused in one sentence, before any request."""

from __future__ import annotations

import ipaddress
import math
import operator
from datetime import timedelta, tzinfo
from typing import SupportsFloat, SupportsIndex, TypeVar

from yarl import URL

from capledger.errors import ConfigurationError, InvalidQueryError

T = TypeVar("T")

#: Most characters of a label in a host name.
_MAX_LABEL = 63


def to_seconds(value: float | timedelta) -> float:
    """Return a duration in seconds, from a number of seconds or a timedelta.

    Raises:
        ConfigurationError: the value is neither, is negative, or is not finite.
    """
    seconds = value.total_seconds() if isinstance(value, timedelta) else _number(value)
    if seconds is None or not 0 <= seconds < math.inf:
        raise ConfigurationError(f"a duration must be seconds or a timedelta, zero or more; got {value!r}")
    return seconds


def to_optional_seconds(value: float | timedelta | None) -> float | None:
    """Return a duration in seconds, or None unchanged."""
    return None if value is None else to_seconds(value)


def to_positive_int(name: str, value: SupportsIndex) -> int:
    """Return an integer of at least 1; integers of numpy are integers as well.

    Raises:
        ConfigurationError: the value is anything else.
    """
    number = _index(value)
    if number is None or number < 1:
        raise ConfigurationError(f"{name} must be an integer, at least 1")
    return number


def as_int(value: int) -> int:
    """Return an integer of numpy or another library as an int, any other value unchanged."""
    number = _index(value)
    return value if number is None else number


def as_optional_int(value: int | None) -> int | None:
    """Return an integer of numpy or another library as an int, any other value unchanged."""
    return None if value is None else as_int(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, SupportsFloat) or isinstance(value, str):
        return None
    try:
        return float(value)
    except (OverflowError, ValueError, TypeError):  # an integer beyond any float, an array
        return None


def _index(value: object) -> int | None:
    if type(value) is int:  # the check of a protocol takes many times as long
        return value
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return None
    return operator.index(value)


def require_type(name: str, value: T, expected: type | tuple[type, ...], hint: str) -> T:
    """Return the value, or refuse one of another type; the message says what to pass.

    Raises:
        ConfigurationError: the value is of another type.
    """
    if not isinstance(value, expected):
        raise ConfigurationError(f"{name} must be {hint}, not {type(value).__name__}")
    return value


def require_bool(name: str, value: object) -> None:
    """Refuse anything but True and False: a string such as "no" would count as true.

    Raises:
        ConfigurationError: the value is of another type.
    """
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, not {type(value).__name__}")


def as_zone(zone: tzinfo | None) -> tzinfo | None:
    """Return a zone for ``datetime.replace``; refuse anything but a tzinfo, such as a name.

    One of pytz, which works only by its ``localize``, becomes a ZoneInfo.
    """
    if zone is not None and not isinstance(zone, tzinfo):
        raise ConfigurationError('timezone must be a tzinfo, such as datetime.UTC or zoneinfo.ZoneInfo("Asia/Kolkata")')
    pytz_name = getattr(zone, "zone", None) if hasattr(zone, "localize") else None
    if pytz_name is None:
        return zone
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - few programs need it here

    return ZoneInfo(pytz_name)


def check_base_url(base_url: str | URL, *, allow_plain_http: bool) -> URL:
    """Return the URL of the service.

    Raises:
        ConfigurationError: it is no https URL (or http to this machine), or holds more than host, port and path.
    """
    require_bool("allow_plain_http", allow_plain_http)
    try:
        url = URL(base_url)
        loopback = _is_loopback(url.host or "")
    except (TypeError, ValueError):
        url, loopback = URL(), False
    if url.scheme not in {"http", "https"} or not is_host(url.host):
        raise ConfigurationError("base_url must look like https://host or https://host/path")
    if url.user or url.password or url.query_string or url.fragment:
        raise ConfigurationError("base_url must hold neither credentials nor a query nor a fragment")
    if url.scheme == "http" and not (loopback or allow_plain_http):
        raise ConfigurationError("base_url must be https; plain http exposes the credentials to the network")
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_host(host: str | None) -> bool:
    """Return whether a URL's host can be one: no white space, such as the end of a line, and labels as DNS has them."""
    labels = (host or "").removesuffix(".").split(".")
    spaced = any(character.isspace() for character in host or "")
    return not spaced and all(0 < len(label) <= _MAX_LABEL for label in labels)


def check_at_least_one(name: str, value: SupportsIndex) -> int:
    """Return an integer that is at least 1; refuse any other value."""
    try:
        return to_positive_int(name, value)
    except ConfigurationError as error:
        message = error.message
    raise InvalidQueryError(message)


def check_on_incomplete(value: object) -> None:
    """Refuse any value but "raise" and "warn"."""
    if value not in ("raise", "warn"):
        raise InvalidQueryError('on_incomplete must be "raise" or "warn"')
