"""Responses decoded into pages, or the right error; no I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from capledger._sansio import fast
from capledger._sansio.api_errors import NO_ENTRIES, Scrubber, api_error, error_items
from capledger._sansio.json import MalformedJsonError, NotJsonError, parse_json, without_lone_surrogates
from capledger.errors import CapledgerError, DecodeError, ServerError
from capledger.models import BalancePage, EventsPage, LedgerPage, Notice

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from capledger._sansio.requests import PageT, Request
    from capledger._sansio.response import Response
    from capledger._sansio.tolerant import TolerantDecoder

#: The key that an empty response is said to lack.
_ESSENTIAL_KEY: Final[dict[type, str]] = {
    LedgerPage: "ledgerEntries",
    EventsPage: "events",
    BalancePage: "ledgerDetails",
}

#: Number of problems in the message of a DecodeError; all of them are in its ``paths``.
_MAX_SHOWN: Final = 3


#: Message of the warning that stands for all strings of a response.
_SURROGATE_REPLACED: Final = (
    "half of a surrogate pair in the response was replaced by U+FFFD; page.raw has it as it came"
)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Decoder:
    """Decodes the responses of one session.

    Args:
        timezone: zone of the service's dates without one; None makes such dates a ConfigurationError.
        now: returns the current date and time, aware, for ``Retry-After`` dates of responses without a ``Date``.
    """

    def __init__(self, timezone: tzinfo | None, *, now: Callable[[], datetime] = _utc_now) -> None:
        self._timezone = timezone
        self._now = now

    @cached_property
    def _tolerant(self) -> TolerantDecoder:
        from capledger._sansio.tolerant import TolerantDecoder  # noqa: PLC0415 - few responses need cattrs

        return TolerantDecoder(self._timezone)

    def decode(self, request: Request[PageT], response: Response) -> PageT:
        """Return the page that a request was sent for.

        Raises:
            CapledgerError: the error that the response stands for; nothing else.
        """
        model, is_success = request.response_type, response.is_success
        page = fast.decode(model, response.body, self._timezone) if is_success else None
        if page is None or not _has_rows(page):
            page = self._decode_tolerantly(model, response, Scrubber(request.subject))
        for notice in page.warnings:
            notice.message = Scrubber(request.subject)(notice.message)
        page.raw = response.body
        return page

    def _decode_tolerantly(self, model: type[PageT], response: Response, scrub: Scrubber) -> PageT:
        body = without_lone_surrogates(response.body)
        document, parse_error = _parsed(response, body)
        items = error_items(document)
        error = api_error(response, items, scrub, self._now()) or parse_error
        if error is not None:
            raise error
        page, problems = self._tolerant.decode(model, document)
        if page is None:
            raise _decode_error(problems, scrub, response.request_id)
        page.warnings += [Notice(item.code, item.message, status=False) for item in items]
        if body is not response.body:
            page.warnings.append(Notice(None, _SURROGATE_REPLACED, status=False))
        if not _has_content(document, page):
            raise _decode_error([f"$.{_ESSENTIAL_KEY[model]}: missing"], scrub, response.request_id)
        return page


def _parsed(response: Response, body: bytes) -> tuple[Any, CapledgerError | None]:
    """Return the JSON value of the body, or the error for a body without one."""
    try:
        return parse_json(body), None
    except NotJsonError:
        message = f"the response is not JSON (HTTP {response.status}): a proxy's page, or cut off"
        return None, ServerError(message, response.status, None, response.request_id)
    except MalformedJsonError as error:
        return None, _decode_error([f"$: {error}"], Scrubber(""), response.request_id)


def _has_rows(page: LedgerPage | EventsPage | BalancePage) -> bool:
    if isinstance(page, LedgerPage):
        return bool(page.entries)
    return bool(page.events if isinstance(page, EventsPage) else page.balances)


def _has_content(document: object, page: LedgerPage | EventsPage | BalancePage) -> bool:
    """Return whether a document is a page at all: ``{}`` is not."""
    if NO_ENTRIES in {notice.code for notice in page.warnings}:
        return True
    body = document if isinstance(document, dict) else {}
    if isinstance(page, EventsPage):
        return "events" in body
    if isinstance(page, BalancePage):
        return page.details is not None
    return body.get("ledgerEntries") is not None or page.details is not None


def _decode_error(problems: list[str], scrub: Scrubber, request_id: str | None) -> DecodeError:
    paths = tuple(map(scrub, problems))
    more = f"; and {len(paths) - _MAX_SHOWN} more" if len(paths) > _MAX_SHOWN else ""
    message = f"the response is not of the documented shape: {'; '.join(paths[:_MAX_SHOWN])}{more}"
    return DecodeError(message, paths, request_id)
