"""Answers that refuse: the envelopes of the API's errors, and the codes that a request can provoke."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def json_answer(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An ``application/json`` answer with this body, encoded at once."""
    return web.Response(
        body=_ENCODER.encode(body), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )


def notice(code: int, message: str) -> dict[str, Any]:
    """One item of ``errors`` or ``warnings``, which have the same shape."""
    return {"status": False, "code": code, "message": message}


class Refusal(Exception):  # noqa: N818  # it is an answer of the server, not a failure of it
    """Raised anywhere in a handler: the request is answered with this code in ``errors``."""

    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def answer(self) -> web.Response:
        """The v2 envelope (``{"errors": [...]}``)."""
        return json_answer({"errors": [notice(self.code, self.message)]}, status=self.status)


class GatewayRefusal(Refusal):
    """A refusal of the gateway, which answers in the envelope of v1.1 (code 401, 403 or 498)."""

    def answer(self) -> web.Response:
        """The v1.1 envelope; ``"success": "true"`` on a failure is what the documents print."""
        status = {"success": "true", "code": str(self.code), "message": self.message}
        return json_answer({"response": {"status": status, "customers": None}}, status=self.status)
