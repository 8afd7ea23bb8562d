"""``session.entries(query)``: a customer's or a group's ledger as ``async for``."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from attrs import define, field

from capledger._sansio.context import RequestContext
from capledger.errors import CapledgerError, ConcurrentUseError
from capledger.iteration import Iteration
from capledger.models import LedgerEntry, LedgerPage, Notice, WalkReport
from capledger.moments import to_local
from capledger.walk.batch import Batch
from capledger.walk.cursor import Cursor, Position
from capledger.walk.plan import WalkPlan
from capledger.walk.prefetch import Prefetch
from capledger.walk.windows import Span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from datetime import datetime, tzinfo

    from capledger._sansio.sending import Received, Send
    from capledger.queries import LedgerQuery
    from capledger.walk.prefetch import PageKey
    from capledger.walk.server_profile import ServerProfile

    Attach = Callable[[list[LedgerEntry], WalkReport, RequestContext], Awaitable[None]]

#: The service works on events of the customer, so the ledger may be incomplete.
_PENDING_EVENTS: Final = 11002
#: Entries dated so far ahead of this machine's clock show that a clock or a zone is wrong.
_CLOCK_TOLERANCE: Final = timedelta(minutes=1)
_DATED_LATER: Final = Notice(
    message="the ledger has entries dated later than now: check this machine's clock, and the session's timezone"
)


@define(eq=False)
class _Delivery:
    """The batch whose entries are handed out, and how many of them were."""

    batch: Batch | None = None
    entries: list[LedgerEntry] = field(factory=list)
    index: int = 0
    yielded_before: int = 0
    """Entries of the walk that were yielded before it."""
    before: Position | None = None
    """Where the walk stood before it."""

    @property
    def yielded(self) -> int:
        """Entries of the walk that were yielded so far."""
        return self.yielded_before + self.index

    @property
    def position(self) -> Position | None:
        """Where the walk stands; None before its first entry."""
        return self.before if self.batch is None else self.batch.position(self.index)


class LedgerWalk:
    """A walk over a ledger: its entries in the order of the query, each once.

    Iterate over it, over its :meth:`pages`, or :meth:`collect` it. It keeps its position: after a ``break`` or an
    error, iterating again continues with the next entry, and a page that failed is requested again. One consumer at a
    time.
    """

    def __init__(
        self,
        query: LedgerQuery,
        *,
        zone: tzinfo,
        now: Callable[[tzinfo], datetime],
        send: Send,
        profile: ServerProfile,
        prefetch: int = 4,
        resume: Cursor | None = None,
        allow_incomplete: bool = False,
        unseen: int = 0,
        attach: Attach | None = None,
    ) -> None:
        self._query = query
        self._resume = resume
        self._attach = attach
        self._report = WalkReport()
        self._context = RequestContext(self._report)
        self._prefetch = Prefetch(
            partial(_send_page, send, self._context), prefetch, partial(_count_page, self._report, now, zone)
        )
        span = partial(_fixed_span, query, zone, now, resume)
        self._plan = WalkPlan(query, profile, self._prefetch, span, allow_incomplete)
        self._plan.unseen = unseen
        self._delivery = _Delivery()
        if resume is not None:
            self._plan.yielded, self._delivery.before = resume.yielded, resume.position
            profile.adopt(resume.offset_rule, resume.page_cap, resume.span_days)
        self._taken: Batch | None = None
        self._state: Literal["idle", "advancing", "ended"] = "idle"

    def __repr__(self) -> str:
        return f"<LedgerWalk {self.report.rows_yielded} entries yielded, complete={self._report.complete}>"

    # Iterating

    def __aiter__(self) -> AsyncIterator[LedgerEntry]:
        self._check_not_ended()
        return Iteration(self, self.__anext__)

    async def __anext__(self) -> LedgerEntry:
        while self._delivery.index >= len(self._delivery.entries):
            if not await self._advance():
                raise StopAsyncIteration
        delivery = self._delivery
        delivery.index += 1
        return delivery.entries[delivery.index - 1]

    def pages(self) -> AsyncIterator[LedgerPage]:
        """Iterate over the pages that entries come on.

        Of each, ``entries`` are those of the walk, in the query's order, and ``raw`` is the whole body as it came.
        Entries already taken from a page one by one are left out. Entries of one second come together: where a page
        ends within it, with the page on which it ends.
        """
        self._check_not_ended()
        return Iteration(self, self._next_page)

    def _check_not_ended(self) -> None:
        if self._state == "ended":
            raise CapledgerError("this walk has ended: call session.entries(query) for another one")

    async def _next_page(self) -> LedgerPage:
        while self._delivery.index >= len(self._delivery.entries):
            if not await self._advance():
                raise StopAsyncIteration
        delivery = self._delivery
        page = cast("Batch", delivery.batch).page
        page.entries = delivery.entries[delivery.index :]
        delivery.index = len(delivery.entries)
        self._update_report()
        return page

    async def collect(self) -> list[LedgerEntry]:
        """Return all entries from the walk's position on, as a list."""
        entries: list[LedgerEntry] = []
        async for page in self.pages():
            entries += page.entries
        return entries

    async def to_arrow(self) -> Any:  # noqa: ANN401 - pyarrow ships no types
        """Return all entries from the walk's position on, as a ``pyarrow.Table``: see :mod:`capledger.frames`.

        Raises:
            ConfigurationError: pyarrow is not installed.
            MisfitError: a value does not fit its column; nothing is rounded.
        """
        from capledger.frames import entries_to_arrow  # noqa: PLC0415 - the schema takes time to import

        return entries_to_arrow(await self.collect())

    async def aclose(self) -> None:
        """End the requests under way; iterating again resumes the walk where it stands."""
        ending = self._prefetch.close()
        if ending:
            await asyncio.gather(*ending, return_exceptions=True)

    @property
    def _busy(self) -> bool:
        return self._state == "advancing"

    def _stop(self) -> list[asyncio.Task[Received[LedgerPage]]]:
        """End the requests under way without waiting for their end."""
        return self._prefetch.stop()

    # Where it stands

    @property
    def start(self) -> datetime | None:
        """Return the first moment of the walk's range, in the server's zone; None: from the beginning."""
        span = self._plan.span
        return None if span.lower is None else to_local(span.lower, span.zone)

    @property
    def end(self) -> datetime:
        """Return the end of the walk's range (exclusive), in the server's zone; it is fixed when the walk starts."""
        span = self._plan.span
        return to_local(span.upper, span.zone)

    @property
    def cursor(self) -> str:
        """Return the position behind the last entry yielded, as a string to resume from, also in another process."""
        return self._position.encode(self._query)

    @property
    def _position(self) -> Cursor:
        """What the cursor says, not yet encoded."""
        delivery, resume, plan = self._delivery, self._resume, self._plan
        return Cursor(
            end=plan.span.upper,
            yielded=delivery.yielded + (0 if resume is None else resume.yielded),
            position=delivery.position,
            offset_rule=plan.profile.offset_rule,
            page_cap=plan.profile.page_cap,
            span_days=plan.profile.span_days,
        )

    @property
    def report(self) -> WalkReport:
        """What the walk has cost and how far it is; one object, brought up to date page by page and when asked for."""
        self._update_report()
        return self._report

    def _update_report(self) -> None:
        self._report.rows_yielded = self._delivery.yielded
        self._report.windows = self._plan.outcome.listings
        self._report.rows_expected = self._plan.rows_stated

    # The next batch

    async def _advance(self) -> bool:
        """Go on to the next batch; return False at the end of the walk."""
        if self._state == "ended":
            return False
        if self._state == "advancing":
            raise ConcurrentUseError("two tasks iterate over one walk: give each its own session.entries(query)")
        self._state = "advancing"
        try:
            more = await self._deliver_next()
        except BaseException as error:
            self._stop()
            self._plan.begin_anew()
            self._state = "idle"
            if isinstance(error, CapledgerError):
                error.cursor = self.cursor
            raise
        self._state = "idle" if more else "ended"
        return more

    async def _deliver_next(self) -> bool:
        plan = self._plan
        if self._taken is None:
            if not plan.ended:  # makes room before the next page is decoded
                self._delivery = _Delivery(yielded_before=self._delivery.yielded, before=self._delivery.position)
            self._taken = await plan.next_batch(self._delivery.before)
        self._update_report()
        if self._taken is None:
            pending = any(notice.code == _PENDING_EVENTS for notice in self._report.warnings)
            self._report.complete = plan.outcome.shortfall is None and not pending
            return False
        if self._attach is not None:
            await self._attach(self._taken.entries, self._report, self._context)
        self._delivery = _Delivery(self._taken, self._taken.entries, 0, self._delivery.yielded)
        self._taken = None
        return True


def _fixed_span(query: LedgerQuery, zone: tzinfo, now: Callable[[tzinfo], datetime], resume: Cursor | None) -> Span:
    """Return the range of a walk that starts now, or of the earlier walk that it resumes."""
    return Span.resolve(query.start, query.end, zone=zone, now=now(zone) if resume is None else resume.end)


def _send_page(send: Send, context: RequestContext, key: PageKey) -> Coroutine[Any, Any, Received[LedgerPage]]:
    return send(key.listing.request(key), context)


def _count_page(report: WalkReport, now: Callable[[tzinfo], datetime], zone: tzinfo, page: LedgerPage) -> None:
    """Count a page, and collect what the service warns of."""
    report.pages += 1
    report.rows_received += len(page.entries)
    if page.entries:
        latest = max(page.entries[0].ledger_created_date, page.entries[-1].ledger_created_date)
        if latest > now(zone) + _CLOCK_TOLERANCE:
            page.warnings.append(_DATED_LATER)
    if page.warnings:
        report.warnings += [notice for notice in page.warnings if notice not in report.warnings]
