"""The source of leases on a worker: the book in the scheduler."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from distributed import Worker, get_worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from capledger._transport.lease_book import Lease


class SchedulerLeases:
    """A :class:`~capledger.LeaseSource` on a Dask worker; make it in a task.

    Args:
        organisation: name of the book.
        grace: seconds that a request may take, as the book was opened with.
    """

    def __init__(self, organisation: str, *, grace: float = 60.0) -> None:
        self.grace = grace
        self._organisation = organisation
        self._worker = get_worker()

    async def lease(self, want: int, settled: Sequence[tuple[int, float]], unused: Sequence[int]) -> Lease:
        """Lease places of the book in the scheduler.

        Raises:
            OSError: the scheduler cannot be reached.
        """
        arguments = {"organisation": self._organisation, "want": want, "settled": settled, "unused": unused}
        first, count, wait = await asyncio.wrap_future(call_scheduler(self._worker, "capledger_lease", **arguments))
        return first, count, wait


def call_scheduler(worker: Worker, handler: str, **arguments: Any) -> Any:  # noqa: ANN401 - a concurrent future of anything
    """Call a handler of the scheduler in the worker's own event loop; return the concurrent future of its result."""

    async def call() -> Any:  # noqa: ANN401 - whatever the handler returns
        return await getattr(worker.scheduler, handler)(**arguments)

    return asyncio.run_coroutine_threadsafe(call(), worker.loop.asyncio_loop)
