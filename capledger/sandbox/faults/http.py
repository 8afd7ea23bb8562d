"""Faults of one response: its status, headers, envelope or body."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

from aiohttp import web

from capledger.sandbox.faults.context import Fault, FaultContext
from capledger.sandbox.responses import GatewayErrorResponse, body_of, error_item, json_response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TRANSIENT_STATUSES: Final = (
    *(408, 425, 429, 460, 461, 500, 502, 503, 504, 520, 521),
    *(522, 523, 524, 525, 529, 530),
)
_BACKEND_FAILURES: Final = (
    "Error fetching points ledger data : Read timed out",
    "getExplodeLedgerInfo failed and fallback failed",
    "Error fetching points ledger data : Connection refused",
)
#: Codes that no page of the vendor has, with the HTTP status.
_UNKNOWN_CODES: Final = ((9999, 500), (500, 502), (777_001, 503))
_HTML: Final = "<!DOCTYPE html><html><head><title>Attention Required!</title></head><body><h1>502</h1></body></html>"


def _fixed(name: str, make: Callable[[], web.Response]) -> Fault:
    """Respond with what ``make`` returns, called each time: a response can be sent only once."""

    async def respond(_: FaultContext) -> web.Response:
        return make()

    return Fault(name, respond)


def status(
    code: int, body: bytes | str = b"", *, headers: Mapping[str, str] | None = None, content_type: str = "text/plain"
) -> Fault:
    """Respond with an HTTP status and any body."""
    content = body.encode() if isinstance(body, str) else body
    fields = {"Content-Type": content_type, **(headers or {})}
    return _fixed(f"status {code}", lambda: web.Response(status=code, body=content, headers=fields))


def too_many(retry_after: str | None = None) -> Fault:
    """Respond with HTTP 429, and this ``Retry-After`` if any."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return status(429, "Too many requests", headers=headers)


def api_error(code: int, message: str = "Rejected by the sandbox", *, http_status: int = 400) -> Fault:
    """Respond with one item of ``errors`` and any HTTP status (200 too)."""
    return _fixed(
        f"api error {code}", lambda: json_response({"errors": [error_item(code, message)]}, status=http_status)
    )


def gateway_error(code: int, message: str = "Unauthorized", *, http_status: int | None = None) -> Fault:
    """Respond with an error in the envelope of v1.1, such as 401 or 498; the HTTP status is the code by default."""
    return _fixed(
        f"gateway error {code}",
        lambda: GatewayErrorResponse(code, message, status=http_status or code).response(),
    )


def transient_errors() -> tuple[Fault, ...]:
    """
    Return one fault for each failure that passes, after which the same request may succeed.

    The statuses of gateways and load balancers, those of the vendor's error code pages (460, 461, 520, 521), the codes
    9003 and 11016 with messages of a failed backend, whatever the HTTP status is, and unknown codes with a 5xx.
    """
    return (
        *(status(code) for code in _TRANSIENT_STATUSES),
        *(api_error(9003, text, http_status=code) for text in _BACKEND_FAILURES for code in (200, 400, 500, 503)),
        *(api_error(11016, text, http_status=code) for text in _BACKEND_FAILURES for code in (200, 400, 500)),
        *(api_error(code, "Something went wrong", http_status=code_5xx) for code, code_5xx in _UNKNOWN_CODES),
    )


def html(code: int = 200) -> Fault:
    """Respond with an HTML page, as an edge server does."""
    return status(code, _HTML, content_type="text/html")


def redirect(url: str, code: int = 302) -> Fault:
    """Redirect to another address."""
    return status(code, headers={"Location": url})


def json_body(body: object) -> Fault:
    """Respond with valid JSON of any shape and HTTP 200."""
    return _fixed("json_body", lambda: json_response(body))


def text_body(body: bytes | str) -> Fault:
    """Respond with any bytes as ``application/json`` and HTTP 200."""
    return status(200, body, content_type="application/json")


def garbage(seed: int = 0, size: int = 512) -> Fault:
    """Respond with random bytes as ``application/json``."""
    return text_body(Random(seed).randbytes(size))


def deep(levels: int = 100_000) -> Fault:
    """Respond with nested lists: valid JSON that exceeds the stack of a recursive parser."""
    return text_body(b"[" * levels + b"]" * levels)


def nan() -> Fault:
    """Put NaN in place of the first net amount: not JSON, but printed by some encoders."""

    async def respond(context: FaultContext) -> web.Response:
        response = await context.regular_response()
        head, key, rest = body_of(response).partition(b'"netPointsOnEvent":')
        _, quote, rest = rest.partition(b'",')
        return _with_body(response, head + key + b"NaN," + rest if quote else head)

    return Fault("nan", respond)


def _with_body(response: web.Response, body: bytes) -> web.Response:
    return web.Response(body=body, status=response.status, content_type=response.content_type)


def wrong_content_type(content_type: str = "text/plain") -> Fault:
    """Send the regular body under another content type."""

    async def respond(context: FaultContext) -> web.Response:
        response = await context.regular_response()
        return web.Response(body=body_of(response), status=response.status, content_type=content_type)

    return Fault("wrong_content_type", respond)
