"""What runs in the scheduler: the books of rate limits, and which runs are under way.

A handler of the scheduler answers a worker in some 2 ms and ends with nobody but the scheduler. An Actor dies with its
worker for good; a Semaphore lets twice the limit through after a worker was killed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field
from distributed.diagnostics.plugin import SchedulerPlugin

from capledger._transport.lease_book import LeaseBook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from distributed import Scheduler

    from capledger._transport.lease_book import Lease

NAME: Final = "capledger"
#: Deaths of workers that a shard survives: it continues where it was, so only a cluster that is failing ends a run.
_ALLOWED_FAILURES: Final = 100


@define
class _RunState:
    """One run of a job, which ends with its client."""

    client: str
    stopped: bool = False
    progress: dict[int, dict[str, Any]] = field(factory=dict)
    """Latest progress of shards that are under way, by number."""


class CapledgerPlugin(SchedulerPlugin):  # type: ignore[misc]  # distributed ships no types
    """Handlers that workers and clients call by ``scheduler.capledger_...``."""

    name = NAME

    def __init__(self) -> None:
        self._books: dict[str, LeaseBook] = {}
        self._runs: dict[str, _RunState] = {}

    def attach(self, scheduler: Scheduler) -> None:
        """Add the handlers, and let shards survive more deaths of workers than Dask's default of three."""
        scheduler.allowed_failures = max(scheduler.allowed_failures, _ALLOWED_FAILURES)
        scheduler.handlers |= {
            "capledger_open": self.open_book,
            "capledger_lease": self.lease,
            "capledger_taken_for": self.taken_for,
            "capledger_begin": self.begin,
            "capledger_report": self.report,
            "capledger_stop": self.stop,
            "capledger_progress": self.progress,
        }

    def open_book(self, organisation: str, requests_per_minute: int, grace: float, closed_for: float) -> None:
        """Make the book of an organisation, or change the limit of the one that there is; it may be closed at first."""
        now, book = time.monotonic(), self._books.get(organisation)
        if book is None:
            self._books[organisation] = LeaseBook(requests_per_minute, now, grace=grace, closed_for=closed_for)
        else:
            book.change_limit(requests_per_minute)
            book.close(now, closed_for)

    def lease(self, organisation: str, want: int, settled: Sequence[tuple[int, float]], unused: Sequence[int]) -> Lease:
        """Lease places of an organisation's book; an unknown one leases nothing."""
        return self._books[organisation].lease(time.monotonic(), want, settled, unused)

    def taken_for(self, organisation: str) -> float:
        """Return the seconds until all places of a book are free that are taken now."""
        return self._books[organisation].taken_for(time.monotonic())

    def begin(self, run: str, client: str) -> None:
        """Note that a run is under way."""
        self._runs[run] = _RunState(client)

    def report(self, run: str, shard: int, progress: dict[str, Any] | None) -> bool:
        """Note the progress of a shard; return whether it must stop, since its run is over."""
        known = self._runs.get(run)
        if known is not None and progress is not None:
            known.progress[shard] = progress
        return known is None or known.stopped

    def progress(self, run: str, finished: Sequence[int]) -> dict[int, dict[str, Any]]:
        """Forget the shards of a run that are finished; return the latest progress of those that are under way."""
        progress = self._runs[run].progress if run in self._runs else {}
        for shard in finished:
            progress.pop(shard, None)
        return progress

    def stop(self, run: str) -> None:
        """Let the shards of a run end in order."""
        if run in self._runs:  # else its client was gone for a moment, and they end as well
            self._runs[run].stopped = True

    def remove_client(self, scheduler: Scheduler, client: str) -> None:  # noqa: ARG002 - part of the protocol
        """Forget the runs of a client that is gone, such as killed: their shards end in order."""
        self._runs = {name: run for name, run in self._runs.items() if run.client != client}


def dask_setup(dask_scheduler: Scheduler) -> None:
    """Install the plugin in a scheduler that does not have it yet; for ``--preload capledger.dask`` as well."""
    if NAME not in dask_scheduler.plugins:
        plugin = CapledgerPlugin()
        dask_scheduler.add_plugin(plugin, name=NAME)
        plugin.attach(dask_scheduler)
