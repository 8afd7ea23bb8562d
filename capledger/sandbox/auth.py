"""Who may ask: Basic credentials with a hashed password, and tokens of the OAuth endpoint."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from capledger.sandbox.responses import GatewayRefusal, Refusal, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from aiohttp import web

    from capledger.sandbox.rules import Rules

TOKEN_HEADER = "X-CAP-API-OAUTH-TOKEN"  # noqa: S105  # the header's name
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_EXPIRED = 498


class AuthGate:
    """Checks credentials, and hands out and forgets tokens."""

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
        #: Tokens handed out so far.
        self.issued = 0

    def admit(self, headers: Mapping[str, str], rules: Rules) -> None:
        """Let the request pass, or refuse: 401 and 498 in the v1.1 envelope, 403 with code 4000 or in that envelope."""
        token = headers.get(TOKEN_HEADER)
        if token is not None:
            self._admit_token(token, rules)
        else:
            self._admit_basic(headers.get("Authorization", ""), rules)

    def _admit_token(self, token: str, rules: Rules) -> None:
        if token not in self._tokens:
            raise _gateway(_UNAUTHORIZED, "Unauthorized", rules)
        client, ends = self._tokens[token]
        if self._clock() >= ends:
            raise _gateway(_EXPIRED, "Token expired at 2026-01-05T10:00:00.000+0000", rules)
        if client in self._denied:
            raise _gateway(_FORBIDDEN, "Client doesn't have access to the requested resource", rules)

    def _admit_basic(self, header: str, rules: Rules) -> None:
        user = self._basic.get(header)
        if user is None:
            raise _gateway(_UNAUTHORIZED, "Unauthorized", rules)
        if user in self._denied:
            raise Refusal(4000, "Not authorized. Access is denied!", status=_FORBIDDEN)

    def token(self, body: object, rules: Rules) -> web.Response:
        """The answer of ``POST /v3/oauth/token/generate``: a new token each time, or 320001."""
        given = body if isinstance(body, dict) else {}
        client, secret = given.get("key"), given.get("secret")
        if not isinstance(client, str) or secret is None or self._clients.get(client) != secret:
            error = {"code": 320001, "message": "Invalid client key and secret"}
            return json_answer({"data": None, "errors": [error]}, status=rules.token_refusal_status)
        self.issued += 1
        token = f"sandbox.{hashlib.sha256(f'{client}{self.issued}'.encode()).hexdigest()}.{self.issued}"
        self._tokens[token] = (client, self._clock() + rules.token_ttl)
        return json_answer({"data": {"accessToken": token, "ttlSeconds": rules.token_ttl}, "errors": None})

    def expire_tokens(self) -> None:
        """Every token handed out has reached its end: 498."""
        self._tokens = {token: (client, float("-inf")) for token, (client, _) in self._tokens.items()}

    def revoke_tokens(self) -> None:
        """Every token handed out is unknown: 401."""
        self._tokens = {}


def _basic(user: str, password: str) -> str:
    digest = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()
    return "Basic " + base64.b64encode(f"{user}:{digest}".encode()).decode()


def _gateway(code: int, message: str, rules: Rules) -> GatewayRefusal:
    return GatewayRefusal(code, message, status=rules.gateway_status or code)
