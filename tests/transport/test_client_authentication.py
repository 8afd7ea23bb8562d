"""The client authenticates its requests, and renews tokens."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from support.clock import busiest, virtual_time
from support.service import OAUTH, new_context, now, service

from capledger import (
    AuthenticationError,
)
from capledger._transport.rate_limit import RateLimit
from capledger.auth import TOKEN_HEADER, BasicAuth, OAuthClientCredentials
from capledger.sandbox import Rules, faults


@virtual_time
async def test_a_token_is_fetched_once_and_sent_alone() -> None:
    """A hundred fetches share one token; no Authorization goes with it."""
    async with service(auth=OAUTH, max_connections=1) as it:
        await asyncio.gather(*(it.fetch() for _ in range(100)))

        token_request, *pages = it.box.requests
        assert token_request.path == "/v3/oauth/token/generate"
        assert len(pages) == 100
        assert len({page.headers[TOKEN_HEADER.lower()] for page in pages}) == 1
        assert not [request for request in it.box.requests if "authorization" in request.headers]
        assert TOKEN_HEADER.lower() not in token_request.headers


@pytest.mark.parametrize("lost", ["expire_tokens", "revoke_tokens"])
@virtual_time
async def test_a_lost_token_is_renewed_once(lost: str) -> None:
    """After 401 or 498 one new token is asked for, and all go on with it."""
    async with service(auth=OAUTH, rules=Rules(latency=0.1)) as it:
        await it.fetch()
        getattr(it.box, lost)()

        await asyncio.gather(*(it.fetch() for _ in range(20)))

        assert Counter(request.method for request in it.box.requests)["POST"] == 2


@virtual_time
async def test_tokens_are_renewed_before_they_end() -> None:
    """Over ten lives of a token the service never must refuse one."""
    async with service(auth=OAUTH, rules=Rules(latency=0.5, token_ttl=30)) as it:
        while now() < 300:
            await it.fetch()

        assert {request.status for request in it.box.requests} == {200}
        assert it.box.credentials.tokens_issued == pytest.approx(11, abs=1)


@pytest.mark.parametrize(
    ("limit", "ttl"),
    [
        (RateLimit(60, burst=1), 3),
        (RateLimit(30, burst=1), 10),
        (RateLimit(5), 10),
        (RateLimit(5), 3),
        (RateLimit(2), 3),
        (RateLimit(1), 90),
    ],
)
@pytest.mark.parametrize("connections", [1, 8])
@virtual_time
async def test_a_token_is_taken_when_the_turn_comes(limit: RateLimit, ttl: int, connections: int) -> None:
    """However long the queue and however short the life of a token, none is refused and no request fails."""
    async with service(
        auth=OAUTH, rules=Rules(token_ttl=ttl, latency=0.1), rate_limit=limit, max_connections=connections
    ) as it:
        await asyncio.gather(*(it.fetch() for _ in range(12)))

        assert {request.status for request in it.box.requests} == {200}
        assert busiest([request.started for request in it.box.requests]) <= limit.requests_per_minute


@virtual_time
async def test_pages_are_fetched_while_a_token_is_renewed_ahead_of_its_end() -> None:
    """A token endpoint that is down costs nothing as long as the old token is valid."""
    script = faults.on_tokens(faults.numbered({2: faults.status(503), 3: faults.hang(), 4: faults.status(503)}))
    async with service(script, auth=OAUTH, rules=Rules(latency=0.5, token_ttl=300)) as it:
        await it.fetch()
        waits = []
        while now() < 300:
            await asyncio.sleep(1)
            before = now()
            await asyncio.gather(*(it.fetch() for _ in range(4)))
            waits.append(now() - before)

        assert {request.status for request in it.box.requests if request.method == "GET"} == {200}
        assert len([request for request in it.box.requests if request.method == "POST"]) <= 8


@virtual_time
async def test_wrong_client_credentials_raise() -> None:
    """320001 with HTTP 200 is an error of its own, asked once however many wait."""
    async with service(auth=OAuthClientCredentials("sandbox-key", "wrong")) as it:
        outcomes = await asyncio.gather(*(it.fetch() for _ in range(10)), return_exceptions=True)

        assert {getattr(outcome, "code", None) for outcome in outcomes} == {320001}
        assert {type(outcome) for outcome in outcomes} == {AuthenticationError}
        assert len(it.box.requests) == 1


@pytest.mark.parametrize("status", [401, 498])
@virtual_time
async def test_a_token_refused_twice_raises(status: int) -> None:
    """A fetch asks for one new token, no more."""
    async with service(faults.on_ledgers(faults.always(faults.gateway_error(status))), auth=OAUTH) as it:
        context = new_context()
        with pytest.raises(AuthenticationError):
            await it.fetch(context)

        assert [request.method for request in it.box.requests] == ["POST", "GET", "POST", "GET"]
        assert (context.counters.requests, context.counters.retries) == (4, 1)


@virtual_time
async def test_a_refused_password_raises_at_once() -> None:
    """There is nothing to renew."""
    async with service(auth=BasicAuth("store.server", "wrong")) as it:
        with pytest.raises(AuthenticationError):
            await it.fetch()

        assert len(it.box.requests) == 1


@virtual_time
async def test_requests_for_tokens_are_retried_like_any_other() -> None:
    """Faults of the token endpoint are outlasted, under the same limit."""
    script = faults.on_tokens(faults.numbered({1: faults.status(503), 2: faults.too_many("5"), 3: faults.reset()}))
    async with service(script, auth=OAUTH, max_connections=1) as it:
        await asyncio.gather(*(it.fetch() for _ in range(5)))

        assert [request.method for request in it.box.requests] == ["POST"] * 4 + ["GET"] * 5
