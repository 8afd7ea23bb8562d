"""Credentials: Basic authentication with the hashed password, or a token for a client's key and secret.

:class:`BasicAuth` and :class:`OAuthClientCredentials` hold no state; each session takes an authenticator from them,
which does. Sources: the vendor's pages on Basic authentication and on OAuth tokens.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import math
import re
from base64 import b64encode
from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn

from attrs import define, field, frozen

from capledger._sansio.api_errors import WRONG_URL, error_items
from capledger._sansio.requests import Request
from capledger._transport.authentication import Refused
from capledger._transport.clock import Clock
from capledger.errors import (
    AuthenticationError,
    CapledgerError,
    ConfigurationError,
    DecodeError,
    RateLimitedError,
    ServerError,
)

if TYPE_CHECKING:
    from capledger._sansio.response import Response
    from capledger._transport.authentication import Authenticator, SendUnauthenticated

TOKEN_HEADER = "X-CAP-API-OAUTH-TOKEN"  # noqa: S105 - the name of a header
_TOKEN_PATH = "/v3/oauth/token/generate"  # noqa: S105 - a path
#: HTTP statuses of a wrong key or secret.
_REFUSED = frozenset({400, 401, 403, 498})
_MD5_HEX = re.compile(r"[0-9a-fA-F]{32}")
_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")
#: Lifetime in seconds of a token whose response states none: the shortest that the vendor's pages show.
_DEFAULT_LIFETIME = 300.0
#: A token is renewed this share of its lifetime before it expires, and at most this many seconds before.
_MARGIN_SHARE, _MAX_MARGIN = 0.1, 30.0
#: Within this share of that margin before its end it is not sent any more: it could expire on the way.
_TRANSIT_SHARE = 0.2


@frozen
class Token:
    """An access token."""

    value: str = field(repr=False)
    lifetime: float
    """Seconds until it expires."""


class _Unpicklable:
    """Keeps secrets in this process: a pickle ends up in files, queues and logs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, credentials hidden>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled, since it holds a secret; create it in the other process"
        )


def _check_credentials(**values: object) -> None:
    for name, value in values.items():
        if not isinstance(value, str) or not value:
            raise ConfigurationError(f"{name} must be a string that is not empty")
        if value != value.rstrip():
            raise ConfigurationError(f"{name} ends in white space: remove it, such as the line end of a file")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ConfigurationError(f"{name} contains half of a surrogate pair: pass valid Unicode")


@frozen(repr=False, eq=False, getstate_setstate=False)
class BasicAuth(_Unpicklable):
    """User name and password of a till.

    The password is sent as the lower-case hex digits of its MD5, as the vendor's page on Basic authentication says.

    Raises:
        ConfigurationError: a value is empty, the user name has a colon, or *hashed* is set and the password is not MD5.
    """

    username: str
    password: str
    """The password, or with ``hashed=True`` the 32 hex digits of its MD5."""
    hashed: bool = field(default=False, kw_only=True)
    """Whether ``password`` is hashed already."""

    def __attrs_post_init__(self) -> None:
        _check_credentials(username=self.username, password=self.password)
        if ":" in self.username:
            raise ConfigurationError("username must not contain a colon")
        if self.hashed and not _MD5_HEX.fullmatch(self.password):
            raise ConfigurationError("password must be the 32 hex digits of its MD5 with hashed=True")

    def authenticator(self, clock: Clock) -> Authenticator:  # noqa: ARG002 - part of the protocol
        """Return a new authenticator for one session."""
        return _BasicAuthenticator({"Authorization": f"Basic {self._credentials()}"})

    def _credentials(self) -> str:
        digest = self.password.lower() if self.hashed else _md5_hex(self.password)
        return b64encode(f"{self.username}:{digest}".encode()).decode("ascii")


def _md5_hex(password: str) -> str:
    return hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()


@frozen
class _BasicAuthenticator:
    _headers: Mapping[str, str] = field(repr=False)
    renewals: int = 0
    renewal_is_due: bool = False

    def headers(self) -> Mapping[str, str]:
        return self._headers

    async def renew(self, send: SendUnauthenticated, since: int) -> None:
        """Do nothing: a password does not expire."""

    def invalidate(self, headers: Mapping[str, str]) -> Refused:  # noqa: ARG002 - part of the protocol
        return Refused.FINAL


@frozen(repr=False, eq=False, getstate_setstate=False)
class OAuthClientCredentials(_Unpicklable):
    """Key and secret of an OAuth client.

    They are exchanged for a token, as the vendor's page on OAuth tokens says, which is renewed before it expires.

    Raises:
        ConfigurationError: a value is empty.
    """

    key: str
    """The client key."""
    secret: str
    """The client secret."""

    def __attrs_post_init__(self) -> None:
        _check_credentials(key=self.key, secret=self.secret)

    def authenticator(self, clock: Clock) -> Authenticator:
        """Return a new authenticator for one session."""
        body = json.dumps({"key": self.key, "secret": self.secret}).encode()
        return _TokenAuthenticator(_token_request(body), clock)


