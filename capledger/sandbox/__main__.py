"""``python -m capledger.sandbox --port 8080``: a sandbox in a process of its own, until it is interrupted."""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import timedelta

from capledger.sandbox.customers import SandboxCustomer
from capledger.sandbox.demo import DEMO_START
from capledger.sandbox.rules import Rules
from capledger.sandbox.server import Sandbox
from capledger.sandbox.synthetic import lazy_rows

#: The mobile number of the customer that ``--rows`` adds.
BIG_MOBILE = "910000000099"


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(prog="python -m capledger.sandbox", description="A points-ledger service to try.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (%(default)s)")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="wait before every answer")
    parser.add_argument("--requests-per-minute", type=int, metavar="N", help="answer 429 beyond this rate")
    parser.add_argument(
        "--rows", type=int, default=0, metavar="N", help=f"add a customer (mobile {BIG_MOBILE}) with so many entries"
    )
    return parser.parse_args(arguments)


def build(options: argparse.Namespace) -> Sandbox:
    """The sandbox that the options ask for: the demo's customers, and a big one."""
    rules = Rules(latency=options.latency, requests_per_minute=options.requests_per_minute)
    box = Sandbox(rules=rules, host=options.host, port=options.port)
    if options.rows:
        rows = lazy_rows(options.rows, DEMO_START, timedelta(minutes=1))
        box.add(SandboxCustomer(BIG_MOBILE, rows, customer_id=910_000_099))
    return box


async def serve(box: Sandbox) -> None:
    """Print the URL on stdout once it can be asked, and answer until cancelled."""
    async with box:
        print(box.url, flush=True)  # noqa: T201  # what the command is for
        await asyncio.Event().wait()


def main() -> None:
    """Run until interrupted."""
    try:
        asyncio.run(serve(build(parse(sys.argv[1:]))))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
