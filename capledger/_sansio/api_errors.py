"""The service's error envelopes, mapped to the most specific error of ours.

Envelopes: ``errors`` of v2 and of the token endpoint, whatever the HTTP status; ``response.status`` of v1.1, which the
gateway uses; any other body is judged by its HTTP status. The service's messages are kept on one line, cut short, and
without the customer's identifier.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from capledger.errors import (
    ERROR_CLASSES,
    ApiError,
    AuthenticationError,
    CapledgerError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
)

if TYPE_CHECKING:
    from datetime import datetime

    from capledger._sansio.response import Response

#: "There are no ledger entries": an empty response, not an error.
NO_ENTRIES: Final = 11003

_UNAUTHENTICATED: Final = frozenset({401, 498, 320001})
_FORBIDDEN: Final = frozenset({403, 4000})
_TOO_MANY_REQUESTS: Final = 429
_AUTHORIZATION_UNAVAILABLE: Final = 4001

#: Statuses of a wrong base_url, or of a proxy that fails for one request.
WRONG_URL: Final = {
    404: "the service has no such path (HTTP 404): check base_url",
    405: "the path does not accept this method (HTTP 405): check base_url and any proxy",
    415: "the path does not accept this content type (HTTP 415): check base_url and any proxy",
}

_MAX_MESSAGE_LENGTH: Final = 300
#: Identifiers shorter than this are removed only as whole words: "12" is part of many numbers.
_SHORT_IDENTIFIER: Final = 6


@frozen
class ErrorItem:
    """One item of a response's ``errors``, or the status of a v1.1 envelope."""

    code: int | None
    """The API's code, None where the item has none."""
    message: str = ""


def _core(subject: str) -> str:
    return subject.strip().removeprefix("+")


@frozen
class Scrubber:
    """Removes a customer's identifier from the service's messages, also percent-encoded or in another case."""

    _subject: str = field(repr=False, converter=_core)

    def __call__(self, message: str) -> str:
        """Return the message on one line, of bounded length, without the identifier."""
        line = " ".join("".join(letter if letter.isprintable() else " " for letter in message).split())
        if self._subject:
            line = _pattern(self._subject).sub("<identifier>", line)
        return line if len(line) <= _MAX_MESSAGE_LENGTH else line[:_MAX_MESSAGE_LENGTH] + "..."


def _pattern(subject: str) -> re.Pattern[str]:
    letters = "".join(_any_spelling(letter) for letter in subject)
    if len(subject) < _SHORT_IDENTIFIER:
        letters = rf"(?<!\w){letters}(?!\w)"
    return re.compile(letters, re.IGNORECASE)


def _any_spelling(letter: str) -> str:
    encoded = "".join(f"%{byte:02x}" for byte in letter.encode("utf-8", "surrogatepass"))
    blank = r"|\+" if letter == " " else ""
    return f"(?:{re.escape(letter)}|{encoded}{blank})"


def error_items(document: object) -> list[ErrorItem]:
    """Return the errors that a JSON document states, none for a success."""
    if not isinstance(document, dict):
        return []
    errors = document.get("errors")
    if errors:
        return [_error_item(item) for item in (errors if isinstance(errors, list) else [errors])]
    return _gateway_items(document.get("response"))


def _error_item(item: object) -> ErrorItem:
    if not isinstance(item, dict):
        return ErrorItem(None, item if isinstance(item, str) else "")
    message = item.get("message")
    return ErrorItem(_code(item.get("code")), message if isinstance(message, str) else "")


def _gateway_items(response: object) -> list[ErrorItem]:
    """Return the error of a v1.1 envelope by its code; ``success`` can be "true" on errors."""
    status = response.get("status") if isinstance(response, dict) else None
    if not isinstance(status, dict):
        return []
    item = _error_item(status)
    return [] if item.code in range(200, 300) else [item]


def _code(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value, re.ASCII):
        return int(value)
    return None


def api_error(response: Response, items: list[ErrorItem], scrub: Scrubber, now: datetime) -> CapledgerError | None:
    """Return the error that a response stands for, None for a success and for "no entries".

    Args:
        response: status and headers.
        items: as :func:`error_items` returned them.
        scrub: removes the identifier from the service's messages.
        now: current date and time, aware, for ``Retry-After`` dates.
    """
    items = [item for item in items if item.code != NO_ENTRIES] or items[:1]
    if not items:
        return None if response.is_success else _status_error(response, now)
    if items[0].code == NO_ENTRIES:
        return None
    return _code_error(response, items, scrub, now)


def _code_error(response: Response, items: list[ErrorItem], scrub: Scrubber, now: datetime) -> CapledgerError:
    code = items[0].code
    message = scrub("; ".join(item.message for item in items if item.message))
    general = _general_error(response, message, code, now)
    if general is not None:
        return general
    error_class = ERROR_CLASSES.get(code or 0, ApiError)
    message = message or "the service returned an error without a message"
    return error_class(message, code or 0, response.status, response.request_id)


def _general_error(response: Response, message: str, code: int | None, now: datetime) -> CapledgerError | None:
    """Return the error of status or code alone: rate limit, credentials, permissions, a failing service.

    The service's message about wrong credentials is not repeated: it may contain them.
    """
    status, request_id = response.status, response.request_id
    detail = f": {message}" if message else ""
    if _TOO_MANY_REQUESTS in (status, code):
        return RateLimitedError(f"the service's rate limit was exceeded{detail}", response.retry_after(now), request_id)
    if status in _UNAUTHENTICATED or code in _UNAUTHENTICATED:
        message = f"the credentials or the token were refused (HTTP {status}, code {code})"
        return AuthenticationError(message, status, code, request_id)
    if status in _FORBIDDEN or code in _FORBIDDEN:
        return PermissionDeniedError(f"the credentials may not read this{detail}", status, code, request_id)
    if code == _AUTHORIZATION_UNAVAILABLE or code in range(500, 600):
        return ServerError(f"the service failed{detail}", status, code, request_id)
    if code == status and status in WRONG_URL:  # the web server's, and not the API's
        return ServerError(WRONG_URL[status], status, code, request_id)
    return None


def _status_error(response: Response, now: datetime) -> CapledgerError:
    status = response.status
    if general := _general_error(response, "", None, now):
        return general
    return ServerError(_status_message(status), status, None, response.request_id)


def _status_message(status: int) -> str:
    if status in WRONG_URL:
        return WRONG_URL[status]
    if status in range(300, 400):
        return f"the service redirects elsewhere (HTTP {status}), which is not followed: check base_url"
    if status >= 500:  # noqa: PLR2004 - the status class itself
        return f"the service failed (HTTP {status})"
    return f"the service refused without a code of the API (HTTP {status})"
