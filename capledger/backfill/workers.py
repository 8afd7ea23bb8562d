"""The fetching: so many customers at once, each walked from where it stands to its end."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from capledger.backfill.schema import check, pack
from capledger.backfill.state import Customer, Ended, Page
from capledger.backfill.verdict import FOR_ALL, MOST_ROUNDS, JobStoppedError, failed, finished, is_of_the_service
from capledger.errors import CapledgerError, InvalidQueryError
from capledger.models import WalkReport

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor

    from capledger.backfill.journal import Journal
    from capledger.backfill.progress import Tally
    from capledger.backfill.state import Job
    from capledger.session import LedgerSession
    from capledger.walk import LedgerWalk

#: Ledgers that may fail one after the other, for a reason that is not their own, before the job is stopped.
_LONGEST_STREAK: Final = 50
#: Pages of one customer under way: one while there are others to ask for, since a kill loses what is under way.
_PREFETCH, _PREFETCH_AT_THE_END = 1, 4


class Crew:
    """Fetches everybody who is planned.

    Args:
        session: open.
        job: the plan.
        journal: where pages and ends go.
        tally: what is counted on the way.
        thread: where the plan is asked.
        size: customers at once.
        retried_alone: only those who had been set aside.
        pause: seconds before those who were put off are tried again.
    """

    def __init__(
        self,
        session: LedgerSession,
        job: Job,
        journal: Journal,
        tally: Tally,
        *,
        thread: Executor,
        size: int,
        retried_alone: bool,
        pause: float,
    ) -> None:
        self._session = session
        self._job = job
        self._journal = journal
        self._tally = tally
        self._thread = thread
        self._size = size
        self._retried_alone = retried_alone
        self._pause = pause
        self._drawn: deque[Customer] = deque()
        self._drawing = asyncio.Lock()
        self._round = 0
        self._streak = 0

    async def run(self) -> None:
        """Fetch all, then those that were put off, then those that were put off twice.

        Raises:
            CapledgerError: what concerns all of them, or a streak of failures; nothing that was fetched is lost.
        """
        for self._round in range(MOST_ROUNDS):
            if self._round:
                await self._journal.flush()
                if not await self._draw():
                    return
                await asyncio.sleep(self._pause)
            await _all_of([self._work() for _ in range(self._size)])

    async def _work(self) -> None:
        while (customer := await self._next()) is not None:
            await self._fetch(customer)

    async def _next(self) -> Customer | None:
        async with self._drawing:
            return self._drawn.popleft() if self._drawn or await self._draw() else None

    async def _draw(self) -> bool:
        def draw() -> list[Customer]:
            return self._job.draw(self._size, failures=self._round, retried_alone=self._retried_alone)

        self._drawn += await self._in_thread(draw)
        return bool(self._drawn)

    async def _fetch(self, customer: Customer) -> None:
        try:
            walk = self._session.entries(customer.query, prefetch=self._prefetch, resume_from=customer.cursor)
        except InvalidQueryError as error:
            await self._end(failed(customer, error, WalkReport(), 0))
            return
        self._tally.walks.add(walk)
        try:
            ended = await self._walk(customer, walk)
        finally:
            self._tally.walk_over(walk)
            walk.stop()
        await self._end(ended)

    @property
    def _prefetch(self) -> int:
        left = self._tally.wanted - self._tally.finished_now
        return _PREFETCH if left > 2 * self._size else _PREFETCH_AT_THE_END

    async def _walk(self, customer: Customer, walk: LedgerWalk) -> Ended:
        rows = customer.rows
        try:
            async for page in walk.pages():
                check(page.entries)
                rows += len(page.entries)
                await self._journal.put(Page(customer.id, pack(page.entries), len(page.entries), walk.cursor))
        except FOR_ALL:
            raise
        except CapledgerError as error:
            self._count(error)
            return failed(customer, error, walk.report, rows)
        self._streak = 0
        return finished(customer, walk.report, rows)

    def _count(self, error: CapledgerError) -> None:
        """Stop the job when it is the service that fails, rather than take all its customers for lost."""
        if not is_of_the_service(error):
            self._streak = 0
            return
        self._streak += 1
        if self._streak >= max(_LONGEST_STREAK, 2 * self._size):
            text = f"{self._streak} ledgers failed one after the other, the last with {type(error).__name__}"
            raise JobStoppedError(f"{text}: {error.message}")

    async def _end(self, ended: Ended) -> None:
        if ended.state != "planned":
            self._tally.ended(ended.state, ended.rows)
        await self._journal.put(ended)

    async def _in_thread(self, work: Callable[[], list[Customer]]) -> list[Customer]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


async def _all_of(work: list[Coroutine[None, None, None]]) -> None:
    """Do all of it at once; the first error, or being cancelled, ends the rest."""
    tasks = [asyncio.get_running_loop().create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
