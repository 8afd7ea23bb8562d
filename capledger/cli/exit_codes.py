"""How a command ends: one line on stderr, and the exit code for that kind of end."""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, NoReturn

import typer

from capledger.cli.tables import printable
from capledger.errors import (
    CapledgerError,
    ConfigurationError,
    InvalidIdentifierError,
    InvalidQueryError,
    SessionClosedError,
)
from capledger.queries.subject import IDENTIFIER_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from capledger.models import WalkReport

FAILED: Final = 1
USAGE: Final = 2
#: Finished, with customers set aside or ledgers that are not proven complete.
SET_ASIDE: Final = 3
#: Finished, with books that do not add up.
DISCREPANT: Final = SET_ASIDE
#: Another process uses the directory.
LOCKED: Final = 4
INTERRUPTED: Final = 130

#: The service's code for an empty ledger.
_NO_ENTRIES: Final = 11003

#: Options that are not the keyword of Python with hyphens.
_OPTIONS: Final = {
    "resume_from": "--resume",
    "base_url": "CAPLEDGER_BASE_URL",
    "till_id, till_ids": "--till-id",
    "roles": "--role",
    "exclude_events": "--exclude-event",
    "event_ids": "--id",
    "event_reference_ids": "--reference",
    "alternate_currency_names": "--alternate-currency",
    "identifier_name": "IDENTIFIER_NAME",
    "identifier_value": "IDENTIFIER_VALUE",
    "get_bill_details": "--bill",
    "end is before start": "--to is before --from",
    "an end that is later than start": "a --to that is later than --from",
}
#: Options of one word, which are keywords only as the subject of a message.
_SUBJECTS: Final = {"start": "--from", "end": "--to", "at": "--at", "source": "--source"}
_SUBJECT: Final = re.compile(rf"^({'|'.join(_SUBJECTS)})(?= (?:is at|is not|contains) )")
#: What a caller in Python does about a value, which an option says by its name.
_PYTHON_REMEDY: Final = re.compile(r": pass (?:an int|a list of int|a list of strings|valid Unicode)$")
_KEYWORD: Final = re.compile(
    r"\b(?:till_id, till_ids|end is before start|an end that is later than start|[a-z]+(?:_[a-z]+)+|roles)\b"
)


class UsageError(Exception):
    """The command line or the environment is wrong; the message says what to change."""


class OutputError(Exception):
    """Standard output cannot be written."""


def print_message(text: str) -> None:
    """Print one line on stderr, with the program's name; a stderr that cannot be written is no reason to fail."""
    with suppress(OSError, ValueError):
        sys.stderr.write(f"capledger: {printable(' '.join(text.split()))}\n")
        sys.stderr.flush()


def print_warnings(report: WalkReport) -> None:
    """Print the service's warnings, except for an empty ledger."""
    for warning in report.warnings:
        if warning.code != _NO_ENTRIES:
            print_message(f"the service warns: {warning.message} (code {warning.code})")


@contextmanager
def exit_on_error(hint: Callable[[], str | None] = lambda: None) -> Iterator[None]:
    """Turn an error into its message and exit code; *hint* returns how to go on, if there is a way."""
    try:
        yield
        with writing_to_stdout():
            sys.stdout.flush()
    except BrokenPipeError:
        discard_stdout()
        raise typer.Exit(0) from None
    except KeyboardInterrupt:
        exit_with(INTERRUPTED, "interrupted", hint())
    except UsageError as error:
        exit_with(USAGE, str(error))
    except OutputError as error:
        discard_stdout()
        exit_with(FAILED, f"standard output cannot be written: {error}", hint())
    except CapledgerError as error:
        if is_usage(error):
            exit_with(USAGE, in_terms_of_options(str(error)))
        if isinstance(error, InvalidIdentifierError):
            exit_with(FAILED, str(error), f"kinds of identifiers are {', '.join(IDENTIFIER_NAMES)}")
        exit_with(FAILED, str(error), hint())
    except (OSError, sqlite3.Error) as error:
        exit_with(FAILED, reason_of(error), hint())


@contextmanager
def writing_to_stdout() -> Iterator[None]:
    """Raise :class:`OutputError` where standard output cannot be written; a closed pipe stays what it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(reason_of(error)) from None


def is_usage(error: CapledgerError) -> bool:
    """Return whether the command line or the environment must change before a command can work."""
    return isinstance(error, InvalidQueryError | ConfigurationError) and not isinstance(error, SessionClosedError)


def reason_of(error: OSError | sqlite3.Error) -> str:
    """Return the reason of a failure of the machine, with the file's name if it is known."""
    if not isinstance(error, OSError):
        return str(error)
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename is not None else reason


def in_terms_of_options(message: str) -> str:
    """Return the message of an error with keywords of Python replaced by options."""
    message = _PYTHON_REMEDY.sub("", message)
    message = _SUBJECT.sub(lambda match: _SUBJECTS[match.group()], message)
    return _KEYWORD.sub(lambda match: option_name(match.group()), message)


def option_name(keyword: str) -> str:
    """Return the option for a keyword of Python."""
    return _OPTIONS.get(keyword, f"--{keyword.replace('_', '-')}")


def exit_with(code: int, text: str, hint: str | None = None) -> NoReturn:
    """Print one line and exit."""
    text = name_variables(text)
    print_message(text if hint is None else f"{text}; {hint}")
    raise typer.Exit(code) from None


def name_variables(message: str) -> str:
    """Return the message of a failed request in terms of the environment, which is where commands have the URL from."""
    return message.replace("check base_url", "check CAPLEDGER_BASE_URL")


def discard_stdout() -> None:
    """Send what is still buffered to the null device, so that Python's own last flush does not fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
