"""Authentication: Basic credentials with a hashed password, and tokens of the OAuth endpoint."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from capledger.sandbox.responses import ErrorResponse, GatewayErrorResponse, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from aiohttp import web

    from capledger.sandbox.rules import Rules

TOKEN_HEADER = "X-CAP-API-OAUTH-TOKEN"  # noqa: S105 - the header's name
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_EXPIRED = 498


class CredentialStore:
    """The users and clients of a sandbox, and the tokens issued to the clients."""

    def __init__(
        self,
        *,
        users: Mapping[str, str],
        clients: Mapping[str, str],
        denied: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        self._basic = {_basic(user, password): user for user, password in users.items()}
        self._clients = dict(clients)
        self._denied = frozenset(denied)
        self._clock = clock
        self._tokens: dict[str, tuple[str, float]] = {}
        self.tokens_issued: int = 0
        """Number of tokens issued so far."""

    def authenticate(self, headers: Mapping[str, str], rules: Rules) -> None:
        """Raise an error response unless the auth headers are valid: 401, 403 or 498 in the v1.1 envelope, or 4000."""
        token = headers.get(TOKEN_HEADER)
        if token is not None:
            self._authenticate_token(token, rules)
        else:
            self._authenticate_basic(headers.get("Authorization", ""), rules)

    def _authenticate_token(self, token: str, rules: Rules) -> None:
        if token not in self._tokens:
            raise _gateway_error(_UNAUTHORIZED, "Unauthorized", rules)
        client, ends = self._tokens[token]
        if self._clock() >= ends:
            raise _gateway_error(_EXPIRED, "Token expired at 2026-01-05T10:00:00.000+0000", rules)
        if client in self._denied:
            raise _gateway_error(_FORBIDDEN, "Client doesn't have access to the requested resource", rules)

    def _authenticate_basic(self, header: str, rules: Rules) -> None:
        user = self._basic.get(header)
        if user is None:
            raise _gateway_error(_UNAUTHORIZED, "Unauthorized", rules)
        if user in self._denied:
            raise ErrorResponse(4000, "Not authorized. Access is denied!", status=_FORBIDDEN)

    def token_response(self, body: object, rules: Rules) -> web.Response:
        """Return the response of ``POST /v3/oauth/token/generate``: a new token each time, or 320001."""
        fields = body if isinstance(body, dict) else {}
        client, secret = fields.get("key"), fields.get("secret")
        if not isinstance(client, str) or secret is None or self._clients.get(client) != secret:
            error = {"code": 320001, "message": "Invalid client key and secret"}
            return json_response({"data": None, "errors": [error]}, status=rules.token_error_status)
        self.tokens_issued += 1
        token = f"sandbox.{hashlib.sha256(f'{client}{self.tokens_issued}'.encode()).hexdigest()}.{self.tokens_issued}"
        self._tokens[token] = (client, self._clock() + rules.token_ttl)
        stated_ttl = rules.token_ttl if rules.stated_token_ttl is None else rules.stated_token_ttl
        return json_response({"data": {"accessToken": token, "ttlSeconds": stated_ttl}, "errors": None})

    def expire_tokens(self) -> None:
        """Expire every token issued so far: 498."""
        self._tokens = {token: (client, float("-inf")) for token, (client, _) in self._tokens.items()}

    def revoke_tokens(self) -> None:
        """Forget every token issued so far: 401."""
        self._tokens = {}


def _basic(user: str, password: str) -> str:
    digest = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()
    return "Basic " + base64.b64encode(f"{user}:{digest}".encode()).decode()


def _gateway_error(code: int, message: str, rules: Rules) -> GatewayErrorResponse:
    return GatewayErrorResponse(code, message, status=rules.gateway_status or code)
