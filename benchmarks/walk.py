"""Walk a ledger over loopback with ``async for``, compared with loops written by hand."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import httpx

from benchmarks.measure import Table, in_turns
from benchmarks.peers import pydantic_of
from benchmarks.server import HEADERS, PARAMS, PATH, expect, get_page, open_http, serving, walk
from capledger import LedgerPage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

#: Pages in flight, for all candidates.
IN_FLIGHT: Final = 8


def measure(rounds: int = 7, entries: int = 100_000) -> Table:
    """Return entries per second and CPU time of each way to walk."""
    pages = -(-entries // 100)
    with serving(entries) as url:

        def run(client: Callable[[str, int], Awaitable[int]]) -> Callable[[], None]:
            return lambda: expect(asyncio.run(client(url, pages)), entries)  # type: ignore[arg-type]  # a coroutine function

        durations = in_turns({name: run(client) for name, client in CLIENTS.items()}, rounds)
    ours = durations["capledger"]
    rows = [
        (
            name,
            f"{entries / one.wall:,.0f}",
            f"{one.wall / ours.wall:.2f}",
            f"{one.cpu / entries * 1e6:.2f}",
            f"{one.cpu / ours.cpu:.2f}",
        )
        for name, one in durations.items()
    ]
    head = ("", "entries per second", "time, times capledger", "CPU us per entry", "times capledger")
    title = f"Walking {entries:,} entries, over loopback, {IN_FLIGHT} pages in flight, median of {rounds} rounds"
    figures = {name: entries / one.wall for name, one in durations.items()}
    return Table(title, head, rows, figures, "entries per second")


async def in_order(page: Callable[[int], Any], pages: int) -> AsyncIterator[Any]:
    """Fetch pages ahead and yield them in order, as one would write by hand."""
    in_flight: deque[asyncio.Task[Any]] = deque()
    for number in range(pages):
        in_flight.append(asyncio.create_task(page(number)))
        if len(in_flight) == IN_FLIGHT:
            yield await in_flight.popleft()
    while in_flight:
        yield await in_flight.popleft()


async def with_capledger(url: str, pages: int) -> int:  # noqa: ARG001 - it determines the number of pages itself
    """Return the number of entries, with exact amounts and aware dates, proven complete."""
    return await walk(url, IN_FLIGHT)


async def with_json(url: str, pages: int) -> int:
    """Return the number of entries, as dicts."""
    async with open_http(url) as http:

        async def page(number: int) -> Any:  # noqa: ANN401 - JSON
            return json.loads(await get_page(http, number))

        async def entries() -> AsyncIterator[dict[str, Any]]:
            async for body in in_order(page, pages):
                for entry in body["ledgerEntries"]:
                    yield entry

        count = 0
        async for _ in entries():
            count += 1
        return count


async def with_httpx(url: str, pages: int) -> int:
    """Return the number of entries, as models of pydantic."""
    model: Any = pydantic_of(LedgerPage)
    async with httpx.AsyncClient(base_url=url, headers=HEADERS) as http:

        async def page(number: int) -> Any:  # noqa: ANN401 - a model made at run time
            response = await http.get(PATH, params={**PARAMS, "offset": str(number)})
            response.raise_for_status()
            return model.model_validate_json(response.content)

        async def entries() -> AsyncIterator[Any]:
            async for body in in_order(page, pages):
                for entry in body.entries:
                    yield entry

        count = 0
        async for _ in entries():
            count += 1
        return count


async def without_decoding(url: str, pages: int) -> int:
    """Return the number of entries without decoding them: the limit of the network and aiohttp."""
    async with open_http(url) as http:

        async def page(number: int) -> bytes:
            return await get_page(http, number)

        return sum([body.count(b'"eventLogId"') async for body in in_order(page, pages)])


CLIENTS: Final[dict[str, Callable[[str, int], Awaitable[int]]]] = {
    "aiohttp, nothing decoded": without_decoding,
    "capledger": with_capledger,
    "aiohttp + json.loads by hand, dicts": with_json,
    "httpx + pydantic": with_httpx,
}
