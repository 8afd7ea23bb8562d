"""aioresponses made to work with aiohttp 3.14."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

from aiohttp import ClientResponse, StreamReader
from aiohttp.client_proto import ResponseHandler

if TYPE_CHECKING:
    import asyncio

#: Bytes that a mocked body may have; aioresponses stops reading at 128 KiB, and the largest responses are 64 MiB.
LARGEST_BODY = 128 * 1024 * 1024


class ResponseOfToday(ClientResponse):
    """A response that can be made without the ``stream_writer`` that aioresponses 0.7.9 does not know of."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"stream_writer": Mock(output_size=0)} | options)


def wide_stream_reader(loop: asyncio.AbstractEventLoop) -> StreamReader:
    """A reader that takes a large body at once, as aioresponses feeds it, without pausing a transport it has not."""
    return StreamReader(ResponseHandler(loop=loop), limit=LARGEST_BODY, loop=loop)
