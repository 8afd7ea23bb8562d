"""The client: retries, pauses, deadlines and the rate limit, over HTTP."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.clock import busiest, run, virtual_time
from support.service import OAUTH, PATIENT, new_context, now, page_request, service

from capledger import (
    AuthenticationError,
    CapledgerError,
    ConfigurationError,
    ConnectionFailedError,
    CustomerNotFoundError,
    DecodeError,
    PermissionDeniedError,
    RateLimitedError,
    RequestTimeoutError,
    ServerError,
    WalkReport,
)
from capledger._transport.rate_limit import RateLimit
from capledger._transport.retry import RetryPolicy
from capledger.sandbox import DEMO_MOBILE, Fault, Rules, faults

if TYPE_CHECKING:
    from collections.abc import Coroutine


@virtual_time
async def test_a_page_is_fetched_as_documented() -> None:
    """One request goes out, with the documented headers, and its page comes back."""
    async with service() as it:
        context = new_context()
        page = await it.fetch(context)

        sent = it.box.requests[0]
        assert len(page.entries) == 10
        assert context.counters == WalkReport(requests=1)
        assert (sent.method, sent.path) == ("GET", "/v2/pointsLedger/getCustomerLedgerInfo")
        assert sent.headers["accept"] == sent.headers["content-type"] == "application/json"
        assert sent.headers["user-agent"].startswith("capledger/")
        assert sent.headers["authorization"].startswith("Basic ")


TRANSIENT = [
    *(faults.status(code) for code in sorted(RetryPolicy().statuses)),
    faults.too_many("3"),
    faults.html(200),
    faults.html(503),
    faults.reset(),
    faults.cut_body(),
    faults.text_body('{"ledgerEntries": ['),
    faults.hang(),
    faults.stall(),
    faults.drip(0.1),
    faults.slow(31),
    faults.too_many("5.0"),
    faults.too_many("Thu, 01 Jan 2015 00:00:00 GMT"),
    faults.gateway_error(503, http_status=200),
]

#: Errors of the API that are no errors of its token endpoint.
TRANSIENT_API_ERRORS = [
    faults.api_error(9003, http_status=500),
    faults.api_error(9003, "Error fetching points ledger data : Read timed out"),
    faults.api_error(11016, "getExplodeLedgerInfo failed and fallback failed", http_status=200),
    faults.api_error(987_654, http_status=500),
    faults.gateway_error(4001, http_status=503),
]


@pytest.mark.parametrize("fault", [*TRANSIENT, *TRANSIENT_API_ERRORS], ids=lambda fault: fault.name)
@virtual_time
async def test_transient_faults_are_retried(fault: Fault) -> None:
    """After two faults the third response is the page; each request sent is counted, and none is sent unseen."""
    async with service(faults.first(2, fault)) as it:
        context = new_context()
        page = await it.fetch(context)

        assert len(page.entries) == 10
        assert (context.counters.requests, context.counters.retries) == (3, 2)
        assert len(it.box.requests) == 3
        assert context.counters.waited > 0


@pytest.mark.parametrize(
    ("fault", "error_class"),
    [
        (faults.status(503), ServerError),
        (faults.html(), ServerError),
        (faults.status(429), RateLimitedError),
        (faults.reset(), ConnectionFailedError),
        (faults.cut_body(), ConnectionFailedError),
        (faults.hang(), RequestTimeoutError),
        (faults.stall(), RequestTimeoutError),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
@virtual_time
async def test_lasting_faults_end_in_the_error_of_the_last_attempt(
    fault: Fault, error_class: type[CapledgerError]
) -> None:
    """After all attempts the error says what happened, and nothing foreign hangs on it."""
    async with service(faults.always(fault)) as it:
        with pytest.raises(CapledgerError) as caught:
            await it.fetch()

        assert type(caught.value) is error_class
        assert len(it.box.requests) == 6
        assert caught.value.__context__ is None
        assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("fault", "error_class"),
    [
        (faults.api_error(8015), CustomerNotFoundError),
        (faults.status(501), ServerError),
        (faults.json_body({}), DecodeError),
        (faults.gateway_error(403), PermissionDeniedError),
        (faults.gateway_error(401), AuthenticationError),
        (faults.too_many("3600"), RateLimitedError),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
@virtual_time
async def test_permanent_errors_are_not_retried(fault: Fault, error_class: type[CapledgerError]) -> None:
    """A response of the API is final, and so is a wait longer than the policy's."""
    async with service(faults.first(1, fault)) as it:
        with pytest.raises(error_class):
            await it.fetch()

        assert len(it.box.requests) == 1
        assert now() < 1


@virtual_time
async def test_a_404_without_an_error_of_the_api_fails_one_request() -> None:
    """A proxy's 404 concerns its request alone; the next one succeeds."""
    async with service(faults.first(1, faults.status(404, "not here"))) as it:
        with pytest.raises(ServerError, match="check base_url"):
            await it.fetch()

        assert len((await it.fetch()).entries) == 10


