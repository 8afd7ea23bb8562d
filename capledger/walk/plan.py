"""Which listings a walk reads: the whole history, or date windows one after the other, whichever takes fewer requests.

Both give the same entries. A plan is revised once by evidence: windows are given up for the history where dates prove
to be no filter or totals ignore them, the history for windows where deep pages are refused.
"""

from __future__ import annotations

from collections import deque
from contextlib import aclosing
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from attrs import define, field

from capledger._sansio.requests import LedgerRequests
from capledger.errors import IncompleteLedgerError, LimitTooLargeError, SpanTooLongError
from capledger.queries import GroupLedgerQuery, LedgerQuery
from capledger.walk import windows
from capledger.walk.cursor import Position
from capledger.walk.discovery import Discovery
from capledger.walk.listing import Listing, page_count
from capledger.walk.ordering import order_of
from capledger.walk.prefetch import Prefetch
from capledger.walk.reading import ListingReading
from capledger.walk.server_profile import ServerProfile
from capledger.walk.validation import Contradiction
from capledger.walk.windows import MARGIN_DAYS, Span, Window

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from capledger.models import LedgerEntry
    from capledger.walk.batch import Batch
    from capledger.walk.listing import Layout

_DAY: Final = timedelta(days=1)
#: Windows whose first pages may be requested ahead.
_MOST_FOLLOWING: Final = 8


@define(eq=False)
class Outcome:
    """What has become of a walk so far."""

    listings: int = 0
    """Listings that were read to their end."""
    rows_stated: int = 0
    """Rows that the service states for all listings so far."""
    shortfall: IncompleteLedgerError | None = None
    """Why one of them, the first one, could not be proven whole."""
    owed: int | None = None
    """Entries that the walk must have, as a history states them whose further pages are refused."""


