"""``session.entries(query)``: a customer's or a group's ledger as ``async for``."""

from __future__ import annotations

import asyncio
from operator import length_hint
from typing import TYPE_CHECKING, cast

from capledger._sansio.context import RequestContext
from capledger.errors import CapledgerError, ConcurrentUseError, PaginationError
from capledger.models import LedgerEntry, LedgerPage, WalkReport
from capledger.walk.cursor import Cursor
from capledger.walk.iteration import Iteration
from capledger.walk.plan import Course, PageKey
from capledger.walk.prefetch import Ahead
from capledger.walk.windows import Span, local_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from datetime import datetime, tzinfo

    from capledger.queries import LedgerQuery
    from capledger.walk.batch import Batch, Places
    from capledger.walk.prefetch import PendingResponse, Send
    from capledger.walk.server_profile import ServerProfile

#: The service works on events of the customer, so the ledger may be incomplete.
_PENDING_EVENTS = 11002


class EntryLoop(Iteration[LedgerEntry]):
    """One ``async for`` over entries: those at hand are given without a call of the walk's own."""

    _walk: LedgerWalk

    async def __anext__(self) -> LedgerEntry:
        for entry in self._walk._at_hand:  # noqa: SLF001 - half of the walk, apart for the time it takes
            return entry
        return await self._step()


