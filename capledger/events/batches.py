"""Events in batches of one request each, several of them requested at once.

The service reports an id that it has no details of in one of four ways: it refuses the whole request, returns null,
leaves the event out, or adds a warning. After a refusal that names ids, the others are requested again; after any
other, both halves.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from capledger._sansio.api_errors import Scrubber
from capledger._sansio.context import RequestContext
from capledger._sansio.requests import MOST_EVENTS, Request, event_details
from capledger._sansio.sending import Fetch
from capledger.errors import ERROR_CLASSES, ConcurrentUseError, EventNotFoundError, PaginationError
from capledger.models import LedgerEvent, WalkReport
from capledger.queries import EventDetailsQuery

if TYPE_CHECKING:
    from capledger.models import EventsPage, Notice

#: An event's id, or its reference where the query has an event name.
Key = int | str

#: "Event name not found": the service has no details of any event of this name.
_UNKNOWN_EVENT_NAME = 11014

_BRACKETS = re.compile(r"\[([^]]*)")
_UP_TO_THE_VALUES = re.compile(r".*(?::|\bids? )")


@frozen
class KnownEventNames:
    """Names of events as ledger entries state them, and which of these names have no details."""

    by_key: Mapping[Key, str] = field(factory=dict)
    without_details: set[str] = field(factory=set)


@frozen
class _Part:
    """Keys of one request."""

    keys: Sequence[Key]
    implicates_next: bool = False
    """Whether the next part must contain what was refused if this one is not refused."""


@define(eq=False)
class EventBatch:
    """Up to ten events: those received, and what is still to be requested of them."""

    query: EventDetailsQuery
    keys: Sequence[Key]
    names: KnownEventNames = field(factory=KnownEventNames)
    found: dict[Key, list[LedgerEvent]] = field(factory=dict)
    """Events by key, usually one; an empty list for a key that the service has no details of."""
    _parts: list[_Part] = field(init=False)
    """What is still to be requested, the next part last."""

    def __attrs_post_init__(self) -> None:
        self._parts = [_Part(self.keys)]

    @property
    def finished(self) -> bool:
        """Whether nothing is left to request."""
        return not self._parts

    @property
    def missing(self) -> list[Key]:
        """Keys that the service has no details of, once the batch is finished."""
        return [key for key in self.keys if not self.found[key]]

    def request(self) -> Request[EventsPage]:
        """Return the next request."""
        return event_details(self.query, ids_or_references=self._parts[-1].keys)

    def record_page(self, page: EventsPage) -> None:
        """Record the response to the next request; one that matches no request leaves the batch as it is."""
        part = self._parts[-1]
        found = self._match(part.keys, [event for event in page.events if event is not None])
        self._parts.pop()
        if part.implicates_next:
            self._split(self._parts.pop().keys)
        if found is None:
            self._parts += [_Part([key]) for key in reversed(part.keys)]
        else:
            self.found |= found

    def record_refusal(self, error: EventNotFoundError) -> None:
        """Record the refusal of the next request; raise it where it refuses the query's event name."""
        values = _values_named(error.message)
        names = values if error.code == _UNKNOWN_EVENT_NAME else set()
        if self.query.event_name in names:
            raise error
        self.names.without_details.update(names.intersection(self.names.by_key.values()))
        keys = self._parts.pop().keys
        refused = self._refused_keys(keys, values, names)
        if not refused and len(keys) > 1:
            self._split(keys)
            return
        self.found |= {key: [] for key in refused or keys}
        if remaining := [key for key in keys if key not in self.found]:
            self._parts.append(_Part(remaining))

    def _split(self, keys: Sequence[Key]) -> None:
        """Request the halves of what contains a refused key."""
        half = len(keys) // 2
        self._parts.append(_Part(keys[half:]))
        if half:
            self._parts.append(_Part(keys[:half], implicates_next=True))

    def _match(self, keys: Sequence[Key], events: list[LedgerEvent]) -> dict[Key, list[LedgerEvent]] | None:
        """Return the events by key; None where each key must be requested alone to know its events."""
        by_id = self.query.event_name is None
        found: dict[Key, list[LedgerEvent]] = {key: [] for key in keys}
        for event in events:
            candidates = (event.event_log_id,) if by_id else (event.event_reference_id, event.unique_id)
            key = next((key for key in candidates if key in found), None)
            if key is None:
                if by_id:
                    raise PaginationError("the response contains an event that was not requested")
                if len(keys) > 1:
                    return None
                key = keys[0]
            found[key].append(event)
        return found

    def _refused_keys(self, keys: Sequence[Key], values: set[str], names: set[str]) -> set[Key]:
        scrub = Scrubber(self.query.identifier_value)  # as the message was scrubbed
        return {key for key in keys if scrub(str(key)) in values or self.names.by_key.get(key) in names}


