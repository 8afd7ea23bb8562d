from __future__ import annotations

import asyncio
import gc
import logging
import traceback
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from support.clock import VirtualTimeLoop, run, virtual_time
from support.service import BASIC, OAUTH, new_context, new_transport, now, page_request, service

from capledger import CapledgerError, ConfigurationError, SessionClosedError
from capledger._transport.log import pseudonym
from capledger._transport.rate_limit import RateLimit
from capledger._transport.retry import RetryPolicy
from capledger.sandbox import DEMO_MOBILE, Rules, Sandbox, faults

if TYPE_CHECKING:
    from capledger._transport.authentication import Auth
    from capledger._transport.client import Transport


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": "30"},
        {"timeout": None},
        {"max_connections": 0},
        {"url": "http://ledger.example"},
    ],
)
def test_a_transport_is_checked_when_it_is_made(wrong: dict[str, Any]) -> None:
    """What cannot work is reported before anything is sent, outside any event loop."""
    with pytest.raises(ConfigurationError):
        new_transport(**{"url": "https://ledger.example", **wrong})


@virtual_time
async def test_a_closed_transport_refuses() -> None:
    """After closing, which may be done twice, nothing is sent any more."""
    async with service() as it:
        await it.fetch()
        await it.transport.close()
        await it.transport.close()

        for used in (it.fetch(), it.transport.open()):
            with pytest.raises(SessionClosedError):
                await used
        assert len(it.box.requests) == 1


@virtual_time
async def test_a_transport_that_was_never_used_can_be_closed() -> None:
    """And refuses afterwards."""
    transport = new_transport("https://ledger.example")

    await transport.close()

    with pytest.raises(SessionClosedError):
        await transport.open()


@pytest.mark.parametrize("auth", [BASIC, OAUTH], ids=["basic", "oauth"])
@pytest.mark.parametrize(
    "fault",
    [faults.hang(), faults.stall(), faults.status(503, headers={"Retry-After": "60"}), faults.too_many("60")],
    ids=["hangs", "stalls", "waits for a retry", "waits for a pause"],
)
@virtual_time
async def test_closing_ends_what_is_under_way(fault: faults.Fault, auth: Auth) -> None:
    """A fetch that hangs, waits for a retry, for a pause, for a turn or for a token ends at once, in the one error."""
    async with service(faults.always(fault), auth=auth, max_connections=2, rate_limit=RateLimit(60)) as it:
        tasks = [asyncio.create_task(it.fetch()) for _ in range(6)]
        await asyncio.sleep(5)

        await it.transport.close()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)

        assert {type(outcome) for outcome in outcomes} == {SessionClosedError}
        assert now() == pytest.approx(5, abs=0.1)
        assert (it.transport.limiter.free_slots, it.transport.limiter.waiting) == (2, 0)


