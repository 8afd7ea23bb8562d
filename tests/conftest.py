"""Fixtures that tests share, and the profiles of hypothesis."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import aioresponses.core
import pytest
from aioresponses import aioresponses as AioResponses  # noqa: N812 - a class that is named like a function
from hypothesis import HealthCheck, settings
from support.mocked_http import ResponseOfToday, wide_stream_reader

from capledger._sansio import response

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

#: The usual run has the same examples everywhere; "fuzz" draws others each time.
settings.register_profile(
    "usual", deadline=None, max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("fuzz", settings.get_profile("usual"), max_examples=2_000, derandomize=False)
settings.load_profile("usual")


# A shell starts jobs of the background with SIGINT ignored, and so would be the processes of tests that send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module", params=["large responses", "small responses"])
def response_size(request: pytest.FixtureRequest) -> Iterator[None]:
    """Treat all responses as large, which are decoded after the next request is sent, or leave them as they are."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "large responses":
            patch.setattr(response, "_DECODE_AT_ONCE_BYTES", 0)
        yield


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[AioResponses]:
    """Mocked HTTP; each test says which URLs exist, and any other is a connection error."""
    monkeypatch.setattr(aioresponses.core, "ClientResponse", ResponseOfToday)
    monkeypatch.setattr(aioresponses.core, "stream_reader_factory", wide_stream_reader)
    with AioResponses() as mocked:
        yield mocked


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """Two workers of a cluster, which are processes and started again when they are killed; it takes seconds."""
    from distributed import Client, LocalCluster  # noqa: PLC0415 - few tests need it

    cluster = LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0")
    with cluster, Client(cluster) as connected:
        yield connected