@define(eq=False)
class EventBatchQueue:
    """Batches in order, with at most ``prefetch`` requested or waiting; an interrupted one keeps what it received."""

    _query: EventDetailsQuery
    _keys: Iterator[Key]
    _fetch: Fetch
    _report: WalkReport
    _context: RequestContext
    _prefetch: int
    _names: KnownEventNames = field(factory=KnownEventNames)
    _open: deque[EventBatch] = field(init=False, factory=deque)
    _tasks: dict[EventBatch, asyncio.Task[None]] = field(init=False, factory=dict)
    _running: set[asyncio.Task[None]] = field(init=False, factory=set)
    """Tasks that have not ended, cancelled ones included."""
    busy: bool = field(init=False, default=False)
    _closed: bool = field(init=False, default=False)
    """Whether the task that waits for a batch is to stop waiting."""

    async def next(self) -> EventBatch | None:
        """Return the next batch once it is finished, None after the last; what failed is retried by the next call."""
        if self.busy:
            raise ConcurrentUseError("two tasks iterate over one walk: call session.events(query) for each of them")
        self.busy, self._closed = True, False
        try:
            self._start_tasks()
            while self._open and not self._open[0].finished:
                await self._wait_for(self._open[0])
                self._start_tasks()
        except BaseException:
            self.stop()
            raise
        finally:
            self.busy = False
        return self._take_first() if self._open else None

    def _take_first(self) -> EventBatch:
        batch = self._open.popleft()
        self._tasks.pop(batch, None)
        self._start_tasks()
        return batch

    async def aclose(self) -> None:
        """End the requests under way; a task that waits for the next batch gets a ConcurrentUseError."""
        self._closed = True
        self.stop()
        await asyncio.gather(*self._running, return_exceptions=True)

    def stop(self) -> None:
        """End the requests under way without waiting for their end."""
        for task in self._tasks.values():
            with suppress(RuntimeError):  # the loop is closed, and its tasks with it
                task.cancel()
        self._tasks.clear()

    def _start_tasks(self) -> None:
        while len(self._open) < self._prefetch and (keys := list(islice(self._keys, MOST_EVENTS))):
            self._open.append(EventBatch(self._query, keys, self._names))
        for batch in self._open:
            if not batch.finished and batch not in self._tasks:
                task = self._tasks[batch] = asyncio.get_running_loop().create_task(self._finish(batch))
                self._running.add(task)
                task.add_done_callback(self._discard)

    def _discard(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, so that a walk that was left does not warn about it

    async def _wait_for(self, batch: EventBatch) -> None:
        task = self._tasks[batch]
        await asyncio.wait([task])
        if self._closed:
            raise ConcurrentUseError("the walk was closed while another task waited for its next event")
        if self._tasks.get(batch) is task:
            task.result()

    async def _finish(self, batch: EventBatch) -> None:
        while not batch.finished:
            try:
                page = await self._fetch(batch.request(), self._context)
            except EventNotFoundError as error:
                batch.record_refusal(error)
            else:
                batch.record_page(page)
                self._count(page)

    def _count(self, page: EventsPage) -> None:
        self._report.pages += 1
        self._report.rows_received += sum(event is not None for event in page.events)
        for notice in page.warnings:
            if all(_kind(notice) != _kind(known) for known in self._report.warnings):
                self._report.warnings.append(notice)


def _kind(notice: Notice) -> object:
    """Return what makes two warnings equal: those about single events differ in their ids alone."""
    return notice.code if ERROR_CLASSES.get(notice.code or 0) is EventNotFoundError else notice


def _values_named(message: str) -> set[str]:
    """Return what stands in brackets ("found[1, 2]"), and what follows a colon or "id" at the end."""
    lists = _BRACKETS.findall(message) + [_UP_TO_THE_VALUES.sub("", part) for part in message.split(";")]
    return {value.strip(" '\"") for values in lists for value in values.split(",")}
