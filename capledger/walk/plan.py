"""Which listings a walk reads: the whole history, or date windows one after the other, whichever takes fewer requests.

Both give the same entries. A plan is revised once by evidence: windows are given up for the history where dates prove
to be no filter or totals ignore them, the history for windows where deep pages are refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING, Final

from attrs import define, field

from capledger import windows
from capledger._sansio.requests import LedgerRequests
from capledger.errors import IncompleteLedgerError, LimitTooLargeError, SpanTooLongError
from capledger.models import WalkReport
from capledger.queries import LedgerQuery
from capledger.server_profile import ServerProfile
from capledger.walk.batch import Batch, batch_of_single_page
from capledger.walk.discovery import Discovery
from capledger.walk.listing import Listing, PageKey, page_count
from capledger.walk.ordering import date_of
from capledger.walk.prefetch import Prefetch
from capledger.walk.reading import ListingReading
from capledger.walk.validation import Contradiction
from capledger.windows import MARGIN_DAYS, Span, Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from capledger.cursor import Position

#: Windows whose first pages may be requested ahead.
_MOST_FOLLOWING: Final = 8


@define(eq=False)
class WalkPlan:
    """The listings of one walk, from its position on."""

    query: LedgerQuery
    profile: ServerProfile
    prefetch: Prefetch
    _span: Span | Callable[[], Span]
    """The range of the walk, or what returns it."""
    report: WalkReport
    unseen: int = 0
    """Pages to request beside the first one, before it is known how many there are."""
    shortfall: IncompleteLedgerError | None = None
    """Why a listing, the first one of those, could not be proven whole."""
    _stated: int = 0
    """Rows that the service states for the listings that were read."""
    _owed: int = 0
    """Entries that the walk must have, as a history states them whose further pages are refused."""
    _requests: LedgerRequests = field(init=False)
    _coming: deque[Window | None] | None = field(init=False, default=None)
    """What is still to be read: windows, or the whole history; None before the walk begins."""
    _reading: ListingReading | None = field(init=False, default=None)
    """What is read now."""

    def __attrs_post_init__(self) -> None:
        self._requests = LedgerRequests(self.query)

    @property
    def span(self) -> Span:
        """Return the range of the walk, which is fixed when it is first needed."""
        if not isinstance(self._span, Span):
            self._span = self._span()
        return self._span

    @property
    def ended(self) -> bool:
        """Whether nothing is left to be requested, or to be compared with what is stated."""
        return self._coming is not None and not (self._coming or self._owed) and self._reading is None

    def begin_anew(self) -> None:
        """Decide anew what to read, from the position of the next batch on."""
        self._coming = self._reading = None

    async def next_batch(self, position: Position | None) -> Batch | None:
        """Return what follows a position, behind the last batch; None at the end of the walk.

        Raises:
            CapledgerError: a request failed, or the responses cannot be brought into agreement.
        """
        if self._coming is None:
            self._coming = self._planned(position)
            if position is None and (batch := await self._single_page()) is not None:
                return batch
        whole = self.span.window if position is None else None
        while (reading := self._reading or self._open_next(position)) is not None:
            try:
                is_history = reading.discovery.listing.window is None and not self.profile.ignores_dates
                if whole and is_history and await self._prefers_windows(reading, whole):
                    self._read_instead(self._cut(whole))
                    continue
                batch = await reading.next_batch(position)
                layout = reading.layout
                self.report.rows_expected = self._stated + (0 if layout is None else layout.stated or 0)
            except LimitTooLargeError as refusal:
                self._lower_page_cap(reading, refusal)
            except SpanTooLongError as refusal:
                self._shorten(reading, position, refusal)
            except Contradiction as contradiction:
                self._revise(reading, position, contradiction)
            else:
                if reading.ended:
                    self.report.windows += 1
                    self._stated, self._reading = self.report.rows_expected, None
                self.shortfall = self.shortfall or reading.shortfall
                if batch is not None:
                    return batch
        yielded = 0 if position is None else position.yielded
        if yielded < self._owed and self.shortfall is None:
            text = f"{self._owed} entries are stated, and windows from 2000 on have {yielded}"
            self.shortfall = IncompleteLedgerError(text, self._owed, yielded)
        return None

    def _planned(self, position: Position | None) -> deque[Window | None]:
        """Return what to read: the history, or the windows that are left."""
        span = self.span
        whole = span.window
        if whole is not None and whole.start >= whole.end:
            return deque()
        if whole is not None and position is not None and position.window is not None:
            rest = windows.rest_of(whole, position.window, newest_first=self.query.order == "desc")
            return deque([position.window, *self._cut(rest)])
        fits = whole is not None and whole.days(span.zone) <= self.profile.span_days
        return deque([whole if fits and position is None and not self.profile.ignores_dates else None])

    async def _single_page(self) -> Batch | None:
        """Return the batch of a history that is one page, with room for more: nothing need be found out about it."""
        if self.unseen or not self._coming or self._coming[0] is not None:
            return None
        listing, limit = self._listing(None), self.profile.page_size(self.query.page_size)
        key = PageKey(listing, 0, limit, limit, 0)
        try:
            page = await self.prefetch.take(key)
        except LimitTooLargeError as refusal:
            self.profile.lower_page_cap(refusal, limit)
            return None
        batch = batch_of_single_page(listing, page, limit)
        if batch is None:
            self.prefetch.kept[key] = page
            return None
        self._coming, self._stated = deque(), len(batch.rows)
        self.report.windows, self.report.rows_expected = 1, len(batch.rows)
        return batch if batch.entries else None

    async def _prefers_windows(self, reading: ListingReading, whole: Window) -> bool:
        """Return whether windows take fewer requests than the history, by its first page."""
        layout = await reading.discovered()
        number, total = windows.count(whole, self.profile.span_days, self.span.zone), layout.total or 0
        moments = list(map(date_of, reading.discovery.first))
        return page_count(total, layout.page_size) - 1 > windows.cost(whole, number, moments, total, layout.page_size)

    def _open_next(self, position: Position | None) -> ListingReading | None:
        """Begin to read what comes next; return None where nothing does."""
        if not self._coming:
            return None
        listing = self._listing(self._coming.popleft())
        unseen = self.unseen if not self.report.windows and position is None else 0
        following = list(map(self._listing, islice(self._coming, _MOST_FOLLOWING)))
        discovery = Discovery(listing, self.prefetch, self.profile, self.query.page_size, following)
        self._reading = ListingReading(discovery, unseen)
        return self._reading

    def _listing(self, window: Window | None) -> Listing:
        return Listing(self._requests, self.query.order, window, self.span.within(window))

    def _lower_page_cap(self, reading: ListingReading, refusal: LimitTooLargeError) -> None:
        """Read a listing with smaller pages."""
        if reading.layout is not None:
            self.profile.lower_page_cap(refusal, self.profile.largest_page())
        self.prefetch.stop()
        reading.begin_anew()

    def _shorten(self, reading: ListingReading, position: Position | None, refusal: SpanTooLongError) -> None:
        """Cut shorter windows from one on whose span is refused."""
        window = reading.discovery.listing.window
        if window is None:
            raise refusal
        self.profile.lower_span(refusal, window.days(self.span.zone))
        longer = [self._left_of(window, position), *filter(None, self._coming or ())]
        self._read_instead([piece for whole in longer for piece in self._cut(whole)])

    def _revise(self, reading: ListingReading, position: Position | None, contradiction: Contradiction) -> None:
        """Read something else in place of a listing; raise a contradiction that leaves nothing else."""
        kind, window = contradiction.kind, reading.discovery.listing.window
        if kind == "dates" and window is not None:
            self.profile.ignores_dates = True
            self._read_instead([None])
        elif kind == "depth" and window is not None:
            days = window.days(self.span.zone)
            if days <= MARGIN_DAYS + 1:
                raise contradiction.__cause__ or contradiction.error() from None
            half = MARGIN_DAYS + (days - MARGIN_DAYS) // 2
            self._read_instead([*self._cut(self._left_of(window, position), half), *(self._coming or ())])
        elif kind == "depth" and not self.profile.ignores_dates:
            self.shortfall = self.shortfall or reading.shortfall
            span = self.span
            whole = span.window or Window(windows.EARLIEST_SEARCHED, span.upper)
            self._read_instead(self._cut(self._left_of(whole, position)))
            if self.query.start is None and self.query.end is None:
                self._owed = reading.total or 0
        else:
            error = contradiction.error()
            if not isinstance(error, IncompleteLedgerError):
                raise error from None
            self.shortfall = error
            self._read_instead([])

    def _read_instead(self, coming: Iterable[Window | None]) -> None:
        self._coming, self._reading = deque(coming), None
        self.prefetch.stop()

    def _cut(self, whole: Window, days: int | None = None) -> list[Window]:
        """Cut a window into those that the service accepts, in the order of reading."""
        newest_first = self.query.order == "desc"
        return list(windows.cut(whole, days or self.profile.span_days, self.span.zone, newest_first=newest_first))

    def _left_of(self, whole: Window, position: Position | None) -> Window:
        """Return the part of a window that is not yet read."""
        newest_first = self.query.order == "desc"
        return whole if position is None else windows.left_of(whole, position.edge.second, newest_first=newest_first)