@pytest.mark.parametrize(("successes", "error_class"), [(0, ConfigurationError), (1, ServerError)])
@virtual_time
async def test_a_404_for_every_request_is_a_wrong_base_url(successes: int, error_class: type[CapledgerError]) -> None:
    """After twenty of them, and nothing else, the session cannot work; one success says that it can."""
    script = faults.numbered(dict.fromkeys(range(1 + successes, 30), faults.status(404)))
    async with service(script) as it:
        for _ in range(successes):
            await it.fetch()
        errors = [await _error(it.fetch()) for _ in range(20)]

        assert [type(error) for error in errors] == [ServerError] * 19 + [error_class]


async def _error(fetching: Coroutine[Any, Any, object]) -> BaseException | None:
    (outcome,) = await asyncio.gather(fetching, return_exceptions=True)
    return outcome if isinstance(outcome, BaseException) else None


@virtual_time
async def test_retry_after_is_obeyed() -> None:
    """Seven seconds asked for are seven seconds waited, and stand in the report."""
    async with service(faults.first(1, faults.too_many("7"))) as it:
        context = new_context()
        await it.fetch(context)

        assert it.box.requests[1].started == pytest.approx(7.0, abs=0.01)
        assert context.counters.waited == pytest.approx(7.0, abs=0.01)


@virtual_time
async def test_a_rate_limited_error_states_when_to_retry() -> None:
    """The error has the seconds, stated or our own."""
    async with service(faults.first(1, faults.too_many("3600"))) as it:
        with pytest.raises(RateLimitedError) as stated:
            await it.fetch()
        with pytest.raises(RateLimitedError) as during:
            await it.fetch()
        assert len(it.box.requests) == 1
    async with service(faults.always(faults.too_many()), retry=RetryPolicy(attempts=1)) as it:
        with pytest.raises(RateLimitedError) as unstated:
            await it.fetch()

    assert stated.value.retry_after == 3600
    assert during.value.retry_after == pytest.approx(3600, abs=1)
    assert unstated.value.retry_after == pytest.approx(0.1)


@virtual_time
async def test_an_http_429_pauses_the_whole_session() -> None:
    """While one walk was told to wait, no other sends."""
    async with service(faults.nth(3, faults.too_many("30")), rules=Rules(latency=0.1), max_connections=4) as it:
        await asyncio.gather(*(it.fetch() for _ in range(20)))

        assert not [logged for logged in it.box.requests if 0.3 < logged.started < 30]


@virtual_time
async def test_no_connection_is_held_while_waiting() -> None:
    """With a single connection, others are served while one waits for its retry."""
    async with service(faults.first(1, faults.status(503, headers={"Retry-After": "60"})), max_connections=1) as it:
        waiting = asyncio.create_task(it.fetch())
        await asyncio.sleep(1)
        await it.fetch()
        assert now() < 2

        await waiting
        assert now() >= 60


@virtual_time
async def test_failures_that_change_get_more_attempts_than_failures_of_one_kind() -> None:
    """Failures that change are outlasted up to three times the attempts; alike in a row, six are the end."""
    ways = [faults.status(500), faults.cut_body(), faults.html(), faults.too_many("0"), faults.status(503)]
    async with service(faults.numbered({number: ways[number % 5] for number in range(1, 18)})) as it:
        assert len((await it.fetch()).entries) == 10
        assert len(it.box.requests) == 18
    async with service(faults.numbered({number: ways[number % 5] for number in range(1, 19)})) as it:
        with pytest.raises(CapledgerError):
            await it.fetch()
        assert len(it.box.requests) == 18


@virtual_time
async def test_a_single_http_429_costs_little_time() -> None:
    """A 429 without a stated wait costs the session a tenth of a second, and leaves no limit behind."""
    async with service(faults.nth(5, faults.too_many()), rules=Rules(latency=0.01)) as it:
        await asyncio.gather(*(it.fetch() for _ in range(100)))

        assert now() < 0.5


@pytest.mark.parametrize("stated", [None, 0, 1, 5])
@virtual_time
async def test_a_retry_after_that_is_too_short_loses_nothing(stated: int | None) -> None:
    """A limit by the minute whose responses say to come back at once is outlasted, without a stampede."""
    async with service(rules=Rules(latency=0.1, requests_per_minute=100, retry_after=stated)) as it:
        await asyncio.gather(*(it.fetch() for _ in range(300)))

        assert len([logged for logged in it.box.requests if logged.status == 429]) <= 30


