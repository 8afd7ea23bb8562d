"""The sandbox as a process of its own, so that serving is not in the times of those who ask."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING, Final

from capledger import BasicAuth, CustomerLedgerQuery, LedgerSession
from capledger.sandbox.__main__ import BIG_MOBILE

if TYPE_CHECKING:
    from collections.abc import Iterator

AUTH: Final = BasicAuth("store.server", "server123")
QUERY: Final = CustomerLedgerQuery.mobile(BIG_MOBILE)


@contextmanager
def serving(rows: int, *, latency: float = 0.0) -> Iterator[str]:
    """Serve one customer of so many entries (:data:`QUERY`), each answer after some seconds; give the URL."""
    command = [sys.executable, "-m", "capledger.sandbox", "--rows", str(rows), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # our own module
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.terminate()


def session(url: str) -> LedgerSession:
    """A session at the server, with as many connections as anybody here uses."""
    return LedgerSession(url, AUTH, timezone=UTC, max_connections=16)


async def walk(url: str, prefetch: int) -> int:
    """Count the entries of the customer, one by one."""
    count = 0
    async with session(url) as opened:
        async for _ in opened.entries(QUERY, prefetch=prefetch):
            count += 1
    return count
