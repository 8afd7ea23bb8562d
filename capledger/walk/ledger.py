"""``session.entries(query)``: a customer's or a group's ledger as ``async for``."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from capledger._sansio.context import RequestContext
from capledger.cursor import Cursor
from capledger.errors import CapledgerError, ConcurrentUseError, IncompleteLedgerError
from capledger.iteration import Iteration
from capledger.models import LedgerEntry, LedgerPage, WalkReport
from capledger.models.counting import count_page, has_pending_events
from capledger.moments import to_local
from capledger.walk.batch import NO_PAGE, Batch
from capledger.walk.plan import WalkPlan
from capledger.walk.prefetch import Prefetch
from capledger.windows import Span

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from datetime import datetime, tzinfo

    from capledger._sansio.sending import Send
    from capledger.queries import LedgerQuery
    from capledger.server_profile import ServerProfile
    from capledger.walk.listing import PageKey

    Attach = Callable[[WalkReport, RequestContext, list[LedgerEntry]], Awaitable[None]]


class Begun(NamedTuple):
    """What was done for a walk before it."""

    report: WalkReport
    context: RequestContext
    span: Span | Callable[[], Span]
    kept: dict[PageKey, LedgerPage]
    """The pages that were read and counted."""


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
        begun: Begun | None = None,
    ) -> None:
        if begun is None:
            report = WalkReport()
            begun = Begun(report, RequestContext(report), partial(_resolved_span, query, zone, now, resume), {})
        self._query = query
        self._allow_incomplete = allow_incomplete
        self._report, context, span, kept = begun
        self._attach = attach and partial(attach, self._report, context)
        self._prefetch = Prefetch(send, context, prefetch, partial(count_page, self._report, now, zone))
        self._prefetch.kept.update(kept)
        self._plan = WalkPlan(query, profile, self._prefetch, span, self._report, unseen)
        position = None
        if resume is not None:
            position = resume.position
            profile.adopt(resume.learned)
            if resume.unproven:
                self._plan.shortfall = IncompleteLedgerError("entries before the cursor may be missing: begin anew")
        self._batch, self._index = Batch(NO_PAGE, [], position), 0
        self._taken: Batch | None = None
        self._state: Literal["idle", "advancing", "told", "ended"] = "idle"  # told: that entries may be missing

    def __repr__(self) -> str:
        return f"<LedgerWalk {self._report.rows_yielded} entries yielded, complete={self._report.complete}>"

    def __aiter__(self) -> AsyncIterator[LedgerEntry]:
        self._check_not_ended()
        return Iteration(self, self.__anext__)

    async def __anext__(self) -> LedgerEntry:
        while self._index >= len(self._batch.entries):
            await self._advance()
        self._index += 1
        self._report.rows_yielded += 1
        return self._batch.entries[self._index - 1]

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
        while self._index >= len(self._batch.entries):
            await self._advance()
        batch, entries = self._batch, self._batch.entries
        page, batch.page = batch.page, NO_PAGE
        page.entries, self._index = entries[self._index :], len(entries)
        self._report.rows_yielded += len(page.entries)
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

    def _leave(self) -> None:
        """End the requests under way, unless a consumer waits for the next entry."""
        if self._state != "advancing":
            self._prefetch.stop()

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
        unproven = self._plan.shortfall is not None and self._state not in {"told", "ended"}
        return cursor_behind(self._batch, self._index, self._plan.span.upper, self._plan.profile, unproven=unproven)

    @property
    def report(self) -> WalkReport:
        """What the walk has cost and how far it is, live; always the same object."""
        return self._report

    async def _advance(self) -> None:
        """Go on to the next batch.

        Raises:
            StopAsyncIteration: the walk has ended.
        """
        if self._state == "advancing":
            raise ConcurrentUseError("two tasks iterate over one walk: give each its own session.entries(query)")
        if self._state != "ended":
            self._state = "advancing"
            try:
                self._state = await self._deliver_next()
            except BaseException as error:
                self._prefetch.stop()
                self._plan.begin_anew()
                self._state = "told" if error is self._plan.shortfall else "idle"
                if isinstance(error, CapledgerError):
                    error.cursor = self.cursor
                raise
        if self._state == "ended":
            raise StopAsyncIteration

    async def _deliver_next(self) -> Literal["idle", "ended"]:
        """Deliver the next batch; return the state of the walk after it."""
        plan = self._plan
        if self._taken is None and not plan.ended:
            if self._batch.entries:  # makes room before the next page is decoded
                self._batch, self._index = Batch(NO_PAGE, [], self._batch.position(self._index)), 0
            self._taken = await plan.next_batch(self._batch.before)
        if self._taken is None:
            if plan.shortfall is not None and not self._allow_incomplete:
                raise plan.shortfall
            self._report.complete = plan.shortfall is None and not has_pending_events(self._report)
            return "ended"
        if self._attach is not None:
            await self._attach(self._taken.entries)
        self._batch, self._index, self._taken = self._taken, 0, None
        return "idle"


def _resolved_span(query: LedgerQuery, zone: tzinfo, now: Callable[[tzinfo], datetime], resume: Cursor | None) -> Span:
    return Span.resolve(query.start, query.end, zone=zone, now=now(zone) if resume is None else resume.end)


def cursor_behind(batch: Batch, index: int, end: datetime, profile: ServerProfile, *, unproven: bool) -> Cursor:
    """Return the cursor behind so many entries of a batch."""
    return Cursor(end=end, position=batch.position(index), learned=profile.learned(), unproven=unproven)