def test_another_event_loop_raises() -> None:
    """A transport belongs to the loop of its first use."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as one:
        box = one.run(Sandbox().__aenter__())
        transport = one.run(_fetched_with_new(box.url))

        for use in (transport.open, transport.close, lambda: transport.fetch(page_request(), new_context())):
            with pytest.raises(SessionClosedError, match="another event loop"):
                run(use())

        one.run(transport.close())
        one.run(box.close())


async def _fetched_with_new(url: str) -> Transport:
    transport = new_transport(url)
    await transport.fetch(page_request(), new_context())
    return transport


@virtual_time
async def test_a_transport_that_is_never_closed_warns() -> None:
    """Whoever forgets to close hears of it, and the connection is closed all the same."""
    async with Sandbox() as box:
        transport = await _fetched_with_new(box.url)
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del transport
            gc.collect()
            await asyncio.sleep(0.01)

    assert "never closed" in str(caught[0].message)
    assert {warning.category for warning in caught} == {ResourceWarning}


@virtual_time
async def test_one_that_was_closed_or_never_used_does_not_warn() -> None:
    """Only what holds something is worth a warning."""
    async with service() as it:
        await it.fetch()
    never_used = new_transport("https://ledger.example")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del it, never_used
        gc.collect()

    assert [warning for warning in caught if warning.category is ResourceWarning] == []


SECRETS = ("server123", "8a16a6b70505eb1f1ff7cdc0cd5559a7", "sandbox-secret", "sandbox-key", "c3RvcmU", DEMO_MOBILE)


@pytest.mark.parametrize("auth", [BASIC, OAUTH], ids=["basic", "oauth"])
@pytest.mark.parametrize(
    "fault",
    [
        faults.status(503, f"no {DEMO_MOBILE}"),
        faults.api_error(8015, f"{DEMO_MOBILE} not found"),
        faults.gateway_error(401),
        faults.too_many("1"),
        faults.reset(),
        faults.cut_body(),
        faults.hang(),
        faults.html(),
        faults.json_body({"ledgerEntries": [{"eventLogId": DEMO_MOBILE + "x"}]}),
        faults.redirect(f"https://elsewhere.example/?q={DEMO_MOBILE}"),
    ],
    ids=lambda fault: fault.name,
)
@virtual_time
async def test_no_message_log_or_repr_contains_personal_data(
    fault: faults.Fault, auth: Auth, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither logs at DEBUG nor the error, its repr, its traceback or its past hold a secret or an identifier."""
    caplog.set_level(logging.DEBUG)
    script = faults.on_ledgers(faults.always(fault))
    async with service(script, auth=auth, retry=RetryPolicy(attempts=3)) as it:
        with pytest.raises(CapledgerError) as caught:
            await it.fetch()
        token = it.box.requests[-1].headers.get("x-cap-api-oauth-token", "no token")

    error = caught.value
    told = "\n".join(
        [
            *traceback.format_exception(error),
            repr(error),
            repr(error.__context__) + repr(error.__cause__),
            *(repr(record.__dict__) + record.getMessage() for record in caplog.records),
        ]
    )
    assert caplog.records
    assert [secret for secret in (*SECRETS, token) if secret in told] == []


@virtual_time
async def test_logs_record_what_happened(caplog: pytest.LogCaptureFixture) -> None:
    """Endpoint, customer's pseudonym, attempt, status, wait and request id are fields of the records."""
    caplog.set_level(logging.DEBUG, "capledger.transport")
    fault = faults.status(503, headers={"X-Cap-Requestid": "r-77"})
    async with service(faults.first(1, fault), retry=RetryPolicy(min_wait=1, max_wait=1)) as it:
        await it.fetch()

    answered, failed, answered_again = caplog.records
    fields: dict[str, Any] = failed.__dict__
    assert (fields["endpoint"], fields["customer"]) == ("customer_ledger", pseudonym(DEMO_MOBILE))
    assert (fields["attempt"], fields["status"], fields["request_id"]) == (1, 503, "r-77")
    assert (fields["wait"], fields["error"]) == (1.0, "ServerError")
    assert failed.getMessage() == "customer_ledger: attempt 1 failed (ServerError), retrying in 1.00 s"
    assert (answered.__dict__["status"], answered_again.__dict__["status"]) == (503, 200)
    assert answered_again.__dict__["attempt"] == 2


def test_pseudonyms_distinguish_customers() -> None:
    """The same customer has one for the life of the process, another customer another, and none is the identifier."""
    assert pseudonym("77001") == pseudonym("77001") != pseudonym("77002")
    assert len(pseudonym("77001")) == 8


@virtual_time
async def test_rules_of_the_sandbox_are_those_of_the_tests() -> None:
    """A limit that the sandbox counts in virtual time is one that requests in virtual time can break."""
    async with service(rules=Rules(requests_per_minute=1), retry=RetryPolicy(attempts=1)) as it:
        await it.fetch()
        with pytest.raises(CapledgerError):
            await it.fetch()
