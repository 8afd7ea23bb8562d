"""The shim of ``conftest.web`` works, and goes when it is no longer needed."""

from __future__ import annotations

import aioresponses.core
import pytest
from aiohttp import ClientSession
from aioresponses import aioresponses as AioResponses  # noqa: N812 - a class that is named like a function
from support.mocked_http import ResponseOfToday

URL = "http://ledger.example/v2/x"
LARGE = b"x" * 1_000_000


async def body_of(url: str) -> bytes:
    async with ClientSession() as session, session.get(url) as response:
        return await response.read()


async def test_with_shim(web: AioResponses) -> None:
    """With the shim, a large body comes whole."""
    web.get(URL, body=LARGE)

    assert await body_of(URL) == LARGE


async def test_stream_writer_is_still_missing() -> None:
    """Without the shim nothing comes; should this fail, aioresponses knows this aiohttp: drop ``ResponseOfToday``."""
    with AioResponses() as mocked:
        mocked.get(URL, body=b"x")
        with pytest.raises(TypeError, match="stream_writer"):
            await body_of(URL)


async def test_large_bodies_still_break(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wide reader a large body breaks; should this fail, drop ``wide_stream_reader``."""
    monkeypatch.setattr(aioresponses.core, "ClientResponse", ResponseOfToday)
    with AioResponses() as mocked:
        mocked.get(URL, body=LARGE)
        with pytest.raises(AssertionError):
            await body_of(URL)