class LedgerWalk:
    """A walk over a ledger: its entries in the order of the query, each once.

    Iterate over it, over its :meth:`pages`, or :meth:`collect` it. It keeps its place: after a ``break`` or an error,
    iterating again goes on with the next entry, and a page that failed is asked for again. One consumer at a time.
    """

    def __init__(
        self,
        query: LedgerQuery,
        *,
        zone: tzinfo,
        now: Callable[[tzinfo], datetime],
        send: Send,
        facts: ServerProfile,
        prefetch: int = 4,
        resume: Cursor | None = None,
        tolerant: bool = False,
        unseen: int = 0,
        attach: Callable[[list[LedgerEntry], WalkReport, RequestContext], Awaitable[None]] | None = None,
    ) -> None:
        self._query = query
        self._zone = zone
        self._now = now
        self._span: Span | None = None
        self._send = send
        self._facts = facts
        self._prefetch = prefetch
        self._resume = resume
        self._tolerant = tolerant
        self._unseen = unseen
        self._attach = attach
        self._report = WalkReport()
        self._context = RequestContext(self._report)
        self._ahead: Ahead[PageKey, PendingResponse[LedgerPage] | LedgerPage] = Ahead()
        self._failed: dict[PageKey, CapledgerError] = {}
        self._course: Course | None = None
        self._page: LedgerPage | None = None
        self._places: Places | None = None
        self._at_hand: Iterator[LedgerEntry] = iter(())
        self._yielded_before = 0
        #: Taken and not handed out yet, should the consumer be cancelled or what belongs to its entries fail.
        self._taken: Batch | None = None
        self._turning = False
        self._pending = False

    def __repr__(self) -> str:
        return f"<LedgerWalk {self.report.rows_yielded} entries yielded, complete={self._report.complete}>"

    # Iterating

    def __aiter__(self) -> AsyncIterator[LedgerEntry]:
        return EntryLoop(self, self.__anext__)

    async def __anext__(self) -> LedgerEntry:
        while True:
            for entry in self._at_hand:
                return entry
            if not await self._turn():
                raise StopAsyncIteration

    def pages(self) -> AsyncIterator[LedgerPage]:
        """Iterate over the pages that entries come on.

        Of each, ``entries`` are those of the walk, in the query's order, and ``raw`` is the whole body as it came.
        Entries already taken from a page one by one are left out.
        """
        return Iteration(self, self._next_page)

    async def _next_page(self) -> LedgerPage:
        while not (entries := list(self._at_hand)):
            if not await self._turn():
                raise StopAsyncIteration
        page = cast("LedgerPage", self._page)
        page.entries = entries
        return page

    async def collect(self) -> list[LedgerEntry]:
        """Give all entries, from the place of the walk on, as a list."""
        entries: list[LedgerEntry] = []
        async for page in self.pages():
            entries += page.entries
        return entries

    async def aclose(self) -> None:
        """End the fetches under way; iterating again takes the walk up where it stands."""
        await asyncio.gather(*self._stop(), return_exceptions=True)

    def _stop(self) -> list[asyncio.Task[PendingResponse[LedgerPage] | LedgerPage]]:
        """End the fetches under way without waiting for their end."""
        self._failed.clear()
        return self._ahead.stop()

    # Where it stands

    @property
    def start(self) -> datetime | None:
        """The first instant of the walk's range, in the server's zone; None: from the beginning."""
        return self._range().lower

    @property
    def end(self) -> datetime:
        """The end of the walk's range (exclusive), in the server's zone; it is fixed when the walk starts."""
        return self._range().upper

    @property
    def cursor(self) -> str:
        """The place after the last entry yielded, as text for ``resume_from`` in this process or another."""
        return self.position.encode(self._query)

    @property
    def position(self) -> Cursor:
        """What the cursor says, not yet made into text."""
        if self._places is None and self._resume is not None:
            return self._resume
        index, span = self._index, self._range()
        return Cursor(
            end=local_time(span.upper, span.zone),
            given=self._yielded_before + index + (0 if self._resume is None else self._resume.given),
            place=self._places.after(index - 1) if self._places is not None and index else None,
            offset_rule=self._facts.offset_rule if self._facts.offset_proven else None,
            page_cap=self._facts.page_cap,
            span_days=self._facts.span_days,
            newest=self._course.newest() if self._course is not None else None,
        )

    @property
    def report(self) -> WalkReport:
        """What the walk has cost and how far it is; one object, kept up to date page by page and when asked for."""
        self._bring_report_up_to_date()
        return self._report

    @property
    def _index(self) -> int:
        """How many entries of the page were given."""
        return 0 if self._places is None else len(self._places.ranks) - length_hint(self._at_hand)

    def _bring_report_up_to_date(self) -> None:
        self._report.rows_yielded = self._yielded_before + self._index
        if self._course is not None:
            self._report.windows = self._course.passed
            self._report.rows_expected = self._course.rows_stated

    # One page on

    async def _turn(self) -> bool:
        """Go on to the next batch; False at the end of the walk."""
        if self._turning:
            msg = "two tasks iterate over one walk: give each its own session.entries(query)"
            raise ConcurrentUseError(msg)
        self._turning = True
        self._page = None  # what was handed out makes room before the next page is decoded
        try:
            if self._taken is None:
                course = self._planned()
                self._taken = await self._next_batch(course)
                if self._taken is not None and self._launch(course, self._wanted_now(course)):
                    await asyncio.sleep(0)  # what takes this page's place is sent before the consumer goes to work
            if self._taken is not None and self._attach is not None:
                await self._attach(self._taken.entries, self._report, self._context)
        except CapledgerError as error:
            self._stop()
            error.cursor = self.cursor
            raise
        except BaseException:
            self._stop()
            raise
        finally:
            self._turning = False
        batch, self._taken = self._taken, None
        if batch is not None:
            self._yielded_before += self._index
            self._page, self._places, self._at_hand = batch.page, batch.places, iter(batch.entries)
        self._bring_report_up_to_date()
        return batch is not None

    def _planned(self) -> Course:
        if self._course is None:
            self._course = Course(
                self._query,
                span=self._range(),
                facts=self._facts,
                tolerant=self._tolerant,
                resume=self._resume,
                unseen=self._unseen,
            )
        return self._course

    async def _next_batch(self, course: Course) -> Batch | None:
        while (batch := course.take()) is None:
            if course.finished:
                self._report.complete = course.proven and not self._pending
                return None
            if self._failed:
                self._raise_failure(course)
            await self._receive(course)
        return batch

    async def _receive(self, course: Course) -> None:
        """Ask for what is wanted, and take the page that is needed now, or else the first that comes."""
        keys = self._wanted_now(course)
        if len(keys) == 1 and not len(self._ahead):
            await self._settle(course, keys[0], self._send(course.request(keys[0]), self._context), due=True)
            return
        self._launch(course, keys)
        if not len(self._ahead):
            raise PaginationError("the server has given all it has and it does not add up")
        due = next(course.wanted(), None)
        finished = await self._ahead.first(due)
        if finished is not None:
            key, task = finished
            if key == due and course.knows_what_follows(key):
                self._launch(course, self._wanted_now(course, besides=key))
            await asyncio.sleep(0)  # what takes its place is sent, and others get a turn, before it is read
            await self._settle(course, key, task, due=key == due)

    def _wanted_now(self, course: Course, besides: PageKey | None = None) -> list[PageKey]:
        """Give the pages to ask for now, as far as ``prefetch`` has room; one page always has."""
        under_way = len(self._ahead)
        room = max(self._prefetch - under_way - course.held, 0 if under_way else 1)
        keys: list[PageKey] = []
        for key in course.wanted() if room else ():
            if key not in self._ahead and key not in self._failed and key not in keys and key != besides:
                keys.append(key)
                if len(keys) == room:
                    break
        return keys

    def _launch(self, course: Course, keys: list[PageKey]) -> bool:
        for key in keys:
            self._ahead.start(key, self._send(course.request(key), self._context))
        return bool(keys)

    async def _settle(
        self, course: Course, key: PageKey, sent: Awaitable[PendingResponse[LedgerPage] | LedgerPage], *, due: bool
    ) -> None:
        try:
            pending = await sent
            if not isinstance(pending, LedgerPage) and not due:
                self._ahead.start(key, pending.value())  # retried beside the walk where the body proves broken
                return
            page = pending if isinstance(pending, LedgerPage) else await pending.value()
        except CapledgerError as error:
            if not course.refused(key, error):
                self._failed[key] = error
            return
        self._count(page)
        course.accept(key, page)

    def _raise_failure(self, course: Course) -> None:
        """Raise what befell the page that is needed now; failures further on wait until it is their turn."""
        key = next(course.wanted(), None)
        if key is not None and key in self._failed:
            raise self._failed[key]

    def _count(self, page: LedgerPage) -> None:
        report = self._report
        report.pages += 1
        report.rows_received += len(page.entries)
        for notice in page.warnings:
            self._pending = self._pending or notice.code == _PENDING_EVENTS
            if notice not in report.warnings:
                report.warnings.append(notice)

    def _range(self) -> Span:
        if self._span is None:
            now = self._now(self._zone) if self._resume is None else self._resume.end.replace(tzinfo=self._zone)
            self._span = Span.resolve(self._query.start, self._query.end, zone=self._zone, now=now)
        return self._span
