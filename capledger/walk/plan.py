"""Which listings answer a query with the fewest requests, and how far the walk has come through them.

Without dates the server answers the whole history in pages; with them, windows of 90 days at the most. A span of one
window is asked as that. For a longer one the first page of the history is asked: its total decides. Both give the
same entries. Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from capledger._sansio.requests import LedgerRequests
from capledger.errors import CapledgerError, LimitTooLargeError, PaginationError, SpanTooLongError
from capledger.queries import GroupLedgerQuery
from capledger.walk import windows
from capledger.walk.listing import Listing
from capledger.walk.ordering import same_row, shape_of
from capledger.walk.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from capledger._sansio.requests import Request
    from capledger.models import LedgerEntry, LedgerPage
    from capledger.queries import LedgerQuery
    from capledger.walk.batch import Batch
    from capledger.walk.cursor import Cursor, Place
    from capledger.walk.server_profile import ServerProfile
    from capledger.walk.windows import Span

_DAY = timedelta(days=1)


class PageKey(NamedTuple):
    """One page of one listing, in the cut that it was asked in."""

    listing: int
    generation: int
    number: int


class Course:
    """The listings of a walk, from the first entry wanted to the last."""

    def __init__(
        self,
        query: LedgerQuery,
        *,
        span: Span,
        facts: ServerProfile,
        tolerant: bool = False,
        resume: Cursor | None = None,
        unseen: int = 0,
    ) -> None:
        """Plan; ``unseen`` is how many pages to ask for beside the first before their number is known."""
        #: Whether each listing was given whole.
        self.proven = True
        #: Listings gone through.
        self.passed = 0
        #: Entries given, also before the walk was taken up again.
        self.given = resume.given if resume is not None else 0
        self._query = query
        self._requests = LedgerRequests(query)
        self._span = span
        self._facts = facts
        self._tolerant = tolerant
        self._unseen = unseen
        self._serial = 0
        self._open: dict[int, Listing] = {}
        self._newest: tuple[int, Listing] | None = None
        #: Windows still to be opened.
        self._coming: list[Window] = []
        self._deciding = False
        self._skip = 0
        self._last: LedgerEntry | None = None
        self._snapshots: dict[Window, int] = {}
        self._rows_stated = 0
        if not span.empty:
            self._begin(resume)

    def _begin(self, resume: Cursor | None) -> None:
        if resume is not None:
            self._facts.take_up(resume.offset_rule, resume.page_cap, resume.span_days)
        whole = self._span.whole_window()
        if resume is not None and resume.place is not None:
            self._take_up(resume, resume.place, whole)
        elif whole is None or self._facts.other_date or windows.count(whole, self._longest_single) > 1:
            self._open_listing(None)
            self._deciding = whole is not None and not self._facts.other_date
        else:
            self._open_listing(whole)

    def _take_up(self, resume: Cursor, place: Place, whole: Window | None) -> None:
        self._open_listing(place.window).resume(place)
        if place.window is None or whole is None:
            return
        ahead = (place.window.end, whole.end) if self._ascending else (whole.start, place.window.start)
        if resume.newest is not None and self._ascending:
            self._snapshots[Window(resume.newest[0], whole.end)] = resume.newest[1]
        self._plan_windows(Window(*ahead))

    @property
    def _ascending(self) -> bool:
        return self._query.order == "asc"

    @property
    def _longest_single(self) -> timedelta:
        """A span up to this long is asked as one window: a day less than the cap, for the seconds on both sides."""
        return max(timedelta(days=self._facts.span_days) - _DAY, windows.window_length(self._facts.span_days))

    # What is under way

    @property
    def finished(self) -> bool:
        """Whether nothing is left to ask for or to give."""
        return not self._open

    @property
    def held(self) -> int:
        """How many pages wait for their turn."""
        return sum([listing.held for listing in self._open.values()])

    @property
    def rows_stated(self) -> int:
        """Rows that the server states for all that was opened so far."""
        return self._rows_stated + sum([_stated(listing) for listing in self._open.values()])

    def wanted(self) -> Iterator[PageKey]:
        """Give the pages to ask for, the most urgent first; windows further on are opened as the caller goes on."""
        if self._newest is not None and self._newest[1].extent is None:
            yield from self._keys(*self._newest)
        for serial, listing in list(self._open.items()):
            yield from self._keys(serial, listing)
        while not self._deciding and self._open_next():
            serial, listing = next(reversed(self._open.items()))
            yield from self._keys(serial, listing)

    @staticmethod
    def _keys(serial: int, listing: Listing) -> Iterator[PageKey]:
        generation = listing.generation
        for number in listing.wanted():
            yield PageKey(serial, generation, number)

    def knows_what_follows(self, key: PageKey) -> bool:
        """Tell whether it is known without this page which come after it."""
        listing = self._find(key)
        return listing is not None and listing.extent is not None

    def request(self, key: PageKey) -> Request[LedgerPage]:
        """Give the request for a page that is wanted."""
        listing = self._find(key)
        if listing is None:
            raise LookupError(key)
        asked = listing.window.asked(self._span.zone) if listing.window is not None else (None, None)
        return self._requests.page(
            offset=listing.offset_of(key.number),
            limit=listing.page_size,
            order="ASC" if self._ascending else "DESC",
            start=asked[0],
            end=asked[1],
        )

    def _find(self, key: PageKey) -> Listing | None:
        """Give the listing of a page, unless it was given up or cut anew since the page was asked for."""
        listing = self._open.get(key.listing)
        if listing is None and self._newest is not None and self._newest[0] == key.listing:
            listing = self._newest[1]
        return listing if listing is not None and listing.generation == key.generation else None

    def newest(self) -> tuple[datetime, int] | None:
        """Give the start of the newest window and its rows when the walk began, while it is still ahead."""
        if self._newest is not None:
            window, extent = self._newest[1].window, self._newest[1].extent
            return None if window is None or extent is None else (window.start, extent.snapshot)
        return next(((window.start, rows) for window, rows in self._snapshots.items()), None)

    # What comes

    def accept(self, key: PageKey, page: LedgerPage) -> None:
        """Take an answer; one that belongs to a plan given up meanwhile is let go."""
        listing = self._find(key)
        if listing is None:
            return
        if listing.window is not None and self._unexplained(listing.window, page):
            self._facts.other_date = True
            self._change_to_history()
            return
        listing.accept(key.number, page)
        if self._deciding and listing.extent is not None:
            self._deciding = False
            self._decide(listing.extent.total, listing.page_size, page)

    def refused(self, key: PageKey, error: CapledgerError) -> bool:
        """Take a refusal; True when the plan was changed so that it will not come again."""
        listing = self._find(key)
        if listing is None:
            return True
        if isinstance(error, LimitTooLargeError):
            return self._shrink_pages(listing, error)
        if isinstance(error, SpanTooLongError) and listing.window is not None and listing.extent is None:
            return self._shorten_windows(key, listing.window, error)
        return False

    def _shrink_pages(self, refused: Listing, error: LimitTooLargeError) -> bool:
        if not self._facts.lower_page_cap(error, refused.page_size):
            return False
        page_size = self._facts.page_size(self._query.page_size)
        listings = [*self._open.values(), *([self._newest[1]] if self._newest is not None else [])]
        for listing in listings:
            if listing.page_size > page_size:
                listing.shrink(page_size)
        return True

    def _shorten_windows(self, key: PageKey, window: Window, error: SpanTooLongError) -> bool:
        start, end = window.asked(self._span.zone)
        whole = self._span.whole_window()
        if whole is None or not self._facts.lower_span(error, -((start - end) // _DAY)):
            return False
        if key.listing not in self._open:
            self._newest = None
            return True
        opened = list(self._open)
        for serial in opened[opened.index(key.listing) :]:
            del self._open[serial]
        ahead = (window.start, whole.end) if self._ascending else (whole.start, window.end)
        self._plan_windows(Window(*ahead))
        self._open_next()
        return True

    def _unexplained(self, window: Window, page: LedgerPage) -> bool:
        """Tell whether rows came that the dates asked for do not explain."""
        moments = [entry.ledger_created_date for entry in page.entries]
        zone = self._span.zone
        return bool(moments) and not all(
            window.explains(windows.local_time(moment, zone), zone) for moment in (min(moments), max(moments))
        )

    # The plan

    def _decide(self, total: int, page_size: int, first: LedgerPage) -> None:
        """Keep to the whole history or go over to windows, whichever takes fewer requests from here on."""
        whole = self._span.whole_window()
        if whole is None or -(-total // page_size) - 1 <= self._cost_of_windows(whole, total, page_size, first):
            return
        self._open.clear()
        self._plan_windows(whole)
        self._open_next()

    def _cost_of_windows(self, whole: Window, total: int, page_size: int, first: LedgerPage) -> float:
        """Estimate the requests that windows take, from how densely the rows of the first page lie."""
        number = windows.count(whole, windows.window_length(self._facts.span_days))
        moments = sorted(windows.local_time(row.ledger_created_date, self._span.zone) for row in first.entries)
        if not moments:
            return number
        if shape_of(first.entries) == "asc":
            reach, spread, rows = whole.end - max(whole.start, moments[0]), whole.end - moments[0], total
        else:
            reach, spread, rows = min(whole.end, moments[-1]) - whole.start, moments[-1] - moments[0], len(moments)
        expected = min(total, rows * max(0.0, reach / max(_DAY, spread)))
        return max(number, expected / page_size + number / 2)

    def _plan_windows(self, between: Window) -> None:
        """Cut windows; in ascending order the newest is looked at first, to know what is written later for later."""
        length = windows.window_length(self._facts.span_days)
        newest = self._known_newest(between, length)
        older = between if newest is None else Window(between.start, newest.start)
        self._coming = list(windows.cut(older, length, newest_first=not self._ascending))
        if newest is not None:
            self._coming.append(newest)
        elif self._ascending and len(self._coming) > 1:
            self._serial += 1
            self._newest = (self._serial, self._listing(self._coming[-1]))

    def _known_newest(self, between: Window, length: timedelta) -> Window | None:
        """Give the newest window, if it is known how many rows it had when the walk began and it is short enough."""
        known = self.newest()
        if known is None or not between.start < known[0] or between.end - known[0] > length:
            self._newest = None
            self._snapshots.clear()
            return None
        return Window(known[0], between.end)

    def _change_to_history(self) -> None:
        """Read the whole history instead, from the first entry not given yet."""
        self._open.clear()
        self._newest = None
        self._coming.clear()
        self._skip = self.given
        self._open_listing(None)

    def _open_next(self) -> bool:
        if not self._coming:
            return False
        window = self._coming.pop(0)
        if self._newest is not None and self._newest[1].window == window:
            serial, listing = self._newest
            self._open[serial] = listing
            self._newest = None
        else:
            self._open_listing(window)
        return True

    def _open_listing(self, window: Window | None) -> Listing:
        self._serial += 1
        listing = self._open[self._serial] = self._listing(window)
        return listing

    def _listing(self, window: Window | None) -> Listing:
        return Listing(
            window,
            span=self._span.part(window),
            order=self._query.order,
            page_size=self._query.page_size,
            facts=self._facts,
            cautious=isinstance(self._query, GroupLedgerQuery),
            tolerant=self._tolerant,
            snapshot=None if window is None else self._snapshots.get(window),
            unseen=0 if self._serial > 1 else self._unseen,
        )

    # What goes

    def take(self) -> Batch | None:
        """Give the next entries, if they are here."""
        while self._open:
            serial, listing = next(iter(self._open.items()))
            batch = listing.take()
            if batch is not None:
                batch = self._without_given(batch)
                if batch is not None:
                    self.given += len(batch.entries)
                    self._last = batch.entries[-1]
                    return batch
            elif listing.done:
                self._pass(serial, listing)
            else:
                return None
        return None

    def _pass(self, serial: int, listing: Listing) -> None:
        self.passed += 1
        self.proven = self.proven and listing.proven
        self._rows_stated += _stated(listing)
        del self._open[serial]
        if not self._open:
            self._open_next()

    def _without_given(self, batch: Batch) -> Batch | None:
        """After a change of plan, leave out what was given before, and see that it is the same."""
        if not self._skip:
            return batch
        skipped = min(self._skip, len(batch.entries))
        self._skip -= skipped
        if not self._skip and self._last is not None and not same_row(batch.entries[skipped - 1], self._last):
            raise PaginationError(
                "the server filters on another date than the entry's own, and entries before this one are missing: "
                "begin the walk anew"
            )
        return batch.without(skipped)


def _stated(listing: Listing) -> int:
    return listing.extent.snapshot if listing.extent is not None else 0
