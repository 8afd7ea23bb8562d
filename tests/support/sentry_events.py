"""
Requests under Sentry, whose patches of aiohttp stay for the life of a process: run it as a process of its own.

``python -m support.sentry_events [--borrowed] [--hooks FILE]`` prints all that would be sent to Sentry, as JSON: a
transaction with the spans of a walk and of a retry, and the error of a walk that failed, with its breadcrumbs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import sentry_sdk
from sentry_sdk.transport import Transport

from capledger import BasicAuth, CustomerLedgerQuery, CustomerNotFoundError, LedgerSession
from capledger.sandbox import DEMO_MOBILE, Sandbox, SandboxCustomer, faults, make_row

if TYPE_CHECKING:
    from sentry_sdk.envelope import Envelope

    from capledger.sandbox import FaultScript

UNKNOWN = "910000000999"


class Kept(Transport):
    """Keeps what it is to send."""

    sent: list[object] = []  # noqa: RUF012 - of this process

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent += [item.payload.json or item.payload.get_bytes().decode() for item in envelope.items]


def sandbox(script: FaultScript) -> Sandbox:
    """Return one with a short ledger, whose customer is in no variable that Sentry records."""
    return Sandbox([SandboxCustomer(DEMO_MOBILE, [make_row(1, datetime(2026, 1, 1))])], faults=script)


async def walk(*, borrowed: bool) -> None:
    script = faults.numbered({1: faults.status(503), 2: faults.reset()})
    async with sandbox(script) as box, aiohttp.ClientSession() as http:
        client = http if borrowed else None
        auth = BasicAuth("store.server", "server123")
        async with LedgerSession(box.url, auth, timezone=UTC, http=client) as session:
            with sentry_sdk.start_transaction(name="report"):
                await session.entries(CustomerLedgerQuery.mobile(DEMO_MOBILE)).collect()
            try:
                await session.entries(CustomerLedgerQuery.mobile(UNKNOWN)).collect()
            except CustomerNotFoundError as error:
                sentry_sdk.capture_exception(error)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--borrowed", action="store_true")
    parser.add_argument("--hooks", type=Path)
    options = parser.parse_args()
    names: dict[str, Any] = {}
    if options.hooks:
        exec(options.hooks.read_text(), names)  # noqa: S102 - the code of the page
    hooks = {name: names[name] for name in ("before_send_transaction", "before_breadcrumb") if name in names}
    sentry_sdk.init(
        dsn="http://key@127.0.0.1:9/1",
        transport=Kept,
        traces_sample_rate=1.0,
        send_default_pii=True,
        debug=False,
        **hooks,
    )
    asyncio.run(walk(borrowed=options.borrowed))
    print(json.dumps(Kept.sent, default=str))  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main()
