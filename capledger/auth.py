"""How a request proves who asks: Basic with the hashed password, or a token of the client's key and secret.

What the caller makes (:class:`BasicAuth`, :class:`OAuthClientCredentials`) holds no state; a session takes a
:class:`Authenticator` from it, which does. Sources: api-facts 1.1 (Basic), 1.2 (token).
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

from capledger._sansio.api_errors import failures_in
from capledger._sansio.requests import Request
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
    from capledger._transport.authentication import Authenticator, Send

TOKEN_HEADER = "X-CAP-API-OAUTH-TOKEN"  # noqa: S105 (the name of a header)
_TOKEN_PATH = "/v3/oauth/token/generate"  # noqa: S105 (a path)
_MD5_HEX = re.compile(r"[0-9a-fA-F]{32}")
_HEADER_SAFE = re.compile(r"[\x21-\x7e]+")
#: Life of a token whose answer does not state one, in seconds: the shortest that the documents show.
_UNSTATED_LIFE = 300.0
#: A token is renewed this part of its life before it ends, and this many seconds before at the most.
_MARGIN_PART, _MARGIN_MOST = 0.1, 30.0


@frozen
class Token:
    """An access token, and how many seconds it is good for."""

    value: str = field(repr=False)
    life: float


class _Unpicklable:
    """Secrets stay in the process that was given them: a pickle ends in files, queues and logs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, credentials hidden>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled, since it holds a secret; make it anew in the other process"
        )


def _filled(*values: object) -> None:
    if not all(isinstance(value, str) and value for value in values):
        raise ConfigurationError("credentials must be non-empty strings")


@frozen(repr=False, eq=False, getstate_setstate=False)
class BasicAuth(_Unpicklable):
    """A till's user name and password; the password goes out as its lower-case MD5 hex (api-facts 1.1).

    Raises:
        ConfigurationError: a part is empty, the name holds a colon, or *hashed* is set and it is no MD5 hex.
    """

    username: str
    #: Plain, or with ``hashed=True`` the 32 hex digits of its MD5.
    password: str
    hashed: bool = field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        _filled(self.username, self.password)
        if ":" in self.username:
            raise ConfigurationError("a user name cannot hold a colon")
        if self.hashed and not _MD5_HEX.fullmatch(self.password):
            raise ConfigurationError("hashed=True needs the 32 hex digits of the password's MD5")

    def authenticator(self, clock: Clock) -> Authenticator:  # noqa: ARG002 (the protocol's; a password knows no time)
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

    def headers(self) -> Mapping[str, str]:
        return self._headers

    async def renew(self, send: Send) -> None:
        """Do nothing: a password needs no renewal."""

    def invalidate(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 (the protocol's)
        return False


@frozen(repr=False, eq=False, getstate_setstate=False)
class OAuthClientCredentials(_Unpicklable):
    """A client's key and secret, exchanged for a token that is renewed before it runs out (api-facts 1.2).

    Raises:
        ConfigurationError: a part is empty.
    """

    key: str
    secret: str

    def __attrs_post_init__(self) -> None:
        _filled(self.key, self.secret)

    def authenticator(self, clock: Clock) -> Authenticator:
        """Return a new authenticator for one session."""
        body = json.dumps({"key": self.key, "secret": self.secret}).encode()
        return _TokenAuthenticator(_token_request(body), clock)


def _token_request(body: bytes) -> Request[Token]:
    return Request(method="POST", path=_TOKEN_PATH, answer=Token, endpoint="token", body=body)


@define
class _TokenAuthenticator:
    """Check, lock, check again: however many wait, one asks; and if that fails, it fails for all who waited."""

    _request: Request[Token] = field(repr=False)
    _clock: Clock = field(repr=False)
    _token: str | None = field(default=None, init=False, repr=False)
    _good_until: float = field(default=0.0, init=False)
    _lock: asyncio.Lock = field(factory=asyncio.Lock, init=False, repr=False)
    _renewals: int = field(default=0, init=False)
    _failure: CapledgerError | None = field(default=None, init=False, repr=False)

    def headers(self) -> Mapping[str, str] | None:
        if self._token is None or self._clock.monotonic() >= self._good_until:
            return None
        return {TOKEN_HEADER: self._token}

    def invalidate(self, headers: Mapping[str, str]) -> bool:
        """Forget the token in *headers*, unless another has taken its place already."""
        if headers.get(TOKEN_HEADER) == self._token:
            self._token = None
        return True

    async def renew(self, send: Send) -> None:
        renewals = self._renewals
        async with self._lock:
            if self.headers() is not None:
                return
            if renewals != self._renewals and self._failure is not None:
                raise copy.copy(self._failure)
            await self._ask(send)

    async def _ask(self, send: Send) -> None:
        asked = self._clock.monotonic()
        try:
            token = await send(self._request, read_token)
        except CapledgerError as error:
            self._failure = copy.copy(error)
            raise
        else:
            self._failure = None
            self._token = token.value
            self._good_until = asked + token.life - min(_MARGIN_MOST, token.life * _MARGIN_PART)
        finally:
            self._renewals += 1


def read_token(request: Request[Token], answer: Response) -> Token:  # noqa: ARG001 (has the shape of Decoder.decode)
    """Return the token in an answer of the token endpoint.

    The texts of the answer are not repeated: they may name the key.

    Raises:
        AuthenticationError: the key and secret were refused (320001, also with HTTP 200).
        RateLimitedError: HTTP 429.
        ServerError: HTTP 5xx, or not JSON.
        DecodeError: JSON without a usable token.
    """
    document = _document(answer)
    failures = failures_in(document)
    code = failures[0].code if failures else None
    status, request_id = answer.status, answer.request_id
    if HTTPStatus.TOO_MANY_REQUESTS in (status, code):
        raise RateLimitedError("the token endpoint refused for the rate", None, request_id)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or code in range(500, 600):
        raise ServerError(f"the token endpoint failed (HTTP {status}, code {code})", status, code, request_id)
    if failures or status >= HTTPStatus.MULTIPLE_CHOICES:
        text = f"the service gave no token for this client key and secret (HTTP {status}, code {code})"
        raise AuthenticationError(text, status, code, request_id)
    if document is None:
        raise ServerError("the token endpoint answered with something else than JSON", status, None, request_id)
    return _token(document, request_id)


def _document(answer: Response) -> dict[str, object] | None:
    """Return the JSON object of the answer, if it is one."""
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _token(document: dict[str, object], request_id: str | None) -> Token:
    data = document.get("data")
    if not isinstance(data, dict):
        raise DecodeError("the token answer has no data", ("$.data: expected an object",), request_id)
    value, life = data.get("accessToken"), data.get("ttlSeconds")
    if not isinstance(value, str) or not _HEADER_SAFE.fullmatch(value):
        path = "$.data.accessToken: expected a string that can stand in a header"
        raise DecodeError("the token answer has no usable token", (path,), request_id)
    return Token(value, _life(life))


def _life(seconds: object) -> float:
    if isinstance(seconds, str) and seconds.isdecimal():
        seconds = int(seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
        return _UNSTATED_LIFE
    return float(seconds)
