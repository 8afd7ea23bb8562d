"""What tests share: mocked HTTP, and how hard hypothesis looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import aioresponses.core
import pytest
from aiohttp import ClientResponse, StreamReader
from aiohttp.client_proto import ResponseHandler
from aioresponses import aioresponses as AioResponses  # noqa: N812  # a class that is named like a function
from hypothesis import HealthCheck, settings

from capledger import _answer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

settings.register_profile("usual", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("fuzz", settings.get_profile("usual"), max_examples=2_000)
settings.load_profile("usual")

#: Bytes that a mocked body may have; aioresponses stops reading at 128 KiB, and the largest answers are 64 MiB.
LARGEST_BODY = 128 * 1024 * 1024


class ResponseOfToday(ClientResponse):
    """A response that can be made without the ``stream_writer`` that aioresponses 0.7.9 does not know of."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"stream_writer": Mock(output_size=0)} | options)


def wide_stream_reader(loop: asyncio.AbstractEventLoop) -> StreamReader:
    """A reader that takes a large body at once, as aioresponses feeds it, without pausing a transport it has not."""
    return StreamReader(ResponseHandler(loop=loop), limit=LARGEST_BODY, loop=loop)


@pytest.fixture(scope="module", params=["large answers", "small answers"])
def answer_size(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every answer as if it were large, so that what follows is sent before it is decoded; or each as it is."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "large answers":
            patch.setattr(_answer, "_SOON_DECODED", 0)
        yield


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[AioResponses]:
    """Mocked HTTP; each test says which URLs exist, and any other is a connection error."""
    monkeypatch.setattr(aioresponses.core, "ClientResponse", ResponseOfToday)
    monkeypatch.setattr(aioresponses.core, "stream_reader_factory", wide_stream_reader)
    with AioResponses() as mocked:
        yield mocked
