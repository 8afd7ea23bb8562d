"""``capledger sandbox``: a points-ledger service for trials."""

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from capledger.cli.exit_codes import UsageError, exit_on_error, print_message, writing_to_stdout
from capledger.cli.options import epilog

if TYPE_CHECKING:
    from capledger.sandbox import Sandbox

EPILOG = epilog(
    "capledger sandbox", "capledger sandbox --port 8080 --requests-per-minute 60 --latency 0.2", connected=False
)

_WELCOME = """\
A points-ledger service listens on {url} (Ctrl-C ends it)
Its customers, stores and amounts are invented. In another terminal:

export CAPLEDGER_BASE_URL={url}
export CAPLEDGER_TIMEZONE=UTC
export CAPLEDGER_USERNAME=store.server
export CAPLEDGER_PASSWORD=server123

capledger entries mobile {mobile} --from {start:%Y-%m-%d} --include-alternate-currencies
"""


def sandbox(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 0,
    latency: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="Time to wait before each response.")
    ] = 0.0,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Respond with 429 above this rate.")
    ] = None,
) -> None:
    """Run a points-ledger service on this machine, until Ctrl-C.

    It responds over real HTTP as documented, for a few invented customers,
    with the documented limits and error codes.
    """
    with exit_on_error():
        try:
            asyncio.run(_serve(port, latency, requests_per_minute))
        except KeyboardInterrupt:
            print_message("the sandbox has stopped")


async def _serve(port: int, latency: float, requests_per_minute: int | None) -> None:
    from capledger.cli.demo import NEWEST_YEAR  # noqa: PLC0415 - help does not need it
    from capledger.sandbox import DEMO_MOBILE, Rules, Sandbox  # noqa: PLC0415 - slow to import

    box = Sandbox(rules=Rules(latency=latency, requests_per_minute=requests_per_minute), port=port)
    try:
        await _listen(box, port)
        with writing_to_stdout():
            sys.stdout.write(_WELCOME.format(url=box.url, mobile=DEMO_MOBILE, start=NEWEST_YEAR))
            sys.stdout.flush()
        await asyncio.Event().wait()
    finally:
        await box.close()


async def _listen(box: "Sandbox", port: int) -> None:
    try:
        await box.start()
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise UsageError(f"port {port} is not available ({reason}): choose another with --port, or 0") from None
