"""A sandbox and a transport, for tests of the transport."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC
from random import Random
from typing import TYPE_CHECKING, Any

from attrs import define

from capledger import CustomerLedgerQuery, WalkReport
from capledger._sansio.context import RequestContext
from capledger._sansio.decoder import Decoder
from capledger._sansio.requests import LedgerRequests, Request
from capledger._transport.client import Transport
from capledger._transport.retry import RetryPolicy
from capledger.auth import BasicAuth, OAuthClientCredentials
from capledger.sandbox import DEMO_MOBILE, FaultScript, Rules, Sandbox
from support.clock import LoopClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from capledger._transport.authentication import Auth
    from capledger.models import LedgerPage

BASIC = BasicAuth("store.server", "server123")
OAUTH = OAuthClientCredentials("sandbox-key", "sandbox-secret")

#: More attempts than any test needs.
PATIENT = RetryPolicy(attempts=20)


def new_context(*, deadline: float | None = None) -> RequestContext:
    """Return the context of a new walk."""
    return RequestContext(WalkReport(), deadline)


@define
class Service:
    """A sandbox and a transport that reaches it, in the running loop's time."""

    box: Sandbox
    transport: Transport

    async def fetch(self, context: RequestContext | None = None) -> LedgerPage:
        return await self.transport.fetch(page_request(), context or new_context())


def page_request(identifier: str = DEMO_MOBILE) -> Request[LedgerPage]:
    query = CustomerLedgerQuery.mobile(identifier)
    return LedgerRequests(query).page(offset=1, limit=10, order="DESC")


def new_transport(url: str, auth: Auth = BASIC, **options: Any) -> Transport:
    settings = {"clock": LoopClock(), "random": Random(1).random, **options}
    return Transport(url, auth, Decoder(UTC), **settings)


@asynccontextmanager
async def service(
    faults: FaultScript | None = None, *, auth: Auth = BASIC, rules: Rules | None = None, **options: Any
) -> AsyncIterator[Service]:
    async with Sandbox(faults=faults, rules=rules, clock=asyncio.get_running_loop().time) as box:
        transport = new_transport(box.url, auth, **options)
        try:
            yield Service(box, transport)
        finally:
            await transport.close()


def now() -> float:
    """Return the seconds since the test began."""
    return asyncio.get_running_loop().time()