@virtual_time
async def test_a_walk_s_deadline_ends_its_requests() -> None:
    """A request that hangs ends at the deadline, and a retry that would come after it is not waited for."""
    async with service(faults.always(faults.hang())) as it:
        with pytest.raises(RequestTimeoutError):
            await it.fetch(new_context(deadline=now() + 10))
        assert now() == pytest.approx(10, abs=0.1)
    async with service(faults.always(faults.status(503, headers={"Retry-After": "60"}))) as it:
        with pytest.raises(ServerError):
            await it.fetch(new_context(deadline=now() + 10))
        assert now() == pytest.approx(10, abs=0.2)


@virtual_time
async def test_retries_do_not_make_an_outage_worse() -> None:
    """With everything failing, a hundred fetches send their hundred requests and the reserve of retries, no more."""
    async with service(faults.always(faults.status(503)), retry=RetryPolicy(budget=30)) as it:
        outcomes = await asyncio.gather(*(it.fetch() for _ in range(100)), return_exceptions=True)

        assert {type(outcome) for outcome in outcomes} == {ServerError}
        assert len(it.box.requests) == 130


@virtual_time
async def test_faults_at_random_are_outlasted() -> None:
    """With three in ten requests failing in every way, three hundred fetches all get their page."""
    script = faults.random_faults(7, 0.3, [fault for fault in TRANSIENT if fault.name != "drip"])
    async with service(script, rules=Rules(latency=0.05), retry=PATIENT, max_connections=16) as it:
        contexts = [new_context() for _ in range(300)]
        pages = await asyncio.gather(*(it.fetch(context) for context in contexts))

        assert {len(page.entries) for page in pages} == {10}
        assert sum(context.counters.requests for context in contexts) == len(it.box.requests)
        assert it.transport.limiter.free_slots == 16


@virtual_time
async def test_the_limit_is_kept_and_used_over_http() -> None:
    """Eight walks at 600 a minute: the sandbox never counts more in any minute, refuses nothing, and 95% is used."""
    rules = Rules(latency=0.2, requests_per_minute=600)
    async with service(rules=rules, rate_limit=RateLimit(600), max_connections=16) as it:

        async def walk() -> None:
            context = new_context()
            while now() < 120:
                await it.fetch(context)

        await asyncio.gather(*(walk() for _ in range(8)))

        started = [logged.started for logged in it.box.requests]
        assert busiest(started) <= 600
        assert {logged.status for logged in it.box.requests} == {200}
        assert len([moment for moment in started if moment < 120]) >= 0.95 * 1_200


@virtual_time
async def test_a_limit_that_is_not_stated_is_learned() -> None:
    """Against a limit of 100 a minute that is not stated, all pages come with few HTTP 429."""
    rules = Rules(latency=0.1, requests_per_minute=100, retry_after="date")
    async with service(rules=rules, max_connections=8, retry=PATIENT) as it:
        await asyncio.gather(*(it.fetch() for _ in range(500)))

        refused = [logged for logged in it.box.requests if logged.status == 429]
        assert len(refused) <= 0.05 * len(it.box.requests)
        assert now() <= 500 / 100 * 60 * 1.3


@virtual_time
async def test_a_huge_walk_does_not_starve_the_small_ones() -> None:
    """With fifty walks of one page behind one of five hundred, the small ones are done when a tenth of it is."""
    async with service(rules=Rules(latency=0.02), max_connections=8) as it:
        huge = new_context()
        pages = [asyncio.create_task(it.fetch(huge)) for _ in range(500)]
        await asyncio.sleep(0.01)
        await asyncio.gather(*(it.fetch() for _ in range(50)))

        assert huge.counters.requests < 500 / 10
        for page in pages:
            page.cancel()
        await asyncio.wait(pages)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), moments=st.lists(st.floats(0, 8), min_size=12, max_size=12))
def test_cancelling_at_any_moment_leaves_nothing(seed: int, moments: list[float]) -> None:
    """Whatever a fetch waits for when it is cancelled, its connection and its place are free again."""

    async def main() -> None:
        random = Random(seed)
        script = faults.random_faults(seed, 0.5, TRANSIENT)
        rules = Rules(latency=0.3, token_ttl=5)
        async with service(
            script, auth=OAUTH, rules=rules, rate_limit=RateLimit(120), max_connections=2, retry=PATIENT
        ) as it:
            tasks = [asyncio.create_task(it.fetch()) for _ in moments]
            for task, moment in zip(tasks, moments, strict=True):
                asyncio.get_running_loop().call_later(moment, task.cancel)
            await asyncio.gather(*tasks, return_exceptions=True)

            assert [error for task in tasks if not task.cancelled() and (error := task.exception())] == []
            assert (it.transport.limiter.free_slots, it.transport.limiter.waiting) == (2, 0)
            it.box.faults = None
            if random.random() < 0.5:
                await it.fetch()

    run(main())


def test_the_identifier_of_the_demo_is_in_the_request() -> None:
    """Tests of quietness look for an identifier that is really sent."""
    assert page_request().params["identifierValue"] == DEMO_MOBILE
