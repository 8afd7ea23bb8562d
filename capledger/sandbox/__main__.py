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
from capledger.sandbox.synthetic import synthetic_rows

#: The mobile number of the customer that ``--rows`` adds.
BIG_MOBILE = "910000000099"


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m capledger.sandbox", description="Run a points-ledger service on this machine."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one (%(default)s)")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="delay of every response")
    parser.add_argument("--requests-per-minute", type=int, metavar="N", help="respond with 429 above this rate")
    parser.add_argument(
        "--rows", type=int, default=0, metavar="N", help=f"add a customer (mobile {BIG_MOBILE}) with N entries"
    )
    return parser.parse_args(arguments)


def build(options: argparse.Namespace) -> Sandbox:
    """Return the sandbox that the options describe: the customers of the demo, and a big one with ``--rows``."""
    rules = Rules(latency=options.latency, requests_per_minute=options.requests_per_minute)
    box = Sandbox(rules=rules, host=options.host, port=options.port)
    if options.rows:
        rows = synthetic_rows(options.rows, DEMO_START, timedelta(minutes=1))
        box.add(SandboxCustomer(BIG_MOBILE, rows, customer_id=910_000_099))
    return box


async def serve(box: Sandbox) -> None:
    """Start the sandbox, print its URL on stdout and serve until cancelled."""
    async with box:
        print(box.url, flush=True)  # noqa: T201 - the URL is the output of the command
        await asyncio.Event().wait()


def main() -> None:
    """Run until interrupted."""
    try:
        asyncio.run(serve(build(parse(sys.argv[1:]))))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
