"""The commands: each is a function in a module of its own, and a line at the end of this one."""

from typing import Annotated

import typer

from capledger.cli.backfill import EPILOG as BACKFILL_EPILOG
from capledger.cli.backfill import backfill
from capledger.cli.demo import EPILOG as DEMO_EPILOG
from capledger.cli.demo import demo
from capledger.cli.entries import EPILOG as ENTRIES_EPILOG
from capledger.cli.entries import entries
from capledger.cli.events import EPILOG as EVENTS_EPILOG
from capledger.cli.events import events
from capledger.cli.options import CONNECTION, exit_code_help
from capledger.cli.sandbox import EPILOG as SANDBOX_EPILOG
from capledger.cli.sandbox import sandbox

app = typer.Typer(
    name="capledger",
    help="Read the points ledger of a loyalty platform: complete, exact, within the rate limit.",
    epilog=f"{CONNECTION}\n\n{exit_code_help()}",
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


app.command("demo", epilog=DEMO_EPILOG)(demo)
app.command("entries", epilog=ENTRIES_EPILOG)(entries)
app.command("events", epilog=EVENTS_EPILOG)(events)
app.command("backfill", epilog=BACKFILL_EPILOG)(backfill)
app.command("sandbox", epilog=SANDBOX_EPILOG)(sandbox)
