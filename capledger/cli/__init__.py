"""The command ``capledger``; needs the extra ``cli`` (typer and rich)."""

from __future__ import annotations

import io
import os
import signal
import stat
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_REQUIRED = frozenset({"typer", "rich"})
#: The exit code of ``exit_codes``, which is too slow to import here.
_INTERRUPTED = 130
#: The signals that end a command.
_ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    _prepare_streams()
    _handle_early_signals()
    try:
        from capledger.cli.app import app  # noqa: PLC0415 - fails without the extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _REQUIRED:
            raise
        sys.exit("capledger: the command line is an extra: pip install 'capledger[cli]'")
    app(prog_name="capledger")


def _prepare_streams() -> None:
    """Print what the streams can take: question marks for characters they lack, and no colors into files."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for the life of the process
    if sys.stdout is None:
        sys.exit("capledger: standard output is closed: redirect it to a file, or to /dev/null")
    if isinstance(sys.stdout.buffer, io.RawIOBase):  # PYTHONUNBUFFERED, where a full disk could take half a write
        sys.stdout = open(sys.stdout.fileno(), "w", encoding=sys.stdout.encoding, closefd=False)  # noqa: SIM115 - as above
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
            if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                os.environ["_TYPER_FORCE_DISABLE_TERMINAL"] = "1"  # help and errors, whatever FORCE_COLOR says


def _handle_early_signals() -> None:
    """Until a command begins, end at once: an exception in the middle of an import could be lost, or be a traceback."""
    for number in _ENDING_SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _exit_at_once)


def handle_signals_of_command() -> None:
    """Turn the signals into :class:`KeyboardInterrupt` from now on; only in a process of :func:`main`."""
    for number in _ENDING_SIGNALS:
        if signal.getsignal(number) is _exit_at_once:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else _interrupt)


def _exit_at_once(_: int, __: FrameType | None) -> None:
    with suppress(OSError):
        os.write(sys.stderr.fileno(), b"capledger: interrupted\n")
    os._exit(_INTERRUPTED)


def _interrupt(_: int, frame: FrameType | None) -> None:
    """End at SIGTERM as at Ctrl-C; the first process of a container would ignore it otherwise."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):  # a shell's background job ignores Ctrl-C, and not SIGTERM
        raise KeyboardInterrupt
    handler(signal.SIGINT, frame)
