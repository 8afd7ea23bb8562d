"""Log records of the library on stderr: ``-v``, ``-vv`` and ``--log-json``."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from functools import wraps
from typing import Annotated, Any, Final, TypedDict

import msgspec
import typer

from capledger.cli.exit_codes import print_message
from capledger.cli.options import Command, accepts
from capledger.cli.tables import printable

#: Attributes that every record has; all others are the record's own data.
_USUAL: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PANEL: Final = "Messages"
#: Age of the process, in milliseconds, from which a failed request is worth a line.
_SLOW_MILLISECONDS: Final = 5_000


class LogOptions(TypedDict, total=False):
    """Options of every command."""

    verbose: Annotated[
        int | None,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            show_default=False,
            rich_help_panel=_PANEL,
            help="Log retries and failed attempts on stderr; -vv logs every response.",
        ),
    ]
    log_json: Annotated[
        bool | None,
        typer.Option("--log-json", rich_help_panel=_PANEL, help="Log as JSON lines; without -v as if -v was given."),
    ]


class StderrHandler(logging.Handler):
    """Writes to the stderr of the moment, which a progress display may have replaced."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        with suppress(OSError, ValueError):
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()


class SlowFailureHandler(logging.Handler):
    """Prints the first failure of a request that took seconds, since retries would be minutes of silence."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the reason, once."""
        reason = getattr(record, "reason", None)
        if reason is not None and record.relativeCreated > _SLOW_MILLISECONDS:
            logging.getLogger("capledger").removeHandler(self)
            print_message(f"{reason}: trying again; -v shows each attempt, Ctrl-C ends")


class LineFormatter(logging.Formatter):
    """Formats a record as ``2026-06-30 23:59:59 INFO capledger.transport: message``, local time, on one line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows on lines of its own."""
        reason = getattr(record, "reason", None)
        message = record.getMessage() if reason is None else f"{record.getMessage()}: {reason}"
        line = f"{local_time(record.created)} {record.levelname} {record.name}: {printable(message)}"
        return line if record.exc_info is None else f"{line}\n{self.formatException(record.exc_info)}"


class JsonFormatter(logging.Formatter):
    """Formats a record as a JSON object: time in UTC, level, logger, message, and the record's own data."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object on one line."""
        content = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _USUAL},
        }
        if record.exc_info is not None:
            content["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(content, enc_hook=str).decode()


def with_logging(command: Command, *, shows_progress: bool) -> Command:
    """Return the command with the options of :class:`LogOptions`; one that shows progress shows failures too."""

    @wraps(command)
    def call(*, verbose: int = 0, log_json: bool = False, **values: Any) -> None:  # noqa: ANN401 - options of any type
        set_up_logging(verbose or int(log_json), as_json=log_json)
        if not verbose and not log_json and not shows_progress and sys.stderr.isatty():
            _log_to(SlowFailureHandler(), logging.INFO)
        command(**values)

    return accepts(LogOptions)(call)


def set_up_logging(verbosity: int, *, as_json: bool) -> None:
    """Write records to stderr: none for 0, from INFO on for 1, from DEBUG on for 2."""
    logger = logging.getLogger("capledger")
    for handler in [item for item in logger.handlers if isinstance(item, StderrHandler)]:
        logger.removeHandler(handler)
    if verbosity:
        handler = StderrHandler()
        handler.setFormatter(JsonFormatter() if as_json else LineFormatter())
        _log_to(handler, logging.DEBUG if verbosity > 1 else logging.INFO)


def _log_to(handler: logging.Handler, level: int) -> None:
    logger = logging.getLogger("capledger")
    logger.addHandler(handler)
    logger.setLevel(level)


def local_time(timestamp: float) -> str:
    """Return ``2026-06-30 23:59:59`` in the machine's zone, for seconds since the epoch."""
    return datetime.fromtimestamp(timestamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")
