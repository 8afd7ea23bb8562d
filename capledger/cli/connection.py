"""Which service to ask, in whose name: from the environment, since a command line is seen by everybody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from capledger._transport.rate_limit import RateLimit
from capledger.auth import BasicAuth, OAuthClientCredentials
from capledger.cli.exit_codes import UsageError
from capledger.session import LedgerSession
from capledger.timezones import known_zone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

_BASIC = ("CAPLEDGER_USERNAME", "CAPLEDGER_PASSWORD")
_CLIENT = ("CAPLEDGER_CLIENT_KEY", "CAPLEDGER_CLIENT_SECRET")


def open_session(
    *, rate: int | None = None, connections: int = 8, environ: Mapping[str, str] = os.environ
) -> LedgerSession:
    """
    A session for what the environment says, not opened yet.

    ``rate`` is in requests a minute, ``connections`` the most requests under way at once.

    Raises:
        UsageError: a variable is missing, or says what cannot be.
    """
    given = {name: value for name, value in environ.items() if name.startswith("CAPLEDGER_") and value}
    base_url = given.get("CAPLEDGER_BASE_URL")
    if base_url is None:
        raise UsageError(
            "CAPLEDGER_BASE_URL is not set: the cluster's address, such as https://eu.api.capillarytech.com"
        )
    limit = None if rate is None else RateLimit(rate)
    auth, zone = _auth(given), _zone(given, base_url)
    return LedgerSession(base_url, auth, timezone=zone, rate_limit=limit, max_connections=connections)


def _auth(given: Mapping[str, str]) -> BasicAuth | OAuthClientCredentials:
    basic, client = (any(name in given for name in names) for names in (_BASIC, _CLIENT))
    if basic and client:
        raise UsageError(f"{_BASIC[0]} and {_CLIENT[0]} are two ways to sign in: unset one of them, with its secret")
    if not basic and not client:
        raise UsageError(f"nobody to sign in as: set {' and '.join(_BASIC)}, or {' and '.join(_CLIENT)}")
    names = _BASIC if basic else _CLIENT
    missing = [name for name in names if name not in given]
    if missing:
        raise UsageError(f"{missing[0]} is not set")
    identity, secret = (given[name] for name in names)
    return BasicAuth(identity, secret) if basic else OAuthClientCredentials(identity, secret)


def _zone(given: Mapping[str, str], base_url: str) -> tzinfo | None:
    name = given.get("CAPLEDGER_TIMEZONE")
    if name is not None:
        return read_zone(name)
    if _zone_of(base_url) is None:
        raise UsageError(
            "CAPLEDGER_TIMEZONE is not set, and this host's zone is not documented: give one such as Asia/Kolkata"
        )
    return None


def _zone_of(base_url: str) -> tzinfo | None:
    try:
        return known_zone(base_url)
    except (TypeError, ValueError):
        raise UsageError("CAPLEDGER_BASE_URL must look like https://host") from None


def read_zone(name: str) -> ZoneInfo:
    """
    The zone of a name such as ``Asia/Kolkata`` or ``UTC``.

    Raises:
        UsageError: there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError("CAPLEDGER_TIMEZONE is no zone of the tz database: such as Asia/Kolkata or UTC") from None
