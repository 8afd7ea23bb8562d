"""The command ``capledger``: needs the extra ``cli`` (typer and rich), and says so where it is missing."""

from __future__ import annotations

import sys

_NEEDED = frozenset({"typer", "rich"})


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    try:
        from capledger.cli.app import app  # noqa: PLC0415  (without the extra, this is what fails)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _NEEDED:
            raise
        sys.exit("capledger: the command line is an extra: pip install 'capledger[cli]'")
    app(prog_name="capledger")