def _token_request(body: bytes) -> Request[Token]:
    return Request(method="POST", path=_TOKEN_PATH, response_type=Token, endpoint="token", body=body)


@define
class _Issued:
    """A token that was issued, and when it ends, in seconds of the clock's monotonic time."""

    value: str = field(repr=False)
    renew_at: float
    expires_at: float


@define
class _TokenAuthenticator:
    """Renews a token once however many requests wait for it; if that fails, it fails for all of them.

    Check, lock, check again.
    """

    _request: Request[Token] = field(repr=False)
    _clock: Clock = field(repr=False)
    _current: _Issued | None = field(default=None, init=False, repr=False)
    _previous: _Issued | None = field(default=None, init=False, repr=False)
    _lock: asyncio.Lock = field(factory=asyncio.Lock, init=False, repr=False)
    renewals: int = field(default=0, init=False)
    _failure: CapledgerError | None = field(default=None, init=False, repr=False)

    @property
    def renewal_is_due(self) -> bool:
        return self._is_due() and not self._lock.locked()

    def _is_due(self) -> bool:
        return self._current is None or self._clock.monotonic() >= self._current.renew_at

    def headers(self) -> Mapping[str, str] | None:
        if self._current is None or self._clock.monotonic() >= self._current.expires_at:
            return None
        return {TOKEN_HEADER: self._current.value}

    def invalidate(self, headers: Mapping[str, str]) -> Refused:
        """Drop the token in *headers*, unless it was replaced already."""
        value, now = headers.get(TOKEN_HEADER), self._clock.monotonic()
        known = [issued for issued in (self._current, self._previous) if issued is not None]
        expired = any(issued.value == value and now >= issued.expires_at for issued in known)
        if self._current is not None and self._current.value == value:
            self._current, self._previous = None, self._current
        return Refused.EXPIRED if expired else Refused.RENEWABLE

    async def renew(self, send: SendUnauthenticated, since: int) -> None:
        async with self._lock:
            if not self._is_due():
                return
            if since != self.renewals and self._failure is not None:
                raise copy.copy(self._failure)
            await self._fetch(send)

    async def _fetch(self, send: SendUnauthenticated) -> None:
        early = self.headers() is not None
        try:
            token, sent = await send(self._request, decode_token)
        except CapledgerError as error:
            self._failure = None if early else copy.copy(error)
            if self._current is not None:  # not again with the next request
                self._current.renew_at = (self._clock.monotonic() + self._current.expires_at) / 2
            raise
        else:
            self._failure = None
            margin = min(_MAX_MARGIN, token.lifetime * _MARGIN_SHARE)
            ends = sent + token.lifetime
            self._previous = self._current or self._previous
            self._current = _Issued(token.value, ends - margin, ends - margin * _TRANSIT_SHARE)
        finally:
            self.renewals += 1


def decode_token(request: Request[Token], response: Response) -> Token:  # noqa: ARG001 - same signature as Decoder.decode
    """Return the token in a response of the token endpoint.

    The response's messages are not repeated: they may contain the key.

    Raises:
        AuthenticationError: the key and secret were refused (320001, also with HTTP 200).
        RateLimitedError: HTTP 429.
        ServerError: any other error, or a response that is not JSON.
        DecodeError: JSON without a usable token.
    """
    document = _json_object(response)
    items = error_items(document)
    code = items[0].code if items else None
    status, request_id = response.status, response.request_id
    if HTTPStatus.TOO_MANY_REQUESTS in (status, code):
        raise RateLimitedError("the token endpoint's rate limit was exceeded", None, request_id)
    failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR or code in range(500, 600)
    if not failed and (items or status in _REFUSED):
        message = f"the service refused this client key and secret (HTTP {status}, code {code})"
        raise AuthenticationError(message, status, code, request_id)
    if failed or status >= HTTPStatus.MULTIPLE_CHOICES:
        message = WRONG_URL.get(status, f"the token endpoint failed (HTTP {status}, code {code})")
        raise ServerError(message, status, code, request_id)
    if document is None:
        raise ServerError("the token endpoint's response is not JSON", status, None, request_id)
    return _token(document, request_id)


def _json_object(response: Response) -> dict[str, object] | None:
    """Return the JSON object of the body, None for any other body."""
    try:
        document = json.loads(response.body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _token(document: dict[str, object], request_id: str | None) -> Token:
    data = document.get("data")
    if not isinstance(data, dict):
        raise DecodeError("the token response has no data", ("$.data: expected an object",), request_id)
    value, lifetime = data.get("accessToken"), data.get("ttlSeconds")
    if not isinstance(value, str) or not _HEADER_SAFE.fullmatch(value):
        path = "$.data.accessToken: expected a string that is valid in a header"
        raise DecodeError("the token response has no usable token", (path,), request_id)
    return Token(value, _lifetime(lifetime))


def _lifetime(seconds: object) -> float:
    if isinstance(seconds, str) and seconds.isdecimal():
        seconds = int(seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        return _DEFAULT_LIFETIME
    return float(seconds)
