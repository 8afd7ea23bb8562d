"""The commands: each is a function in a module of its own, and a line at the end of this one."""

import logging
import sys
from functools import wraps
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from capledger.cli import handle_signals_of_command
from capledger.cli.backfill import EPILOG as BACKFILL_EPILOG
from capledger.cli.backfill import backfill
from capledger.cli.balance import EPILOG as BALANCE_EPILOG
from capledger.cli.balance import balance
from capledger.cli.check import EPILOG as CHECK_EPILOG
from capledger.cli.check import check
from capledger.cli.check_books import EPILOG as CHECK_BOOKS_EPILOG
from capledger.cli.check_books import check_books
from capledger.cli.compact import EPILOG as COMPACT_EPILOG
from capledger.cli.compact import compact
from capledger.cli.demo import EPILOG as DEMO_EPILOG
from capledger.cli.demo import demo
from capledger.cli.entries import EPILOG as ENTRIES_EPILOG
from capledger.cli.entries import entries
from capledger.cli.events import EPILOG as EVENTS_EPILOG
from capledger.cli.events import events
from capledger.cli.exit_codes import (
    FAILED,
    INTERRUPTED,
    LOCKED,
    SET_ASIDE,
    USAGE,
    discard_stdout,
    print_message,
    reason_of,
)
from capledger.cli.log import with_logging
from capledger.cli.options import CONNECTION, Command, exit_code_help
from capledger.cli.publish import EPILOG as PUBLISH_EPILOG
from capledger.cli.publish import publish
from capledger.cli.sandbox import EPILOG as SANDBOX_EPILOG
from capledger.cli.sandbox import sandbox
from capledger.cli.statement import EPILOG as STATEMENT_EPILOG
from capledger.cli.statement import statement
from capledger.cli.sync import EPILOG as SYNC_EPILOG
from capledger.cli.sync import sync
from capledger.cli.verify import EPILOG as VERIFY_EPILOG
from capledger.cli.verify import verify

_logger = logging.getLogger("capledger.cli")


class PlainCommand(TyperCommand):
    """A command whose help shows no type for flags."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - typer's own copy of click
        """Return the parameters."""
        return _without_types_of_flags(super().get_params(ctx))


class PlainGroup(TyperGroup):
    """The commands; whatever ends one of them early is one line on stderr."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - typer's own copy of click
        """Return the parameters."""
        return _without_types_of_flags(super().get_params(ctx))

    def main(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - typer's signature
        """Run a command, and end the process with its exit code."""
        try:
            code = super().main(*args, **{**options, "standalone_mode": False})
        except typer.TyperException as error:
            _print_usage_error(error)
            sys.exit(getattr(error, "exit_code", USAGE))
        except (KeyboardInterrupt, typer.Abort):
            print_message("interrupted")
            sys.exit(INTERRUPTED)
        except OSError as error:
            discard_stdout()
            what = "standard output cannot be written: " if error.filename is None else ""
            print_message(f"{what}{reason_of(error)}")
            sys.exit(FAILED)
        except Exception as error:
            _logger.debug("unexpected error", exc_info=True)
            print_message(f"unexpected {type(error).__name__}, a defect of capledger: run it with -vv and report it")
            sys.exit(FAILED)
        sys.exit(code or 0)


def _without_types_of_flags(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False) or getattr(param, "count", False):
            param.metavar = ""
    return params


def _print_usage_error(error: Any) -> None:  # noqa: ANN401 - typer's own copy of click
    message = error.format_message().rstrip(".").replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    hint = "" if context is None else f" ({context.command_path} --help lists the options)"
    if message:
        print_message(f"{message}{hint}")


_CODES_OF_SOME = {
    SET_ASIDE: "finished, with ledgers set aside or unproven, or with wrong books",
    LOCKED: "another process uses the directory",
}

app: typer.Typer = typer.Typer(
    name="capledger",
    cls=PlainGroup,
    help="Read the points ledger of a loyalty platform: complete, exact, within the rate limit.",
    epilog=f"{CONNECTION}\n\n{exit_code_help(_CODES_OF_SOME)}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # its frames could show secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:  # noqa: FBT001 - typer passes an option's value by position
    if requested:
        typer.echo(f"capledger {_installed_version()}")
        raise typer.Exit


def _installed_version() -> str:
    from importlib import metadata  # noqa: PLC0415 - slow to import, and nothing else needs it

    try:
        return metadata.version("capledger")
    except metadata.PackageNotFoundError:
        return "(run from its source, not installed)"


@app.callback()
def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Declare the options that come before a command."""


def _add(name: str, command: Command, epilog: str, *, shows_progress: bool = False) -> None:
    @wraps(command)
    def run(**values: Any) -> None:  # noqa: ANN401 - options of any type
        handle_signals_of_command()
        command(**values)

    app.command(name, cls=PlainCommand, epilog=epilog)(with_logging(run, shows_progress=shows_progress))


_add("demo", demo, DEMO_EPILOG)
_add("check", check, CHECK_EPILOG)
_add("entries", entries, ENTRIES_EPILOG)
_add("events", events, EVENTS_EPILOG)
_add("balance", balance, BALANCE_EPILOG)
_add("statement", statement, STATEMENT_EPILOG)
_add("backfill", backfill, BACKFILL_EPILOG, shows_progress=True)
_add("sync", sync, SYNC_EPILOG, shows_progress=True)
_add("compact", compact, COMPACT_EPILOG)
_add("verify", verify, VERIFY_EPILOG)
_add("check-books", check_books, CHECK_BOOKS_EPILOG)
_add("publish", publish, PUBLISH_EPILOG)
_add("sandbox", sandbox, SANDBOX_EPILOG)
