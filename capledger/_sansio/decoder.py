"""From an answer to what was asked for, or to the right error; no I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from cattrs import BaseValidationError

from capledger._sansio import fast
from capledger._sansio.api_errors import NO_ENTRIES, Scrubber, failures_in, refusal
from capledger._sansio.dates import ZONE_NEEDED, ZoneNeededError
from capledger._sansio.json import NotJsonError, UnreadableError, parse_json
from capledger._sansio.response import Response
from capledger._sansio.tolerant import UnexpectedError, describe, make_converter, problems
from capledger.errors import CapledgerError, ConfigurationError, DecodeError, ServerError
from capledger.models import EventsPage, LedgerPage, Notice

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import tzinfo

    from cattrs import Converter

    from capledger._sansio.requests import Request

    #: Where in the answer, and what is wrong there.
    Problem = tuple[str, Exception]

__all__ = ["Decoder", "Response"]

T = TypeVar("T")

#: The key that is named when an answer says nothing.
_ESSENTIAL: Final[dict[type, str]] = {LedgerPage: "ledgerEntries", EventsPage: "events"}

#: Problems that stand in the message of a DecodeError; all of them are in its ``paths``.
_SHOWN: Final = 3


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Decoder:
    """Reads the answers of one session.

    Args:
        timezone: zone of the service's dates that name none; None refuses such dates with a ConfigurationError.
        now: tells the time, aware, for ``Retry-After`` dates of answers without a ``Date``.
    """

    def __init__(self, timezone: tzinfo | None, *, now: Callable[[], datetime] = _utc_now) -> None:
        self._timezone = timezone
        self._now = now

    @cached_property
    def _converter(self) -> Converter:
        return make_converter(self._timezone)

    def decode(self, request: Request[T], answer: Response) -> T:
        """Return what ``request`` asked for; raises the :class:`CapledgerError` that fits and nothing else."""
        scrub = Scrubber(request.subject)
        page: Any = self._quickly(request.answer, answer)
        if page is None:
            page = self._patiently(request.answer, answer, scrub)
        for notice in page.warnings:
            notice.message = scrub(notice.message)
        page.raw = answer.body
        return cast("T", page)

    def _quickly(self, model: type, answer: Response) -> object:
        page: Any = fast.read(model, answer.body, self._timezone) if answer.successful else None
        return page if page is not None and _has_rows(page) else None

    def _patiently(self, model: type, answer: Response, scrub: Scrubber) -> object:
        document, trouble = _parsed(answer)
        failures = failures_in(document)
        error = refusal(answer, failures, scrub, self._now()) or trouble
        if error is not None:
            raise error
        page, found = self._structure(model, document)
        page.warnings += [Notice(failure.code, failure.message, status=False) for failure in failures]
        if not found and not _says_something(document, page):
            found = [(f"$.{_ESSENTIAL[model]}", KeyError())]
        if found:
            raise _decode_error(found, scrub, answer.request_id)
        return page

    def _structure(self, model: type, document: object) -> tuple[Any, list[Problem]]:
        """Return the page in a document, or an empty one and what is wrong with the document."""
        try:
            return self._converter.structure(document, model), []
        except BaseValidationError as error:
            return model(), list(problems(error))
        except UnexpectedError as error:
            return model(), [("$", error)]
        except RecursionError:
            return model(), [("$", UnreadableError("nested too deeply"))]


def _parsed(answer: Response) -> tuple[object, CapledgerError | None]:
    """Return the body's JSON value, or why there is none."""
    try:
        return parse_json(answer.body), None
    except NotJsonError:
        text = f"the answer is not JSON (HTTP {answer.status}): a page of something before the service, or cut off"
        return None, ServerError(text, answer.status, None, answer.request_id)
    except UnreadableError as error:
        return None, _decode_error([("$", error)], Scrubber(""), answer.request_id)


def _has_rows(page: LedgerPage | EventsPage) -> bool:
    return bool(page.events if isinstance(page, EventsPage) else page.entries)


def _says_something(document: object, page: LedgerPage | EventsPage) -> bool:
    """Return whether a body is an answer at all: ``{}`` is not one."""
    if NO_ENTRIES in {notice.code for notice in page.warnings}:
        return True
    body = document if isinstance(document, dict) else {}
    if isinstance(page, EventsPage):
        return "events" in body
    return body.get("ledgerEntries") is not None or page.details is not None


def _decode_error(found: list[Problem], scrub: Scrubber, request_id: str | None) -> CapledgerError:
    if any(isinstance(error, ZoneNeededError) for _, error in found):
        return ConfigurationError(ZONE_NEEDED)
    paths = tuple(scrub(describe(path, error)) for path, error in found)
    more = f"; and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    text = f"the answer is not of the documented shape: {'; '.join(paths[:_SHOWN])}{more}"
    return DecodeError(text, paths, request_id)
