"""Signals of a job, which Ctrl-C and SIGTERM end in order."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from attrs import define

from capledger.cli.exit_codes import INTERRUPTED, print_message

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@define
class JobSignals:
    """Handles signals of a job: at once before its first request, then in order, and the second one at once."""

    stop: Callable[[], None]
    """Stops the job in order."""
    release_terminal: Callable[[], None]
    """Called before the process ends at once."""
    running: bool = False
    """Whether the job has begun to send requests."""
    stopping: bool = False
    """Whether a signal has stopped the job."""

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Handle signals, where the platform and the thread allow it."""
        with suppress(ValueError):  # not the main thread
            before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            yield
        finally:
            self._remove_handlers()
            with suppress(ValueError, UnboundLocalError):
                signal.signal(signal.SIGINT, before)

    def begin(self) -> None:
        """Stop in order from now on."""
        self.running = True
        for number in _SIGNALS:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                asyncio.get_running_loop().add_signal_handler(number, self._stop_or_exit)

    def _remove_handlers(self) -> None:
        for number in _SIGNALS if self.running else ():
            with suppress(NotImplementedError, RuntimeError, ValueError):
                asyncio.get_running_loop().remove_signal_handler(number)

    def _stop_or_exit(self) -> None:
        """Stop the job, or end the process at once, which loses no more than a crash."""
        if self.stopping:
            self.release_terminal()
            os._exit(INTERRUPTED)
        self.stopping = True
        print_message("stopping after the current files are written; a second Ctrl-C stops at once")
        self.stop()
