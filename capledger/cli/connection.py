"""The connection of a command: service and credentials from the environment, since anyone can read a command line."""

from __future__ import annotations

import os
from datetime import tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from attrs import frozen

from capledger._transport.rate_limit import RateLimit
from capledger.auth import BasicAuth, OAuthClientCredentials
from capledger.cli.exit_codes import UsageError
from capledger.session import LedgerSession
from capledger.timezones import known_zone

if TYPE_CHECKING:
    from collections.abc import Mapping

_BASIC = ("CAPLEDGER_USERNAME", "CAPLEDGER_PASSWORD")
_CLIENT = ("CAPLEDGER_CLIENT_KEY", "CAPLEDGER_CLIENT_SECRET")


@frozen
class Connection:
    """Service and credentials of a command."""

    base_url: str
    auth: BasicAuth | OAuthClientCredentials
    timezone: tzinfo
    """Zone of the server's dates."""


def read_connection(environ: Mapping[str, str] = os.environ) -> Connection:
    """
    Return the connection that the variables of the environment describe.

    Raises:
        UsageError: a variable is missing or invalid.
    """
    given = {name: value for name, value in environ.items() if name.startswith("CAPLEDGER_") and value}
    base_url = given.get("CAPLEDGER_BASE_URL")
    if base_url is None:
        raise UsageError(
            "CAPLEDGER_BASE_URL is not set: set it to the cluster's address, such as https://eu.api.capillarytech.com"
        )
    return Connection(base_url, _auth(given), _zone(given, base_url))


def make_session(*, rate: int | None = None, connections: int = 8) -> LedgerSession:
    """
    Return a session for the variables of the environment, not opened yet.

    Args:
        rate: limit in requests a minute; None adapts to the service's responses.
        connections: most requests in flight at once.

    Raises:
        UsageError: a variable is missing or invalid.
    """
    connection = read_connection()
    limit = None if rate is None else RateLimit(rate)
    return LedgerSession(
        connection.base_url,
        connection.auth,
        timezone=connection.timezone,
        rate_limit=limit,
        max_connections=connections,
    )


def _auth(given: Mapping[str, str]) -> BasicAuth | OAuthClientCredentials:
    basic, client = (any(name in given for name in names) for names in (_BASIC, _CLIENT))
    if basic and client:
        raise UsageError(
            f"{_BASIC[0]} and {_CLIENT[0]} are two ways to authenticate: unset one of them, with its secret"
        )
    if not basic and not client:
        raise UsageError(f"no credentials are set: set {' and '.join(_BASIC)}, or {' and '.join(_CLIENT)}")
    names = _BASIC if basic else _CLIENT
    missing = [name for name in names if name not in given]
    if missing:
        raise UsageError(f"{missing[0]} is not set")
    identity, secret = (given[name] for name in names)
    return BasicAuth(identity, secret) if basic else OAuthClientCredentials(identity, secret)


def _zone(given: Mapping[str, str], base_url: str) -> tzinfo:
    name = given.get("CAPLEDGER_TIMEZONE")
    zone = _documented_zone(base_url) if name is None else read_zone(name)
    if zone is None:
        raise UsageError(
            "CAPLEDGER_TIMEZONE is not set, and this host's zone is not documented: set it, for example to Asia/Kolkata"
        )
    return zone


def _documented_zone(base_url: str) -> tzinfo | None:
    try:
        return known_zone(base_url)
    except (TypeError, ValueError):
        raise UsageError("CAPLEDGER_BASE_URL must look like https://host") from None


def read_zone(name: str) -> ZoneInfo:
    """
    Return the zone of a name such as ``Asia/Kolkata`` or ``UTC``.

    Raises:
        UsageError: no zone has this name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError("CAPLEDGER_TIMEZONE is not a zone of the tz database, such as Asia/Kolkata or UTC") from None
