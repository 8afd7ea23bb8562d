"""Where a walk stands, as a short string that another process can go on from.

A cursor holds ranks, dates and counts, no identifier. It is bound to its query by 24 bits of a hash over everything
that decides which entries come back: enough to refuse another customer's cursor, far too few to tell whose it is
(about one in seventeen million identifiers fits).
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Literal

from attrs import define

from capledger.errors import InvalidQueryError
from capledger.walk.server_profile import OffsetRule
from capledger.walk.windows import Window

if TYPE_CHECKING:
    from capledger.queries import LedgerQuery

_VERSION = 1
_EPOCH = datetime(2000, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


@define(kw_only=True)
class Place:
    """A place in a listing: the row to give next, and what was known of the listing then."""

    #: None: the whole history.
    window: Window | None
    next_rank: int
    snapshot: int
    total: int
    #: The order in which the server gives rows; "mixed" where it has none.
    direction: Literal["asc", "desc", "mixed"]


@define(kw_only=True)
class Cursor:
    """A place in a walk; ``place`` is None before its first entry."""

    #: The end of the span in the server's local time, as it was fixed when the walk began.
    end: datetime
    #: Entries given up to here.
    given: int = 0
    place: Place | None = None
    #: How ``offset`` counts, once proven.
    offset_rule: OffsetRule | None = None
    #: Rows a page and days a window that the server accepts, as far as it has said.
    page_cap: int | None = None
    span_days: int = 90
    #: The newest window and its rows when the walk began, where it is still ahead.
    newest: tuple[datetime, int] | None = None

    def encode(self, query: LedgerQuery) -> str:
        """Give the cursor as URL-safe text of some 150 characters."""
        place, newest = self.place, self.newest
        content: list[Any] = [_VERSION, fingerprint(query), _ticks(self.end), self.given, self.offset_rule]
        content += [self.page_cap, self.span_days]
        content.append(newest and [_ticks(newest[0]), newest[1]])
        if place is not None:
            window = place.window and [_ticks(place.window.start), _ticks(place.window.end)]
            content += [window, place.next_rank, place.snapshot, place.total, place.direction]
        text = json.dumps(content, separators=(",", ":"))
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, query: LedgerQuery) -> Cursor:
        """Read a cursor back; refuse what is none, or was made for another query."""
        try:
            content = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
            version, print_, end, given, rule, page_cap, span_days, newest, *place = content
            cursor = cls(
                end=_moment(end),
                given=_at_least(0, given),
                offset_rule=rule if rule in {"page", "index"} else None,
                page_cap=None if page_cap is None else _at_least(1, page_cap),
                span_days=_at_least(1, span_days),
                newest=newest and (_moment(newest[0]), _at_least(0, newest[1])),
                place=_place(*place) if place else None,
            )
        except (ValueError, TypeError, OverflowError, RecursionError, IndexError):
            raise InvalidQueryError(
                "resume_from is not a cursor of this library: pass walk.cursor, or the .cursor of an error, as it was"
            ) from None
        if version != _VERSION:
            raise InvalidQueryError(
                f"resume_from is of format {version!r} and this release reads format {_VERSION}: begin the walk anew"
            )
        if print_ != fingerprint(query):
            raise InvalidQueryError(
                "resume_from belongs to another query: resume with the customer, filters, dates and order of then"
            )
        return cursor


def fingerprint(query: LedgerQuery) -> str:
    """Give 24 bits that tell one query from another, without telling whose it is."""
    content = repr((type(query).__name__, query.fingerprint_fields()))
    return blake2b(content.encode(), digest_size=3, person=b"capledger").hexdigest()


def _place(window: list[int] | None, next_rank: int, snapshot: int, total: int, direction: str) -> Place:
    between = Window(_moment(window[0]), _moment(window[1])) if window else None
    numbers = {
        "next_rank": _at_least(-1, next_rank),
        "snapshot": _at_least(0, snapshot),
        "total": _at_least(0, total),
    }
    match direction:
        case "asc" | "desc" | "mixed":
            return Place(window=between, direction=direction, **numbers)
    raise ValueError(direction)


def _at_least(least: int, number: object) -> int:
    if not isinstance(number, int) or number < least:
        raise ValueError(number)
    return number


def _ticks(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(ticks: int) -> datetime:
    return _EPOCH + ticks * _MICROSECOND
