"""One HTTP response as the transport hands it on, and what its headers say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from attrs import define, field

#: Header names of the request id in the service's own logs; both spellings are documented.
_REQUEST_ID_HEADERS: Final = ("x-cap-requestid", "x-cap-request-id")

_SUCCESS: Final = range(200, 300)

_MAX_REQUEST_ID_LENGTH: Final = 100

#: ``Retry-After`` in seconds; fractions are not standard, and are sent all the same.
_SECONDS: Final = re.compile(r"\d+(?:\.\d*)?", re.ASCII)
_MAX_RETRY_AFTER: Final = 999_999_999.0

#: Bodies of up to this many bytes are decoded in less time than one iteration of the event loop takes.
_DECODE_AT_ONCE_BYTES: Final = 8 * 1024


@define
class Response:
    """Status, headers and the complete body of a response."""

    status: int
    """HTTP status."""
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the HTTP status is 2xx; the body can still hold errors."""
        return self.status in _SUCCESS

    @property
    def can_decode_later(self) -> bool:
        """Whether decoding may wait until the value is wanted: the body is large and hardly an error or broken.

        A page ends with a list or an object of its own; a body cut off behind a row ends with a value of the row.
        """
        return len(self.body) > _DECODE_AT_ONCE_BYTES and self.is_success and _ends_like_a_page(self.body)

    @property
    def request_id(self) -> str | None:
        """Id that the service gave to the request, for its support; None where the response has none."""
        ids = [value for name in _REQUEST_ID_HEADERS if (value := self.header(name))]
        return ids[0][:_MAX_REQUEST_ID_LENGTH] if ids and ids[0].isprintable() else None

    def header(self, name: str) -> str:
        """Return a header's value whatever the case of its name, "" where absent; ``name`` in lower case."""
        return next((value.strip() for key, value in self.headers.items() if key.lower() == name), "")

    def retry_after(self, now: datetime) -> float | None:
        """Return the seconds that ``Retry-After`` states, as a number or a date; None without a usable one.

        A date is compared with the response's own ``Date`` where there is one, so a wrong local clock does no harm.
        """
        value = self.header("retry-after")
        if _SECONDS.fullmatch(value):
            return min(float(value), _MAX_RETRY_AFTER)
        until = _http_date(value)
        if until is None:
            return None
        return max(0.0, (until - (_http_date(self.header("date")) or now)).total_seconds())


def _ends_like_a_page(body: bytes) -> bool:
    return body[-10:].rstrip().endswith((b"]}", b"}}"))


def _http_date(value: str) -> datetime | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - takes time to import, and dates are rare

    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
