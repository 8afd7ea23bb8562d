"""One answer of the service as the transport hands it on, and what its headers tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from attrs import define, field

#: The request's id in the service's own logs; both spellings are documented.
_REQUEST_ID: Final = ("x-cap-requestid", "x-cap-request-id")

_LONGEST_ID: Final = 100

#: Bytes of an answer that is decoded in less time than a turn of the event loop takes.
_SOON_DECODED = 8 * 1024


@define
class Response:
    """Status, headers and the whole body of an answer."""

    #: HTTP status.
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def successful(self) -> bool:
        """Whether the HTTP status is one of success; the body can still hold errors."""
        return self.status in range(200, 300)

    @property
    def can_wait(self) -> bool:
        """Whether it may be decoded later, when it is wanted: it is large, and will hardly be refused or asked again.

        A page ends with a list or an object of its own; what was cut off behind a row ends with a value of the row.
        """
        return len(self.body) > _SOON_DECODED and self.successful and _ends_as_pages_do(self.body)

    @property
    def request_id(self) -> str | None:
        """The service's id of the request, for its support to look up; None where it gives none."""
        ids = [value for name in _REQUEST_ID if (value := self.header(name))]
        return ids[0][:_LONGEST_ID] if ids and ids[0].isprintable() else None

    def header(self, name: str) -> str:
        """Return a header whatever its case, "" if it is not there; ``name`` in lower case."""
        return next((value.strip() for key, value in self.headers.items() if key.lower() == name), "")

    def retry_after(self, now: datetime) -> float | None:
        """Return the seconds that ``Retry-After`` asks for, as a number or a date; None without a usable one.

        A date is compared with the answer's own ``Date`` where there is one, so that a wrong clock here does no harm.
        """
        text = self.header("retry-after")
        if text.isascii() and text.isdecimal():
            return float(text[:9])
        until = _http_date(text)
        if until is None:
            return None
        return max(0.0, (until - (_http_date(self.header("date")) or now)).total_seconds())


def _ends_as_pages_do(body: bytes) -> bool:
    return body[-10:].rstrip().endswith((b"]}", b"}}"))


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
