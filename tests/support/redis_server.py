"""A Redis server of Debian's package, without any persistence."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from capledger.redis import RedisLeases


class RedisServer:
    """One process after another on the same socket."""

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._socket}"

    def start(self) -> None:
        options = ("--port", "0", "--save", "", "--appendonly", "no", "--dir", str(self._socket.parent))
        command = ["redis-server", "--unixsocket", str(self._socket), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command
        deadline = time.monotonic() + 10
        while not self._socket.exists() and time.monotonic() < deadline:
            time.sleep(0.01)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._socket.unlink(missing_ok=True)


async def open_now(leases: RedisLeases) -> None:
    """Make a book, and open it at once."""
    await leases.lease(0, [], [])
    client: Any = leases._client
    await client.hset(leases._keys[0], "opens_at", "0")
    await leases.close()


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Start a server, or skip the test where none is installed."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    with TemporaryDirectory() as directory:
        server = RedisServer(Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.kill()
