"""What went wrong, from an answer that is no success: the error of ours that fits best.

Envelopes: ``errors`` of v2 and of the token endpoint, whatever the HTTP status; ``response.status`` of v1.1, which the
gateway uses; any other body goes by its HTTP status. The service's texts are kept in one line, cut short, and without
the customer's identifier.
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
    ConfigurationError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
)

if TYPE_CHECKING:
    from datetime import datetime

    from capledger._sansio.response import Response

#: "There are no ledger entries": an empty answer, not an error.
NO_ENTRIES: Final = 11003

_UNAUTHENTICATED: Final = frozenset({401, 498, 320001})
_FORBIDDEN: Final = frozenset({403, 4000})
_TOO_MANY: Final = 429
_AUTHORIZATION_UNAVAILABLE: Final = 4001

_MISPLACED: Final = {
    404: "there is no such address here (HTTP 404): check base_url",
    405: "the address does not take this method (HTTP 405): check base_url, and what stands between",
    415: "the address does not take this content type (HTTP 415): check base_url, and what stands between",
}

_LONGEST_TEXT: Final = 300
#: Identifiers shorter than this are only taken out as whole words: "12" stands in many numbers.
_SHORT: Final = 6


@frozen
class Failure:
    """One item of an answer's ``errors``, or the status of a v1.1 envelope."""

    #: None where the item has no readable code.
    code: int | None
    message: str = ""


def _core(subject: str) -> str:
    return subject.strip().removeprefix("+")


@frozen
class Scrubber:
    """Takes a customer's identifier out of the service's texts, also where it is percent-encoded or in other case."""

    _subject: str = field(repr=False, converter=_core)

    def __call__(self, text: str) -> str:
        """Return the text in one line, of bounded length, without the identifier."""
        line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
        if self._subject:
            line = _pattern(self._subject).sub("<identifier>", line)
        return line if len(line) <= _LONGEST_TEXT else line[:_LONGEST_TEXT] + "..."


def _pattern(subject: str) -> re.Pattern[str]:
    letters = "".join(_any_spelling(letter) for letter in subject)
    if len(subject) < _SHORT:
        letters = rf"(?<!\w){letters}(?!\w)"
    return re.compile(letters, re.IGNORECASE)


def _any_spelling(letter: str) -> str:
    encoded = "".join(f"%{byte:02x}" for byte in letter.encode("utf-8", "surrogatepass"))
    blank = r"|\+" if letter == " " else ""
    return f"(?:{re.escape(letter)}|{encoded}{blank})"


def failures_in(document: object) -> list[Failure]:
    """Return the failures that a JSON answer tells of, none for a success."""
    if not isinstance(document, dict):
        return []
    errors = document.get("errors")
    if errors:
        return [_failure(item) for item in (errors if isinstance(errors, list) else [errors])]
    return _gateway_failures(document.get("response"))


def _failure(item: object) -> Failure:
    if not isinstance(item, dict):
        return Failure(None, item if isinstance(item, str) else "")
    message = item.get("message")
    return Failure(_code(item.get("code")), message if isinstance(message, str) else "")


def _gateway_failures(response: object) -> list[Failure]:
    """Read a v1.1 envelope, where ``success`` can be "true" on failures: only the code tells."""
    status = response.get("status") if isinstance(response, dict) else None
    if not isinstance(status, dict):
        return []
    failure = _failure(status)
    return [] if failure.code in range(200, 300) else [failure]


def _code(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value, re.ASCII):
        return int(value)
    return None


def refusal(answer: Response, failures: list[Failure], scrub: Scrubber, now: datetime) -> CapledgerError | None:
    """Return the error that an answer stands for, None for a success and for "no entries"."""
    failures = [failure for failure in failures if failure.code != NO_ENTRIES] or failures[:1]
    if not failures:
        return _by_status(answer, None, now)
    if failures[0].code == NO_ENTRIES:
        return None
    return _by_failure(answer, failures, scrub, now)


def _by_failure(answer: Response, failures: list[Failure], scrub: Scrubber, now: datetime) -> CapledgerError | None:
    code = failures[0].code
    text = scrub("; ".join(failure.message for failure in failures if failure.message))
    settled = _settled(answer, text, code, now)
    if settled is not None:
        return settled
    error_class = ERROR_CLASSES.get(code or 0, ApiError)
    return error_class(text or "the service refused without a reason", code or 0, answer.status, answer.request_id)


def _settled(answer: Response, text: str, code: int | None, now: datetime) -> CapledgerError | None:
    """Return the error for what status or code settle by themselves: rate, credentials, rights, a failing service.

    What the service says of wrong credentials is not repeated: it may name them.
    """
    status, request_id = answer.status, answer.request_id
    told = f": {text}" if text else ""
    if _TOO_MANY in (status, code):
        return RateLimitedError(f"the service refused for the rate{told}", answer.retry_after(now), request_id)
    if status in _UNAUTHENTICATED or code in _UNAUTHENTICATED:
        text = f"the credentials or the token were refused (HTTP {status}, code {code})"
        return AuthenticationError(text, status, code, request_id)
    if status in _FORBIDDEN or code in _FORBIDDEN:
        return PermissionDeniedError(f"the credentials may not read this{told}", status, code, request_id)
    if code == _AUTHORIZATION_UNAVAILABLE or code in range(500, 600):
        return ServerError(f"the service failed{told}", status, code, request_id)
    return None


def _by_status(answer: Response, code: int | None, now: datetime) -> CapledgerError | None:
    status = answer.status
    if answer.successful:
        return None
    if settled := _settled(answer, "", code, now):
        return settled
    if status in _MISPLACED:
        return ConfigurationError(_MISPLACED[status])
    return ServerError(_without_reason(status), status, None, answer.request_id)


def _without_reason(status: int) -> str:
    if status in range(300, 400):
        return f"the address redirects elsewhere (HTTP {status}), which is not followed: check base_url"
    if status >= 500:  # noqa: PLR2004 - the status class itself
        return f"the service failed (HTTP {status})"
    return f"the service refused without a code of the API's (HTTP {status})"
