"""A cluster of processes that nobody starts again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator


class ProcessCluster:
    """A scheduler and workers, each a process."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "scheduler.json"
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        self.start_worker()

    def start_worker(self) -> None:
        self._start("worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(self._folder))

    def _start(self, role: str, *options: str) -> None:
        command = [sys.executable, "-m", f"distributed.cli.dask_{role}", "--scheduler-file", str(self._file)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, "--no-dashboard", *options], env=environment, stdout=quiet, stderr=quiet
        )
        self._processes.append(process)

    @property
    def address(self) -> str:
        """The scheduler's, once it is up."""
        deadline = time.monotonic() + 60
        while not (self._file.exists() and self._file.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        return str(msgspec.json.decode(self._file.read_bytes())["address"])

    def kill_scheduler(self) -> None:
        self._processes[0].kill()

    def kill(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


@contextmanager
def process_cluster() -> Iterator[ProcessCluster]:
    """Start a scheduler and a worker."""
    with TemporaryDirectory() as folder:
        cluster = ProcessCluster(Path(folder))
        try:
            yield cluster
        finally:
            cluster.kill()
