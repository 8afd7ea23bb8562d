"""How a command ends: one line on stderr, and the exit code for that kind of end."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import typer

from capledger.cli.tables import printable
from capledger.errors import CapledgerError, ConfigurationError, InvalidQueryError, SessionClosedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from capledger.models import WalkReport

FAILED: Final = 1
USAGE: Final = 2
#: Finished, with customers set aside.
SET_ASIDE: Final = 3
INTERRUPTED: Final = 130

#: The service's code for an empty ledger.
_NO_ENTRIES: Final = 11003

#: Options that are not the keyword of Python with hyphens.
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
    """The command line or the environment is wrong; the message says what to change."""


def print_message(text: str) -> None:
    """Print one line on stderr, with the program's name."""
    sys.stderr.write(f"capledger: {' '.join(text.split())}\n")


def print_warnings(report: WalkReport) -> None:
    """Print the service's warnings, except for an empty ledger."""
    for warning in report.warnings:
        if warning.code != _NO_ENTRIES:
            print_message(f"the service warns: {printable(warning.message)} (code {warning.code})")


@contextmanager
def exit_on_error(cursor: Callable[[], str | None] = lambda: None) -> Iterator[None]:
    """Turn an error into its message and exit code; *cursor* returns the position to resume from, if any."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        _exit(INTERRUPTED, "interrupted", cursor())
    except UsageError as error:
        _exit(USAGE, str(error), None)
    except CapledgerError as error:
        if _is_usage(error):
            _exit(USAGE, _KEYWORD.sub(lambda match: option_name(match.group()), str(error)), None)
        _exit(FAILED, str(error), cursor())


def _is_usage(error: CapledgerError) -> bool:
    return isinstance(error, InvalidQueryError | ConfigurationError) and not isinstance(error, SessionClosedError)


def option_name(keyword: str) -> str:
    """Return the option for a keyword of Python."""
    return _OPTIONS.get(keyword, f"--{keyword.replace('_', '-')}")


def _exit(code: int, text: str, cursor: str | None) -> None:
    print_message(text if cursor is None else f"{text}; go on with --resume {cursor}")
    raise typer.Exit(code) from None


def _discard_stdout() -> None:
    """Send what is still buffered to the null device, so that Python's own last flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
