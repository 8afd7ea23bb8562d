"""Fetch many ledgers at once: the time against the ideal, and the memory for ten times as many queries.

The server is a process of its own, which answers with the same page after 20 ms, so that only the client is measured.
The ideal is that all connections are always in use: customers / in flight * 20 ms.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from statistics import median
from typing import TYPE_CHECKING, Final, cast

import aiohttp

from benchmarks.measure import Duration, Table, peak_memory
from benchmarks.server import AUTH, PATH, expect
from capledger import CustomerLedgerQuery, LedgerSession
from capledger.sandbox import Sandbox, SandboxCustomer, synthetic_rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from multiprocessing.connection import Connection

IN_FLIGHT: Final = 64
#: Seconds that each response takes.
LATENCY: Final = 0.02
#: Entries of each customer.
ROWS: Final = 3

SPAWN: Final = get_context("spawn")


def measure(count: int = 2_000, rounds: int = 5) -> Table:
    """Return the duration of each way to fetch the ledgers; the ways take turns."""
    ideal = count / IN_FLIGHT * LATENCY
    durations: dict[str, list[Duration]] = {name: [] for name in CLIENTS}
    with serving_one_page(LATENCY) as url:
        for _ in range(rounds):
            for name, client in CLIENTS.items():
                durations[name].append(asyncio.run(_time(client, url, count)))
    rows = []
    for name, measured in durations.items():
        best, cpu = min(one.wall for one in measured), min(one.cpu for one in measured)
        middle = median(one.wall for one in measured)
        rows.append((name, f"{best:.3f}", f"{middle:.3f}", f"{best / ideal:.2f}", f"{cpu / count * 1e6:.0f}"))
    title = (
        f"{count:,} customers of one page, {LATENCY * 1000:.0f} ms per response, {IN_FLIGHT} in flight, "
        f"{rounds} rounds; ideal {ideal:.3f} s"
    )
    return Table(title, ("", "best s", "median s", "best / ideal", "CPU us per customer"), rows)


def measure_memory(counts: tuple[int, ...] = (1_000, 10_000, 100_000)) -> Table:
    """Return the peak memory of a process for each number of queries."""
    rows = []
    with serving_one_page(0.0) as url:
        for count in counts:
            start = time.perf_counter()
            peak = _peak_of(url, count)
            rows.append((f"{count:,} queries", f"{peak:.1f}", f"{time.perf_counter() - start:.1f}"))
    return Table("Peak memory of fetch_many, queries from a generator", ("", "MiB", "seconds"), rows)


async def _time(client: Callable[[str, int], Awaitable[None]], url: str, count: int) -> Duration:
    wall, cpu = time.perf_counter(), time.process_time()
    await client(url, count)
    return Duration(time.perf_counter() - wall, time.process_time() - cpu)


def _peak_of(url: str, count: int) -> float:
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_send_peak, args=(theirs, url, count))
    process.start()
    peak: float = ours.recv()
    process.join()
    return peak


def _send_peak(pipe: Connection, url: str, count: int) -> None:
    asyncio.run(with_nothing_kept(url, count))
    pipe.send(peak_memory())


def queries(count: int) -> Iterator[CustomerLedgerQuery]:
    """Return queries for this many customers, made one by one."""
    return (CustomerLedgerQuery.mobile(917_000_000_000 + number) for number in range(count))


# The server


class OnePageServer(asyncio.Protocol):
    """Answers every request on a connection with the same bytes."""

    def __init__(self, response: bytes, latency: float) -> None:
        self.response = response
        self.latency = latency
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport to write to."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Respond after the latency once a request is complete."""
        self.received += data
        if self.received.endswith(b"\r\n\r\n"):
            self.received = b""
            asyncio.get_running_loop().call_later(self.latency, self.transport.write, self.response)


@contextmanager
def serving_one_page(latency: float) -> Iterator[str]:
    """Run the server in a process of its own and yield its URL."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_serve, args=(theirs, latency), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection, latency: float) -> None:
    asyncio.run(_respond_to_all(pipe, latency))


async def _respond_to_all(pipe: Connection, latency: float) -> None:
    """Send the port, and respond until the process is terminated."""
    body = await _body()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: OnePageServer(head.encode() + body, latency), "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


async def _body() -> bytes:
    """Return the body of a page of the sandbox."""
    customer = SandboxCustomer("917000000000", synthetic_rows(ROWS, datetime(2025, 1, 1), timedelta(hours=1)))
    async with Sandbox([customer]) as box, LedgerSession(box.url, AUTH, timezone=UTC) as session:
        pages = [page.raw async for page in session.entries(next(queries(1))).pages()]
    return pages[0]


# The clients


def open_session(url: str) -> LedgerSession:
    """Return a session with a connection for each ledger in flight."""
    return LedgerSession(url, AUTH, timezone=UTC, max_connections=IN_FLIGHT)


async def with_aiohttp(url: str, count: int) -> None:
    """Fetch with aiohttp only, without decoding."""

    async def work() -> None:
        for query in pending:
            async with http.get(f"{url}{PATH}?identifierValue={query.identifier_value}") as response:
                await response.read()

    pending = queries(count)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


async def with_fetch_many(url: str, count: int) -> None:
    """Fetch outcomes as they finish."""
    async with open_session(url) as session:
        sizes = [len(outcome.entries) async for outcome in session.fetch_many(queries(count), max_in_flight=IN_FLIGHT)]
    expect(sizes, [ROWS] * count)


async def in_order(url: str, count: int) -> None:
    """Fetch outcomes in the order of the queries, without duplicates."""
    async with open_session(url) as session:
        many = session.fetch_many(queries(count), max_in_flight=IN_FLIGHT, ordered=True, deduplicate=True)
        yielded = [outcome.query async for outcome in many]
    expect(yielded, list(queries(count)))


async def with_stream_many(url: str, count: int) -> None:
    """Fetch pages."""
    async with open_session(url) as session:
        sizes = [len(page.entries) async for _, page in session.stream_many(queries(count), max_in_flight=IN_FLIGHT)]
    expect(sizes, [ROWS] * count)


async def with_nothing_kept(url: str, count: int) -> None:
    """Fetch outcomes without keeping any of them."""
    async with open_session(url) as session:
        async for outcome in session.fetch_many(queries(count), max_in_flight=IN_FLIGHT):
            expect(len(outcome.entries), ROWS)


CLIENTS: Final[dict[str, Callable[[str, int], Awaitable[None]]]] = {
    "aiohttp alone": with_aiohttp,
    "fetch_many": with_fetch_many,
    "fetch_many, ordered, deduplicated": in_order,
    "stream_many": with_stream_many,
}
