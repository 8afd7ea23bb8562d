"""An idle connection that is dead says nothing about the service: the request goes again over a new one."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from support.clock import virtual_time
from support.service import new_context, now, service

from capledger import ConnectionFailedError, RetryPolicy
from capledger.sandbox import Rules, faults

ONCE = RetryPolicy(attempts=1)


@virtual_time
async def test_every_idle_connection_reset_at_its_next_use_costs_no_attempt() -> None:
    """Eight idle connections, all forgotten by a load balancer: with a single attempt all requests succeed at once."""
    async with service(rules=Rules(latency=0.1), retry=ONCE, max_connections=8) as it:
        await asyncio.gather(*(it.fetch() for _ in range(8)))
        it.box.faults = faults.on_reused_connections(faults.always(faults.reset()))
        started, contexts = now(), [new_context() for _ in range(8)]
        await asyncio.gather(*(it.fetch(context) for context in contexts))

        assert now() - started < 0.5
        assert sum(context.counters.requests for context in contexts) == len(it.box.requests) - 8 <= 16
        assert {context.counters.waited for context in contexts} == {0.0}


@virtual_time
async def test_a_server_that_resets_each_reused_connection_is_read_to_the_end() -> None:
    """Each request costs one more; none fails, though no attempt may."""
    async with service(faults.on_reused_connections(faults.always(faults.reset())), retry=ONCE) as it:
        for _ in range(30):
            await it.fetch()

        assert len([request for request in it.box.requests if request.fault is None]) == 30
        assert len(it.box.requests) <= 60


@virtual_time
async def test_the_pool_is_renewed_at_the_first_dead_connection() -> None:
    """The others are not tried: of eight dead ones, one request meets one."""
    async with service(rules=Rules(latency=0.1), retry=ONCE, max_connections=8) as it:
        await asyncio.gather(*(it.fetch() for _ in range(8)))
        dead = {request.connection for request in it.box.requests}
        it.box.faults = faults.when(lambda request: request.connection in dead, faults.always(faults.reset()))
        for _ in range(8):
            await it.fetch()

        assert len([request for request in it.box.requests if request.fault]) == 1


@virtual_time
async def test_a_reset_of_a_new_connection_is_a_failed_attempt() -> None:
    """It says that the service is not there."""
    async with service(faults.always(faults.reset()), retry=ONCE) as it:
        with pytest.raises(ConnectionFailedError):
            await it.fetch()

        assert len(it.box.requests) == 1


@virtual_time
async def test_a_service_that_goes_down_is_not_asked_without_end() -> None:
    """After one request again over a new connection, resets count as ever."""
    async with service(retry=RetryPolicy(attempts=3)) as it:
        await it.fetch()
        it.box.faults = faults.always(faults.reset())
        with pytest.raises(ConnectionFailedError):
            await it.fetch()

        assert len(it.box.requests) == 1 + 1 + 3


@virtual_time
async def test_a_response_that_breaks_off_is_a_failed_attempt() -> None:
    """Also on a connection that served another request: the service had begun to respond."""
    async with service(faults.nth(2, faults.cut_body()), retry=ONCE) as it:
        await it.fetch()
        with pytest.raises(ConnectionFailedError):
            await it.fetch()

        assert len(it.box.requests) == 2


@virtual_time
async def test_requests_sent_again_are_within_the_rate_limit() -> None:
    """A dead connection may have brought the request to the service all the same: it takes a place."""
    async with service(faults.on_reused_connections(faults.always(faults.reset())), retry=ONCE) as it:
        context = new_context()
        for _ in range(5):
            await it.fetch(context)

        assert context.counters.requests == len(it.box.requests)


@virtual_time
async def test_dead_connections_of_a_borrowed_client_cost_no_attempt() -> None:
    """Its pool is its owner's, so each dead connection is met once."""
    async with aiohttp.ClientSession() as http:
        async with service(rules=Rules(latency=0.1), retry=ONCE, max_connections=8, http=http) as it:
            await asyncio.gather(*(it.fetch() for _ in range(8)))
            dead = {request.connection for request in it.box.requests}
            it.box.faults = faults.when(lambda request: request.connection in dead, faults.always(faults.reset()))
            await it.fetch()

            assert len([request for request in it.box.requests if request.fault]) == 8
        await asyncio.sleep(0.1)
