"""The only way to the service: within the rate limit, signed, with retries.

One attempt is a turn at the gate, the credentials, the exchange with its body, and the decoding, which for a large
answer is left to whoever asked. Between attempts neither a connection nor a place in the budget is held.
"""

from __future__ import annotations

import asyncio
import logging
import random as random_module
import warnings
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from capledger._transport.attempt import Attempt, PendingResponse, Tally, Unread
from capledger._transport.clock import SYSTEM_CLOCK, Clock, to_seconds
from capledger._transport.http import HttpClient, check_base_url, closed_error
from capledger._transport.limiter import RequestLimiter, Slot
from capledger._transport.log import logger
from capledger._transport.rate_limit import AdaptiveRateLimiter, FixedRateLimiter, RateLimit, RateLimiter
from capledger._transport.retry import (
    Failure,
    RetryBudget,
    RetryPolicy,
    gives_up,
    pause_after_refusal,
    wait_before_retry,
)
from capledger.errors import (
    AuthenticationError,
    CapledgerError,
    ConfigurationError,
    RateLimitedError,
    RequestTimeoutError,
    SessionClosedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    import aiohttp

    from capledger._sansio.decoder import Decoder
    from capledger._sansio.requests import Request
    from capledger._sansio.response import Response
    from capledger._transport.authentication import Auth

T = TypeVar("T")
R = TypeVar("R")

#: Tokens in a row that may have run out while their request waited for its turn.
_MOST_STALE_TOKENS = 3


class Transport:
    """Fetches typed answers; belongs to the event loop of its first use.

    Args:
        base_url: the service's address: https, or http to this machine.
        auth: what the caller proves itself with.
        decoder: makes answers into what was asked for.
        rate_limit: the organisation's limit; None to learn from refusals.
        retry: how often to ask again.
        max_connections: requests under way at once.
        timeout: for one attempt, body included, in seconds or as a timedelta.
        http: a caller's session, which is borrowed and never closed; its own middlewares are not run.
        trace_configs: for a session of our own.
        budget: in place of ``rate_limit``, a budget that is kept elsewhere.
        allow_plain_http: accept a base_url that is not encrypted.
        clock: the time.
        random: numbers from 0 to 1, for the jitter.

    Raises:
        ConfigurationError: an argument cannot work.
    """

    def __init__(
        self,
        base_url: str,
        auth: Auth,
        decoder: Decoder,
        *,
        rate_limit: RateLimit | None = None,
        retry: RetryPolicy | None = None,
        max_connections: int = 8,
        timeout: float | timedelta = 30.0,
        http: aiohttp.ClientSession | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        budget: RateLimiter | None = None,
        allow_plain_http: bool = False,
        clock: Clock = SYSTEM_CLOCK,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        seconds = to_seconds(timeout)
        if not seconds:
            raise ConfigurationError("timeout must be longer than nothing")
        self._retry = retry or RetryPolicy()
        self._retry_budget = RetryBudget(self._retry)
        self._decoder = decoder
        self._signer = auth.authenticator(clock)
        self._clock = clock
        self._random = random
        self._http = HttpClient(
            check_base_url(base_url, allow_plain_http=allow_plain_http),
            timeout=seconds,
            http=http,
            trace_configs=trace_configs,
        )
        self.gate = RequestLimiter(
            budget or (AdaptiveRateLimiter() if rate_limit is None else FixedRateLimiter(rate_limit)),
            max_connections=max_connections,
            max_wait=None if rate_limit is None else rate_limit.max_wait,
            max_pause=self._retry.max_retry_after,
            clock=clock,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()

    async def open(self) -> None:
        """Bind to the running event loop. Happens by itself at the first request.

        Raises:
            SessionClosedError: it was closed, or belongs to another loop.
        """
        self._open()

    def _open(self) -> None:
        loop = asyncio.get_running_loop()
        if self._closing.is_set():
            raise closed_error()
        if self._loop is None:
            self._loop = loop
            self._http.open()
        elif self._loop is not loop:
            raise SessionClosedError("the session belongs to another event loop; open one session in each")

    async def close(self) -> None:
        """Refuse what waits and what comes, end what is under way, and close the connections. May be called again.

        Raises:
            SessionClosedError: it belongs to another event loop.
        """
        if self._closing.is_set():
            return
        if self._loop is not None:
            self._open()
        self._closing.set()
        self.gate.close()
        await self._http.close()

    def __del__(self) -> None:
        client = getattr(self, "_http", None)
        if client is not None and client.is_leaking:
            try:
                warnings.warn("a capledger session was never closed", ResourceWarning, source=self, stacklevel=2)
            finally:
                client.abandon()

    async def fetch(self, request: Request[T], report: Tally) -> T:
        """Ask until there is an answer or a reason to give up; count in *report*.

        Raises:
            CapledgerError: whatever the decoder or the last attempt raised, without the foreign error behind it.
            RequestTimeoutError: the report's deadline has passed.
            SessionClosedError: the session is closed, or belongs to another event loop.
        """
        return await _read_at_once(await self.send(request, report))

    async def send(self, request: Request[T], report: Tally) -> PendingResponse[T]:
        """Ask as :meth:`fetch` does, and leave the reading of a large answer to whoever wants it."""
        self._open()
        return await self._arrive(Attempt(request, report, self._decoder.decode))

    async def _arrive(self, call: Attempt[T], failure: Failure | None = None) -> PendingResponse[T]:
        asking = self._ask(call, failure)
        came = await (asking if call.deadline is None else self._in_time(call.deadline, call, asking))
        return PendingResponse(came, call, self._read_late, self._arrive)

    async def _in_time(self, deadline: float, call: Attempt[Any], work: Coroutine[object, object, R]) -> R:
        try:
            async with asyncio.timeout(deadline - self._clock.monotonic()):
                return await work
        except CapledgerError:
            raise
        except TimeoutError:
            call.log(logging.INFO, "%s: the walk's deadline has passed")
        raise RequestTimeoutError("the walk's deadline has passed")

    async def _ask(self, call: Attempt[T], failure: Failure | None = None) -> T | Unread:
        """Ask until something came; after a failure, what has to come before the next attempt comes first."""
        while True:
            if failure is not None:
                await self._recover(call, failure)
            outcome = await self._attempt(call)
            if not isinstance(outcome, Failure):
                return outcome
            failure = outcome

    async def _attempt(self, call: Attempt[T]) -> T | Unread | Failure:
        """Wait for a turn and send; a token that ran out in the queue is replaced, and then nobody goes before."""
        for urgent in (not call.signed, *(True,) * _MOST_STALE_TOKENS):
            if call.signed and self._signer.headers() is None:
                await self._renew(call)
            async with self.gate.admit(id(call.report), urgent=urgent) as permit:
                call.report.waited += permit.waited
                if self._sign(call):
                    permit.used = True
                    call.report.requests += 1
                    answer = await self._http.send(call.request, call.signature)
                    return self._receive(call, answer, permit)
        raise AuthenticationError("tokens run out sooner than a request can be sent with them")

    def _receive(self, call: Attempt[T], answer: Response | CapledgerError, permit: Slot) -> T | Unread | Failure:
        outcome = self._look_at(call, answer, permit)
        self._tell_gate(call, outcome, permit)
        if not isinstance(outcome, Failure):
            self._retry_budget.earn()
        return outcome

    def _look_at(self, call: Attempt[T], answer: Response | CapledgerError, permit: Slot) -> T | Unread | Failure:
        if isinstance(answer, CapledgerError):
            return Failure(answer)
        self._log_answer(call, answer)
        if answer.can_wait and not permit.probe:
            return Unread(answer, permit)
        outcome = self._read(call, answer)
        return outcome  # noqa: RET504 (its type is found without the one that is returned)

    def _read(self, call: Attempt[T], answer: Response) -> T | Failure:
        try:
            return call.decode(call.request, answer)
        except CapledgerError as error:
            return Failure(_without_past(error), answer)

    def _read_late(self, call: Attempt[T], unread: Unread) -> T | Failure:
        """Its turn is over, and its coming was told as a success; now it may turn out to be none."""
        outcome = self._read(call, unread.answer)
        if isinstance(outcome, Failure):
            self._tell_gate(call, outcome, unread.permit)
        return outcome

    def _tell_gate(self, call: Attempt[T], outcome: T | Unread | Failure, permit: Slot) -> None:
        """While the turn is still held, if it may be a refusal, so that nobody follows; no answer tells nothing."""
        if not isinstance(outcome, Failure):
            self.gate.answered(permit)
        elif outcome.refused_for_rate:
            self._pause(call, outcome, self.gate.count_refusal(permit))
        else:
            call.count(outcome)
            if outcome.answer is not None:
                self.gate.answered(permit)

    def _pause(self, call: Attempt[Any], refusal: Failure, in_a_row: int) -> None:
        now = self._clock.now(UTC)
        call.kind, call.alike = refusal.kind, in_a_row
        call.pause = pause_after_refusal(refusal, in_a_row=in_a_row, policy=self._retry, now=now)
        self.gate.refused(call.pause, for_good=1 < in_a_row >= self._retry.attempts)
        if isinstance(refusal.error, RateLimitedError) and refusal.error.retry_after is None:
            refusal.error.retry_after = call.pause

    async def _renew(self, call: Attempt[Any]) -> None:
        async def ask(request: Request[T], decode: Callable[[Request[T], Response], T]) -> T:
            return await _read_at_once(await self._arrive(Attempt(request, call.report, decode, signed=False)))

        await self._signer.renew(ask)

    def _sign(self, call: Attempt[Any]) -> bool:
        """Put the credentials of this moment on the call; return False if there are none."""
        if call.signed:
            headers = self._signer.headers()
            call.signature = headers or {}
            return headers is not None
        return True

    async def _recover(self, call: Attempt[Any], failure: Failure) -> None:
        """Do what has to come before the next attempt, or raise the failure. The gate does the pauses for the rate."""
        if self._closing.is_set():
            raise closed_error()
        if self._has_other_signature(call, failure):
            call.log(logging.DEBUG, "%s: credentials refused, asking again with new ones", status=failure.status)
        else:
            wait = self._wait(call, failure)
            self._log_failure(call, failure, wait)
            if wait is None:
                raise failure.error
            call.attempt += 1
            if not failure.refused_for_rate:
                await self._rest(call, wait)
        call.report.retries += 1

    def _has_other_signature(self, call: Attempt[Any], failure: Failure) -> bool:
        """Return whether asking again, once, with other credentials can help."""
        if not isinstance(failure.error, AuthenticationError) or call.renewed or not call.signed:
            return False
        call.renewed = True
        return self._signer.invalidate(call.signature)

    def _wait(self, call: Attempt[Any], failure: Failure) -> float | None:
        """Return the seconds until the next attempt, or None to give up."""
        wait = None if gives_up(call.attempt, call.alike, self._retry) else self._wait_at_best(call, failure)
        if wait is None or (call.deadline is not None and self._clock.monotonic() + wait >= call.deadline):
            return None
        return wait if failure.refused_for_rate or self._retry_budget.spend() else None

    def _wait_at_best(self, call: Attempt[Any], failure: Failure) -> float | None:
        if failure.refused_for_rate:
            return call.pause if call.pause <= self._retry.max_retry_after else None
        now = self._clock.now(UTC)
        return wait_before_retry(failure, attempt=call.attempt, policy=self._retry, now=now, random=self._random)

    async def _rest(self, call: Attempt[Any], seconds: float) -> None:
        """Wait, unless the session is closed meanwhile."""
        call.report.waited += seconds
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return
        raise closed_error()

    def _log_answer(self, call: Attempt[Any], answer: Response) -> None:
        if logger.isEnabledFor(logging.DEBUG):  # finding the request's id takes longer than all the rest here
            call.log(logging.DEBUG, "%s: HTTP %d", answer.status, status=answer.status, request_id=answer.request_id)

    def _log_failure(self, call: Attempt[Any], failure: Failure, wait: float | None) -> None:
        kind = type(failure.error).__name__
        text = "%s: attempt %d failed (%s), " + ("gives up" if wait is None else f"again in {wait:.2f} s")
        call.log(
            logging.INFO,
            text,
            call.attempt,
            kind,
            error=kind,
            wait=wait,
            status=failure.status,
            request_id=failure.answer and failure.answer.request_id,
        )


async def _read_at_once(arrival: PendingResponse[T]) -> T:
    while (made := arrival.read()) is None:
        arrival = await arrival.again()
    return made


def _without_past(error: CapledgerError) -> CapledgerError:
    """Return the error without what led to it: frames and foreign errors may hold what was said of a customer."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
