"""Object stores of moto's server, in this process."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import aiohttp
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

BUCKET = "ledgers"


@contextmanager
def moto_server() -> Iterator[str]:
    """Serve S3; yield the endpoint."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def settings(endpoint: str) -> dict[str, str]:
    """Return the variables of the environment with which S3 is found there."""
    return {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ALLOW_HTTP": "true",
    }


def use_store_and_catalog(endpoint: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Describe the store, and a catalog of Iceberg in a folder, by the environment, as a user does."""
    from pyiceberg.utils.config import Config  # noqa: PLC0415 - slow to import

    catalog = {"TYPE": "sql", "URI": f"sqlite:///{folder}/catalog.db", "WAREHOUSE": f"file://{folder}/warehouse"}
    access = {"S3__ENDPOINT": endpoint, "S3__ACCESS_KEY_ID": "key", "S3__SECRET_ACCESS_KEY": "secret"}
    for name, value in (catalog | access).items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__LAKE__{name}", value)
    for name, value in settings(endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())  # read when it was imported


async def make_bucket(endpoint: str, name: str = BUCKET) -> None:
    """Create a bucket."""
    async with aiohttp.ClientSession() as http, http.put(f"{endpoint}/{name}") as response:
        response.raise_for_status()
