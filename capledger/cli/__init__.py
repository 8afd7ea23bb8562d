"""The command ``capledger``: needs the extra ``cli`` (typer and rich), and says so where it is missing."""

from __future__ import annotations

import io
import sys

_NEEDED = frozenset({"typer", "rich"})


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    _print_what_can_be_printed()
    try:
        from capledger.cli.app import app  # noqa: PLC0415  (without the extra, this is what fails)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        sys.exit("capledger: the command line is an extra: pip install 'capledger[cli]'")
    except KeyboardInterrupt:
        sys.exit(130)
    app(prog_name="capledger")


def _print_what_can_be_printed() -> None:
    """Let a character that the terminal's encoding lacks be a question mark, not the end."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
