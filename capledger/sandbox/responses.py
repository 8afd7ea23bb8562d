"""Responses in JSON, and the envelopes of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from capledger.sandbox.serialization import encode_json

if TYPE_CHECKING:
    from collections.abc import Mapping


def json_response(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an ``application/json`` response with this body."""
    return web.Response(
        body=encode_json(body), status=status, headers=headers, content_type="application/json", charset="utf-8"
    )


def body_of(response: web.Response) -> bytes:
    """Return the body of a response of the sandbox."""
    body = response.body
    if not isinstance(body, bytes):
        raise TypeError("responses of the sandbox have bytes as their body")
    return body


def error_item(code: int, message: str) -> dict[str, Any]:
    """Return an item of ``errors`` or ``warnings``, which have the same shape."""
    return {"status": False, "code": code, "message": message}


class ErrorResponse(Exception):  # noqa: N818 - a response of the server, not a failure of it
    """Raised anywhere in a handler to respond with this code in ``errors``."""

    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def response(self) -> web.Response:
        """Return the v2 envelope (``{"errors": [...]}``)."""
        return json_response({"errors": [error_item(self.code, self.message)]}, status=self.status)


class GatewayErrorResponse(ErrorResponse):
    """An error of the gateway, which uses the envelope of v1.1 (code 401, 403 or 498)."""

    def response(self) -> web.Response:
        """Return the v1.1 envelope; the vendor's error responses have ``"success": "true"`` too."""
        status = {"success": "true", "code": str(self.code), "message": self.message}
        return json_response({"response": {"status": status, "customers": None}}, status=self.status)
