"""Decode a page of a hundred entries: from bytes to entries."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from benchmarks.measure import Table, in_turns, repeated
from benchmarks.peers import cattrs_reader, pydantic_of, struct_of
from benchmarks.server import AUTH
from capledger import CustomerLedgerQuery, LedgerPage, LedgerSession
from capledger._sansio.decoder import Decoder
from capledger._sansio.requests import LedgerRequests
from capledger._sansio.response import Response
from capledger.sandbox import Sandbox, SandboxCustomer, seed_rows

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS: Final = 100
_MOBILE: Final = "917000000000"


def measure(rounds: int = 15, times: int = 20) -> Table:
    """Return the CPU time per entry of each way to decode one page."""
    body = asyncio.run(sample_page())
    durations = in_turns({name: repeated(times, run) for name, run in candidates(body).items()}, rounds)
    cpu = {name: one.cpu / times / ROWS * 1e6 for name, one in durations.items()}
    rows = [(name, f"{used:.2f}", f"{used / cpu['capledger']:.2f}") for name, used in cpu.items()]
    title = f"Decoding a page of {ROWS} entries ({len(body) / 1000:.0f} kB), median of {rounds} rounds"
    return Table(title, ("", "us per entry", "times capledger"), rows, cpu, "microseconds per entry")


def candidates(body: bytes) -> dict[str, Callable[[], object]]:
    """Return what is compared, by name."""
    decoder, structs, read_with_cattrs = Decoder(UTC), msgspec.json.Decoder(struct_of(LedgerPage)), cattrs_reader()
    request = LedgerRequests(CustomerLedgerQuery.mobile(_MOBILE)).page(offset=0, limit=ROWS, order="ASC")
    response = Response(200, {}, body)
    return {
        "msgspec, its own Structs": lambda: structs.decode(body),
        "capledger": lambda: decoder.decode(request, response),
        "json.loads, dicts without types": lambda: json.loads(body),
        "pydantic 2": lambda: pydantic_of(LedgerPage).model_validate_json(body),
        "orjson, then cattrs": lambda: read_with_cattrs(body),
    }


async def sample_page() -> bytes:
    """Return a full page of the sandbox, with entries of many types."""
    rows = seed_rows(7, 2 * ROWS, datetime(2024, 1, 1), datetime(2025, 1, 1))
    async with (
        Sandbox([SandboxCustomer(_MOBILE, rows)]) as box,
        LedgerSession(box.url, AUTH, timezone=UTC) as session,
    ):
        pages = [page.raw async for page in session.entries(CustomerLedgerQuery.mobile(_MOBILE)).pages()]
    return pages[0]
