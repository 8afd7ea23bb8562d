"""Which listings a walk reads: the whole history, or date windows one after the other, whichever takes fewer requests.

Both give the same entries. A plan is revised once by evidence: windows are given up for the history where dates prove
to be no filter or totals ignore them, the history for windows where deep pages are refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final

from attrs import define, field

from capledger._sansio.requests import LedgerRequests
from capledger.errors import IncompleteLedgerError, LimitTooLargeError, SpanTooLongError
from capledger.moments import from_posix
from capledger.queries import GroupLedgerQuery, LedgerQuery
from capledger.walk import windows
from capledger.walk.discovery import Discovery
from capledger.walk.listing import Listing, page_count
from capledger.walk.prefetch import Prefetch
from capledger.walk.reading import ListingReading
from capledger.walk.server_profile import ServerProfile
from capledger.walk.validation import Contradiction
from capledger.walk.windows import MARGIN_DAYS, Span, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from capledger.walk.batch import Batch
    from capledger.walk.cursor import Position
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
    """Rows that the service states for them."""
    shortfall: IncompleteLedgerError | None = None
    """Why one of them, the first one, could not be proven whole."""
    owed: int | None = None
    """Entries that the walk must have, as a history states them whose further pages are refused."""

    def note(self, shortfall: IncompleteLedgerError | None) -> None:
        """Keep why a listing was not proven; the walk still reads what is left."""
        self.shortfall = self.shortfall or shortfall


@define(eq=False)
class WalkPlan:
    """The listings of one walk, from its position on."""

    query: LedgerQuery
    profile: ServerProfile
    prefetch: Prefetch
    make_span: Callable[[], Span]
    allow_incomplete: bool = False
    yielded: int = 0
    """Entries in the batches so far, also of the walk that this one resumes."""
    unseen: int = 0
    """Pages to request beside the first one, before it is known how many there are."""
    outcome: Outcome = field(init=False, factory=Outcome)
    _requests: LedgerRequests = field(init=False)
    _coming: deque[Window | None] | None = field(init=False, default=None)
    """What is still to be read: windows, or the whole history; None before the walk begins."""
    _reading: ListingReading | None = field(init=False, default=None)
    """What is read now."""
    _span: Span | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._requests = LedgerRequests(self.query)

    @property
    def span(self) -> Span:
        """Return the range of the walk, which is fixed when it is first needed."""
        if self._span is None:
            self._span = self.make_span()
        return self._span

    @property
    def rows_stated(self) -> int:
        """Rows that the service states for all listings so far."""
        return self.outcome.rows_stated + (0 if self._reading is None else self._reading.rows_stated)

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be requested."""
        return self._coming is not None and not self._coming and (self._reading is None or self._reading.ended)

    def begin_anew(self) -> None:
        """Decide anew what to read, from the position of the next batch on."""
        self._coming = self._reading = None

    async def next_batch(self, position: Position | None) -> Batch | None:
        """Return what follows a position, behind the last batch; None at the end of the walk.

        Raises:
            CapledgerError: a request failed, or the responses cannot be brought into agreement.
        """
        try:
            batch = await self._next_batch(position)
        except Contradiction as contradiction:
            error = contradiction.error()
            if not isinstance(error, IncompleteLedgerError):
                raise error from None
            self.outcome.shortfall = error
            self._coming, self._reading, batch = deque(), None, None
        if batch is None and self.outcome.shortfall is not None and not self.allow_incomplete:
            raise self.outcome.shortfall
        return batch

    async def _next_batch(self, position: Position | None) -> Batch | None:
        if self._coming is None:
            self._coming = self._planned(position)
        while (reading := self._reading or self._open_next(position)) is not None:
            window = reading.discovery.listing.window
            try:
                if self._may_cut(window, position) and self._prefers_windows(reading, await reading.discovered()):
                    continue
                batch = await reading.next_batch(position if self._may_hold(window, position) else None)
            except LimitTooLargeError as refusal:
                self._lower_page_cap(reading, refusal)
            except SpanTooLongError as refusal:
                self._shorten(window, refusal)
            except Contradiction as contradiction:
                self._revise(reading, position, contradiction)
            else:
                if reading.ended:
                    self._close(reading)
                if batch is not None:
                    self.yielded += len(batch.entries)
                    return batch
        owed = self.outcome.owed
        if owed is not None and self.yielded < owed:
            text = f"{owed} entries are stated, and windows from 2000 on have {self.yielded}"
            self.outcome.note(IncompleteLedgerError(text, owed, self.yielded))
        return None

    def _planned(self, position: Position | None) -> deque[Window | None]:
        """Return what to read: the history, or the windows that are left."""
        whole, ignores_dates = self.span.window, self.profile.ignores_dates
        if self.span.empty:
            return deque()
        if whole is not None and position is not None and position.window is not None:
            return deque([position.window, *self._cut(self._rest_of(whole, position.window))])
        fits = whole is not None and whole.days(self.span.zone) <= self.profile.span_days
        return deque([whole if fits and position is None and not ignores_dates else None])

    def _may_cut(self, window: Window | None, position: Position | None) -> bool:
        """Return whether windows may be read in place of the history, of which nothing was read yet."""
        return window is None and position is None and self.span.lower is not None and not self.profile.ignores_dates

    def _prefers_windows(self, reading: ListingReading, layout: Layout) -> bool:
        """Leave the history for windows where these take fewer requests; return whether it is left."""
        whole, days = self.span.window, self.profile.span_days
        if whole is None or not layout.total:
            return False
        moments = [row.ledger_created_date for row in reading.discovery.first]
        number = windows.count(whole, days, self.span.zone)
        cost = windows.cost(whole, number, moments, layout.total, layout.page_size)
        if page_count(layout.total, layout.page_size) - 1 <= cost:
            return False
        self._read_instead(self._cut(whole))
        return True

    # What is read next

    def _open_next(self, position: Position | None) -> ListingReading | None:
        """Begin to read what comes next, without windows that the position is past; return None where nothing does."""
        coming = self._coming or deque()
        while coming and coming[0] is not None and self._is_behind(coming[0], position):
            coming.popleft()
        if not coming:
            return None
        window = coming.popleft()
        unseen = self.unseen if not self.outcome.listings and position is None else 0
        following = [self._listing(other) for other in islice(coming, _MOST_FOLLOWING)]
        listing, size = self._listing(window), self.query.page_size
        discovery = Discovery(listing, self.prefetch, self.profile, size, unseen, following)
        yielded = self.yielded if window is None else None if self._may_hold(window, position) else 0
        self._reading = ListingReading(discovery, yielded)
        return self._reading

    def _close(self, reading: ListingReading) -> None:
        """Note how the reading of a listing ended."""
        self._reading = None
        self.prefetch.note_end()
        if reading.shortfall is not None and reading.doubts_dates and reading.discovery.listing.window is not None:
            self._read_history_instead()
            return
        self.outcome.note(reading.shortfall)
        self.outcome.listings += 1
        self.outcome.rows_stated += reading.rows_stated

    def _lower_page_cap(self, reading: ListingReading, refusal: LimitTooLargeError) -> None:
        """Read a listing with smaller pages."""
        begins = reading.layout is None
        size = self.profile.page_size(self.query.page_size) if begins else self.profile.largest_page()
        self.profile.lower_page_cap(refusal, size)
        self.prefetch.stop()
        reading.begin_anew()

    def _shorten(self, window: Window | None, refusal: SpanTooLongError) -> None:
        """Cut shorter windows from one on whose span is refused."""
        if window is None:
            raise refusal
        self.profile.lower_span(refusal, window.days(self.span.zone))
        longer = [window, *filter(None, self._coming or ())]
        self._read_instead([piece for whole in longer for piece in self._cut(whole)])

    def _revise(self, reading: ListingReading, position: Position | None, contradiction: Contradiction) -> None:
        """Read something else in place of a listing; raise a contradiction that leaves nothing else."""
        kind, window = contradiction.kind, reading.discovery.listing.window
        if kind == "depth" and window is not None:
            self._halve(window, contradiction)
        elif kind == "depth" and not self.profile.ignores_dates:
            self.outcome.note(reading.shortfall)
            self._read_instead(self._cut(self._remaining_span(position)))
            if self.query.start is None and self.query.end is None:
                self.outcome.owed = reading.total
        elif kind == "dates" and window is not None:
            self._read_history_instead()
        else:
            raise contradiction

    def _halve(self, window: Window, contradiction: Contradiction) -> None:
        """Read two halves of a window whose further pages are refused."""
        days = window.days(self.span.zone)
        if days <= MARGIN_DAYS + 1:
            raise contradiction.__cause__ or contradiction
        half = MARGIN_DAYS + (days - MARGIN_DAYS) // 2
        halves = windows.cut(window, half, self.span.zone, newest_first=self.query.order == "desc")
        self._read_instead([*halves, *(self._coming or ())])

    def _read_history_instead(self) -> None:
        """Leave windows for the whole history, which is read behind the position."""
        self.profile.ignores_dates = True
        self._read_instead([None])

    def _read_instead(self, coming: Iterable[Window | None]) -> None:
        self._coming, self._reading = deque(coming), None
        self.prefetch.stop()

    # Listings

    def _is_behind(self, window: Window, position: Position | None) -> bool:
        """Return whether the position is past a window already."""
        if position is None:
            return False
        reached = from_posix(position.edge.second)
        return window.end <= reached if self.query.order == "asc" else window.start > reached

    def _may_hold(self, window: Window | None, position: Position | None) -> bool:
        """Return whether the position may lie in a listing."""
        if position is None or window is None:
            return position is not None
        reached = from_posix(position.edge.second)
        return window.start - _DAY <= reached < window.end + _DAY

    def _listing(self, window: Window | None) -> Listing:
        cautious = isinstance(self.query, GroupLedgerQuery)
        return Listing(self._requests, self.query.order, window, self.span.within(window), cautious)

    def _cut(self, whole: Window) -> list[Window]:
        """Cut a window into those that the service accepts, in the order of reading."""
        days, newest_first = self.profile.span_days, self.query.order == "desc"
        return list(windows.cut(whole, days, self.span.zone, newest_first=newest_first))

    def _rest_of(self, whole: Window, window: Window) -> Window:
        """Return what is read after a window."""
        if self.query.order == "asc":
            return Window(window.end, max(whole.end, window.end))
        return Window(min(whole.start, window.start), window.start)

    def _remaining_span(self, position: Position | None) -> Window:
        """Return the range that is left when the history's further pages are refused, a day wider at the position."""
        whole, upper = self.span.window, self.span.upper
        start = windows.EARLIEST_SEARCHED if whole is None else whole.start
        if position is None:
            return Window(start, upper)
        reached = from_posix(position.edge.second)
        if self.query.order == "asc":
            return Window(min(max(start, reached - _DAY), upper), upper)
        return Window(start, max(start, min(reached + _DAY, upper)))
