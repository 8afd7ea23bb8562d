"""The sandbox in a process of its own, so that serving is not measured, and how clients reach it."""

from __future__ import annotations

import subprocess
import sys
from base64 import b64encode
from contextlib import contextmanager
from datetime import UTC
from hashlib import md5
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from capledger import BasicAuth, CustomerLedgerQuery, LedgerSession
from capledger.sandbox.__main__ import BIG_MOBILE

if TYPE_CHECKING:
    from collections.abc import Iterator

AUTH: Final = BasicAuth("store.server", "server123")
QUERY: Final = CustomerLedgerQuery.mobile(BIG_MOBILE)

#: The same request for clients that are written by hand.
PATH: Final = "/v2/pointsLedger/getCustomerLedgerInfo"
PARAMS: Final = {
    "identifierName": QUERY.identifier_name,
    "identifierValue": QUERY.identifier_value,
    "source": QUERY.source,
    "limit": "100",
    "order": "ASC",
}
_PASSWORD: Final = md5(b"server123", usedforsecurity=False).hexdigest()
HEADERS: Final = {"Authorization": f"Basic {b64encode(f'store.server:{_PASSWORD}'.encode()).decode()}"}


@contextmanager
def serving(rows: int, *, latency: float = 0.0) -> Iterator[str]:
    """Serve one customer with this many entries (:data:`QUERY`), each response after ``latency`` seconds."""
    command = [sys.executable, "-m", "capledger.sandbox", "--rows", str(rows), "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        try:
            yield process.stdout.readline().strip() if process.stdout else ""
        finally:
            process.terminate()


def open_session(url: str) -> LedgerSession:
    """Return a session with as many connections as any benchmark here uses."""
    return LedgerSession(url, AUTH, timezone=UTC, max_connections=16)


def open_http(url: str) -> aiohttp.ClientSession:
    """Return an HTTP session for clients that are written by hand, without a limit of connections."""
    return aiohttp.ClientSession(url, headers=HEADERS, connector=aiohttp.TCPConnector(limit=0))


async def get_page(http: aiohttp.ClientSession, number: int) -> bytes:
    """Return the body of one page."""
    async with http.get(PATH, params={**PARAMS, "offset": str(number)}) as response:
        response.raise_for_status()
        return await response.read()


async def walk(url: str, prefetch: int) -> int:
    """Return the number of entries, walked one by one."""
    count = 0
    async with open_session(url) as session:
        async for _ in session.entries(QUERY, prefetch=prefetch):
            count += 1
    return count


def expect(actual: Any, expected: Any) -> None:  # noqa: ANN401 - values of any type
    """Exit if a candidate did not do what it is measured for."""
    if actual != expected:
        raise SystemExit("a candidate did not yield exactly the entries of the server")
