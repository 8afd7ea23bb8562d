"""How a command ends: one line on stderr, and an exit code that says of what kind it was."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import typer

from capledger.cli.texts import plain
from capledger.errors import CapledgerError, ConfigurationError, InvalidQueryError, SessionClosedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from capledger.models import WalkReport

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130

#: The service's way to say that a ledger is empty.
_NO_ENTRIES: Final = 11003

#: Options that are not the Python keyword with hyphens.
_OPTIONS: Final = {
    "resume_from": "--resume",
    "base_url": "CAPLEDGER_BASE_URL",
    "till_id, till_ids": "--till-id",
    "roles": "--role",
    "event_ids": "--id",
    "event_reference_ids": "--reference",
    "alternate_currency_names": "--alternate-currency",
    "identifier_name": "IDENTIFIER_NAME",
    "identifier_value": "IDENTIFIER_VALUE",
}
_KEYWORD: Final = re.compile(r"\b(?:till_id, till_ids|[a-z]+(?:_[a-z]+)+|roles)\b")


class UsageError(Exception):
    """The command line or the environment is not right; the text says what to change."""


def say(text: str) -> None:
    """One line on stderr, with the program's name."""
    sys.stderr.write(f"capledger: {' '.join(text.split())}\n")


def tell_warnings(report: WalkReport) -> None:
    """Pass on what the service warned of; an empty ledger is no news."""
    for notice in report.warnings:
        if notice.code != _NO_ENTRIES:
            say(f"the service warns: {plain(notice.message)} (code {notice.code})")


@contextmanager
def reported(cursor: Callable[[], str | None] = lambda: None) -> Iterator[None]:
    """Turn what ends a command early into its line and its exit code; ``cursor`` tells where to go on, if anywhere."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_stdout()
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        _end(INTERRUPTED, "interrupted", cursor())
    except UsageError as error:
        _end(USAGE, str(error), None)
    except CapledgerError as error:
        if _is_usage(error):
            _end(USAGE, _KEYWORD.sub(lambda found: as_option(found.group()), str(error)), None)
        _end(FAILED, str(error), cursor())


def _is_usage(error: CapledgerError) -> bool:
    return isinstance(error, InvalidQueryError | ConfigurationError) and not isinstance(error, SessionClosedError)


def as_option(keyword: str) -> str:
    """The way the command line spells a keyword of Python."""
    return _OPTIONS.get(keyword, f"--{keyword.replace('_', '-')}")


def _end(code: int, text: str, cursor: str | None) -> None:
    say(text if cursor is None else f"{text}; go on with --resume {cursor}")
    raise typer.Exit(code) from None


def _drop_stdout() -> None:
    """Nobody reads on: let what is still in the buffer go nowhere, so that Python's own last flush is quiet too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