@define(eq=False)
class WalkPlan:
    """The listings of one walk, from its position on."""

    query: LedgerQuery
    span: Span
    profile: ServerProfile
    prefetch: Prefetch
    position: Position | None
    outcome: Outcome
    allow_incomplete: bool = False
    yielded: int = 0
    """Entries that the walk has yielded."""
    unseen: int = 0
    """Pages to request beside the first one, before it is known how many there are."""
    _requests: LedgerRequests = field(init=False)
    _coming: deque[Window | None] = field(init=False, factory=deque)
    """What is still to be read: windows, or the whole history."""
    _listings: dict[Window | None, Listing] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self._requests = LedgerRequests(self.query)

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Read from the position to the end of the walk.

        Raises:
            CapledgerError: a request failed, or the responses cannot be brought into agreement.
        """
        if self.span.empty:
            return
        try:
            async with aclosing(self._batches()) as batches:
                async for batch in batches:
                    yield batch
        except Contradiction as contradiction:
            error = contradiction.error()
            if not isinstance(error, IncompleteLedgerError):
                raise error from None
            self.outcome.shortfall = error
        if self.outcome.shortfall is not None and not self.allow_incomplete:
            raise self.outcome.shortfall

    async def _batches(self) -> AsyncGenerator[Batch, None]:
        history = await self._begin()
        if history is not None:
            async for batch in self._read_history(history):
                yield batch
        while self._coming:
            window = self._coming.popleft()
            reading = self._reading(window)
            read = self._read_history(reading) if window is None else self._read_window(reading, window)
            async for batch in read:
                yield batch
        owed = self.outcome.owed
        if owed is not None and self.yielded < owed:
            text = f"{owed} entries are stated, and windows from 2000 on have {self.yielded}"
            self._note(IncompleteLedgerError(text, owed, self.yielded))

    async def _begin(self) -> ListingReading | None:
        """Decide with what to begin: the history, or the windows that are left then."""
        whole, zone = self.span.window, self.span.zone
        position = self.position
        if position is not None and position.window is not None and whole is not None:
            self._coming = deque([position.window, *self._cut(self._rest_of(whole, position.window))])
            return None
        fits = whole is not None and whole.days(zone) <= self.profile.span_days
        if whole is not None and fits and position is None and not self.profile.ignores_dates:
            self._coming = deque([whole])
            return None
        history = self._reading(None)
        try:
            layout = await self._discover(history)
        except Contradiction as contradiction:
            self._cut_shallow(contradiction)
            return None
        if whole is not None and position is None and not self.profile.ignores_dates:
            first = history.discovery.first
            if layout.total is not None and _prefers_windows(self, whole, layout, first):
                self._coming = deque(self._cut(whole))
                self.prefetch.stop()
                return None
        return history

    async def _discover(self, reading: ListingReading) -> Layout:
        """Return the layout of a listing; a page size that is refused is lowered."""
        while True:
            size = self.profile.page_size(self.query.page_size)
            try:
                return await reading.discovered()
            except LimitTooLargeError as refusal:
                self.profile.lower_page_cap(refusal, size)
                self.prefetch.stop()

    async def _read(self, reading: ListingReading) -> AsyncGenerator[Batch, None]:
        """Read one listing."""
        layout = await self._discover(reading)
        self.outcome.rows_stated += layout.total or 0
        while True:
            try:
                async for batch in reading.batches():
                    self.position = reading.position
                    self.yielded += len(batch.entries)
                    yield batch
            except LimitTooLargeError as refusal:
                self.profile.lower_page_cap(refusal, self.profile.largest_page())
                reading.layout = None
            else:
                self.outcome.listings += 1
                self.prefetch.note_end()
                self._listings.pop(reading.discovery.listing.window, None)
                return

    async def _read_history(self, reading: ListingReading) -> AsyncGenerator[Batch, None]:
        try:
            async for batch in self._read(reading):
                yield batch
        except Contradiction as contradiction:
            self._cut_shallow(contradiction)
            if self.query.start is None and self.query.end is None:
                self.outcome.owed = reading.total
        else:
            self._note(reading.shortfall)

    async def _read_window(self, reading: ListingReading, window: Window) -> AsyncGenerator[Batch, None]:
        if self._is_behind(window):
            return
        try:
            async for batch in self._read(reading):
                yield batch
        except SpanTooLongError as refusal:
            self._shorten(window, refusal)
        except Contradiction as contradiction:
            if not self._halve(window, contradiction):
                self._read_history_instead(contradiction)
        else:
            if reading.shortfall is not None and (reading.fell or not reading.states_totals):
                self._note(reading.shortfall)
            elif reading.shortfall is not None:
                self._read_history_instead()

    def _cut_shallow(self, contradiction: Contradiction) -> None:
        """Go on with windows where further pages of the history are refused."""
        if contradiction.kind != "depth" or self.profile.ignores_dates:
            raise contradiction
        self._coming = deque(self._cut(self._remaining_span()))

    def _shorten(self, window: Window, refusal: SpanTooLongError) -> None:
        """Cut shorter windows from one on whose span is refused."""
        self.profile.lower_span(refusal, window.days(self.span.zone))
        longer = [window, *filter(None, self._coming)]
        self._coming = deque(piece for whole in longer for piece in self._cut(whole))

    def _halve(self, window: Window, contradiction: Contradiction) -> bool:
        """Read two halves of a window whose further pages are refused; return False for any other contradiction."""
        if contradiction.kind != "depth":
            return False
        days = window.days(self.span.zone)
        if days <= MARGIN_DAYS + 1:
            raise contradiction.__cause__ or contradiction
        half = MARGIN_DAYS + (days - MARGIN_DAYS) // 2
        halves = list(windows.cut(window, half, self.span.zone, newest_first=self.query.order == "desc"))
        self._coming.extendleft(reversed(halves))
        return True

    def _read_history_instead(self, contradiction: Contradiction | None = None) -> None:
        """Leave windows for the whole history, which is read behind the position."""
        if contradiction is not None and contradiction.kind != "dates":
            raise contradiction
        self.profile.ignores_dates = True
        self._coming = deque([None])
        self.prefetch.stop()

    def _is_behind(self, window: Window) -> bool:
        """Return whether the position is past a window already."""
        if self.position is None:
            return False
        reached = windows.from_posix(self.position.edge.second)
        return window.end <= reached if self.query.order == "asc" else window.start > reached

    def _note(self, shortfall: IncompleteLedgerError | None) -> None:
        """Keep why a listing was not proven; the walk still reads what is left."""
        self.outcome.shortfall = self.outcome.shortfall or shortfall

    # Listings

    def _reading(self, window: Window | None) -> ListingReading:
        listing = self._listing(window)
        listing.following = [self._listing(other) for other in islice(self._coming, _MOST_FOLLOWING)]
        unseen = self.unseen if not self.outcome.listings and self.position is None else 0
        discovery = Discovery(listing, self.prefetch, self.profile, self.query.page_size, unseen)
        position = self.position if window is None or self._may_hold(window) else None
        known = self.yielded if window is None else None if position is not None else 0
        return ListingReading(discovery, position, known)

    def _may_hold(self, window: Window) -> bool:
        """Return whether the position may lie in a window."""
        if self.position is None:
            return False
        reached = windows.from_posix(self.position.edge.second)
        return window.start - _DAY <= reached < window.end + _DAY

    def _listing(self, window: Window | None) -> Listing:
        """Return the listing of a window, always the same one, since pages requested ahead are known by it."""
        listing = self._listings.get(window)
        if listing is None:
            cautious = isinstance(self.query, GroupLedgerQuery)
            listing = Listing(self._requests, self.query.order, window, self.span.within(window), cautious=cautious)
            self._listings[window] = listing
        return listing

    def _cut(self, whole: Window) -> list[Window]:
        """Cut a window into those that the service accepts, in the order of reading."""
        days, newest_first = self.profile.span_days, self.query.order == "desc"
        return list(windows.cut(whole, days, self.span.zone, newest_first=newest_first))

    def _rest_of(self, whole: Window, window: Window) -> Window:
        """Return what is read after a window."""
        if self.query.order == "asc":
            return Window(window.end, max(whole.end, window.end))
        return Window(min(whole.start, window.start), window.start)

    def _remaining_span(self) -> Window:
        """Return the range that is left when the history's further pages are refused, a day wider at the position."""
        whole, position, upper = self.span.window, self.position, self.span.upper
        start = windows.EARLIEST_SEARCHED if whole is None else whole.start
        if position is None:
            return Window(start, upper)
        reached = windows.from_posix(position.edge.second)
        if self.query.order == "asc":
            return Window(min(max(start, reached - _DAY), upper), upper)
        return Window(start, max(start, min(reached + _DAY, upper)))


def _prefers_windows(plan: WalkPlan, whole: Window, layout: Layout, first: list[LedgerEntry]) -> bool:
    """Return whether windows take fewer requests from here on than the rest of the history's pages."""
    total = layout.total or 0
    return page_count(total, layout.page_size) - 1 > _cost_of_windows(plan, whole, layout, first)


def _cost_of_windows(plan: WalkPlan, whole: Window, layout: Layout, first: list[LedgerEntry]) -> float:
    """Estimate the requests that windows take, from how densely the rows of the first page lie."""
    number = windows.count(whole, plan.profile.span_days, plan.span.zone)
    moments = sorted(windows.to_utc(row.ledger_created_date) for row in first)
    total = layout.total or 0
    if not moments:
        return number
    if order_of(first) == "asc":
        reach, spread, rows = whole.end - max(whole.start, moments[0]), whole.end - moments[0], total
    else:
        reach, spread, rows = min(whole.end, moments[-1]) - whole.start, moments[-1] - moments[0], len(moments)
    margins = number * MARGIN_DAYS * _DAY
    expected = min(total, rows * max(0.0, (reach + margins) / max(_DAY, spread)))
    return max(number, expected / layout.page_size + number / 2)
