"""Ctrl-C in a terminal, which reaches the workers of a local cluster as well as the command."""

from __future__ import annotations

import signal
import threading

from distributed import Worker, WorkerPlugin


class IgnoreInterrupts(WorkerPlugin):  # type: ignore[misc]  # distributed is half typed
    """Leaves Ctrl-C to the driver, which ends the shards in order; for workers that the command itself has started."""

    name = "capledger-interrupts"

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - part of the protocol
        """Ignore SIGINT, in a worker that is a process of its own."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
