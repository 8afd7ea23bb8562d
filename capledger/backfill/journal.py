"""What was fetched, on its way to the disk: gathered while the last transaction runs, and noted by a thread."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from capledger.backfill.state import Ended, Page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Executor

#: Rows on the way, beyond which whoever brings more has to wait.
_MOST_ROWS: Final = 10_000

News = Page | Ended


class Journal:
    """Notes pages and ends, in the order in which they come.

    Args:
        note: writes some of them, in one transaction; called in the thread.
        thread: where.
        noted: called in the loop when some are on the disk.
    """

    def __init__(
        self, note: Callable[[Sequence[News]], None], thread: Executor, noted: Callable[[Sequence[News]], None]
    ) -> None:
        self._note = note
        self._thread = thread
        self._noted = noted
        self._news: list[News] = []
        self._rows = 0
        self._writing: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None

    async def put(self, item: News) -> None:
        """Have something noted soon; waits only where too much is on its way.

        Raises:
            BaseException: an earlier transaction failed for this reason.
        """
        self._raise_failure()
        self._news.append(item)
        self._rows += item.rows
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())
        while self._rows > _MOST_ROWS and self._writing is not None:
            await asyncio.shield(self._writing)
            self._raise_failure()

    async def flush(self) -> None:
        """Wait until everything is on the disk.

        Raises:
            BaseException: a transaction failed for this reason.
        """
        while self._writing is not None:
            await asyncio.shield(self._writing)
        self._raise_failure()

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._news:
                news, self._news = self._news, []
                await loop.run_in_executor(self._thread, self._note, news)
                self._rows -= sum(item.rows for item in news)
                self._noted(news)
        except BaseException as error:  # noqa: BLE001  (raised to whoever comes next)
            self._failure = error
        finally:
            self._writing = None

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
