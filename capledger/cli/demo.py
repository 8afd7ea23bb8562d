"""``capledger demo``: three years of a ledger, from a server on this machine, shown and checked."""

import asyncio

import typer

from capledger.cli.exit_codes import FAILED, reported
from capledger.cli.helptexts import epilog

EPILOG = epilog("capledger demo", "capledger demo | less", connected=False)


def demo() -> None:
    """Walk a customer's three years from a sandbox on this machine, over real HTTP.

    Shows the newest entries, totals by programme and currency, whether each entry
    is what the sandbox has in its own books, and what the walk took.
    Needs no credentials and no network.
    """
    with reported():
        from capledger.cli import tour  # noqa: PLC0415  (the server is slow to import)

        seen = asyncio.run(tour.take())
        tour.show(seen)
    if not seen.exact:
        raise typer.Exit(FAILED)
