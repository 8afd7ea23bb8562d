"""The command ``capledger``; needs the extra ``cli`` (typer and rich)."""

from __future__ import annotations

import io
import sys

_REQUIRED = frozenset({"typer", "rich"})


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    _replace_unencodable_characters()
    try:
        from capledger.cli.app import app  # noqa: PLC0415 - fails without the extra
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _REQUIRED:
            raise
        sys.exit("capledger: the command line is an extra: pip install 'capledger[cli]'")
    except KeyboardInterrupt:
        sys.exit(130)
    app(prog_name="capledger")


def _replace_unencodable_characters() -> None:
    """Print a question mark for a character that the terminal's encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
