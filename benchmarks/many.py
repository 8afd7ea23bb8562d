"""Many ledgers at once: the time against the ideal, and the memory for ten times as many queries.

``python -m benchmarks.many``; the server is a process of its own, which answers a canned page after 20 ms, so that what
is measured is the client. The ideal is that all places are always taken: customers / in flight * 20 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from statistics import median
from typing import TYPE_CHECKING, Final, cast

import aiohttp

from benchmarks.measure import peak_memory
from capledger import BasicAuth, CustomerLedgerQuery, LedgerSession
from capledger.sandbox import Sandbox, SandboxCustomer, synthetic_rows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from multiprocessing.connection import Connection

IN_FLIGHT: Final = 64
#: Seconds.
LATENCY: Final = 0.02
#: At most, as a multiple of the ideal time.
WANTED: Final = 1.25
ROWS: Final = 3
AUTH: Final = BasicAuth("store.server", "server123")

SPAWN = get_context("spawn")


def queries(count: int) -> Iterator[CustomerLedgerQuery]:
    """Queries for so many customers, one by one."""
    return (CustomerLedgerQuery.mobile(917_000_000_000 + number) for number in range(count))


async def canned_page() -> bytes:
    """A page of the sandbox, as it is on the wire."""
    customer = SandboxCustomer("917000000000", synthetic_rows(ROWS, datetime(2025, 1, 1), timedelta(hours=1)))
    async with Sandbox([customer]) as box, LedgerSession(box.url, AUTH, timezone=UTC) as session:
        pages = [page.raw async for page in session.entries(next(queries(1))).pages()]
    return pages[0]


# The server


class Answering(asyncio.Protocol):
    """Answers every request on a connection with the same bytes."""

    def __init__(self, answer: bytes, latency: float) -> None:
        self.answer = answer
        self.latency = latency
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Response later, once a request is whole."""
        self.received += data
        if self.received.endswith(b"\r\n\r\n"):
            self.received = b""
            asyncio.get_running_loop().call_later(self.latency, self.transport.write, self.answer)


async def answer_all(pipe: Connection, latency: float) -> None:
    """Send the port, and answer until the process is ended."""
    body = await canned_page()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Answering(head.encode() + body, latency), "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    await asyncio.Event().wait()


def serve(pipe: Connection, latency: float) -> None:
    """Be the server's process."""
    asyncio.run(answer_all(pipe, latency))


@contextmanager
def server(latency: float) -> Iterator[str]:
    """Run the server; give its URL."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=serve, args=(theirs, latency), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}"
    finally:
        process.terminate()
        process.join()


# The clients


def expect(found: object, wanted: object) -> None:
    """End the benchmark when what it measures is not done."""
    if found != wanted:
        raise SystemExit("the ledgers are not what the server has")


def open_session(url: str) -> LedgerSession:
    """A session with a connection for each ledger in flight."""
    return LedgerSession(url, AUTH, timezone=UTC, max_connections=IN_FLIGHT)


async def bare(url: str, count: int) -> None:
    """As little as it can be: aiohttp alone, nothing decoded."""

    async def work() -> None:
        for query in todo:
            address = f"{url}/v2/pointsLedger/getCustomerLedgerInfo?identifierValue={query.identifier_value}"
            async with http.get(address) as response:
                await response.read()

    todo = queries(count)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


async def fetched(url: str, count: int) -> None:
    """Outcomes, as they finish."""
    async with open_session(url) as session:
        found = [len(outcome.entries) async for outcome in session.fetch_many(queries(count), max_in_flight=IN_FLIGHT)]
    expect(found, [ROWS] * count)


async def in_order(url: str, count: int) -> None:
    """Outcomes in the order of the queries, of which none may come twice."""
    async with open_session(url) as session:
        many = session.fetch_many(queries(count), max_in_flight=IN_FLIGHT, ordered=True, deduplicate=True)
        found = [outcome.query async for outcome in many]
    expect(found, list(queries(count)))


async def streamed(url: str, count: int) -> None:
    """Pages."""
    async with open_session(url) as session:
        found = [len(page.entries) async for _, page in session.stream_many(queries(count), max_in_flight=IN_FLIGHT)]
    expect(found, [ROWS] * count)


async def counted(url: str, count: int) -> None:
    """Outcomes of which nothing is kept."""
    async with open_session(url) as session:
        async for outcome in session.fetch_many(queries(count), max_in_flight=IN_FLIGHT):
            expect(len(outcome.entries), ROWS)


CLIENTS: Final[dict[str, Callable[[str, int], Awaitable[None]]]] = {
    "aiohttp alone": bare,
    "fetch_many": fetched,
    "fetch_many, ordered, deduplicated": in_order,
    "stream_many": streamed,
}


# The tables


async def timed(client: Callable[[str, int], Awaitable[None]], url: str, count: int) -> tuple[float, float]:
    """Seconds that it took, and seconds of the processor."""
    began, used = time.perf_counter(), time.process_time()
    await client(url, count)
    return time.perf_counter() - began, time.process_time() - used


def compare(count: int, rounds: int) -> None:
    """Print the times; the clients take turns, so that a busy minute of the machine is everybody's."""
    ideal = count / IN_FLIGHT * LATENCY
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in CLIENTS}
    with server(LATENCY) as url:
        for _ in range(rounds):
            for name, client in CLIENTS.items():
                taken[name].append(asyncio.run(timed(client, url, count)))
    print(f"{count:,} customers of one page, {LATENCY * 1000:.0f} ms an answer, {IN_FLIGHT} in flight: ", end="")
    print(f"ideal {ideal:.3f} s, wanted at most {WANTED} times that\n")
    print(f"{f'{rounds} rounds':34} {'best s':>8} {'median s':>9} {'best ratio':>11} {'CPU us a customer':>18}")
    for name, times in taken.items():
        walls, cpu = [wall for wall, _ in times], min(used for _, used in times)
        print(f"{name:34} {min(walls):8.3f} {median(walls):9.3f} {min(walls) / ideal:11.2f} {cpu / count * 1e6:18.0f}")


def peak(pipe: Connection, url: str, count: int) -> None:
    """Be a client's process: send the most memory that it had."""
    asyncio.run(counted(url, count))
    pipe.send(peak_memory())


def weigh(counts: list[int]) -> None:
    """Print the peak memory of a process for each number of queries."""
    print(f"\n{'queries from a generator':34} {'peak MiB':>8} {'seconds':>9}")
    with server(0.0) as url:
        for count in counts:
            ours, theirs = SPAWN.Pipe()
            process = SPAWN.Process(target=peak, args=(theirs, url, count))
            began = time.perf_counter()
            process.start()
            print(f"{count:<34,} {ours.recv():8.1f} {time.perf_counter() - began:9.1f}", flush=True)
            process.join()


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many", description="Many ledgers at once.")
    parser.add_argument("--customers", type=int, default=2_000, help="for the times (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the best counts (%(default)s)")
    parser.add_argument("--queries", type=int, nargs="*", default=[1_000, 10_000, 100_000], help="for the memory")
    options = parser.parse_args()
    compare(options.customers, options.rounds)
    if options.queries:
        weigh(options.queries)


if __name__ == "__main__":
    main()
