"""Sends requests within the rate limit, authenticated, with retries.

One attempt acquires a slot, authenticates, sends, reads the body and decodes it; a large body is decoded later, when
its value is wanted. Between attempts neither a connection nor a place in the rate limit is held.
"""

from __future__ import annotations

import asyncio
import logging
import random as random_module
import warnings
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from capledger._transport.arguments import require_type, to_seconds
from capledger._transport.attempt import Attempt, PendingResponse, Undecoded
from capledger._transport.clock import SYSTEM_CLOCK, Clock
from capledger._transport.http import HttpClient, check_base_url, closed_error
from capledger._transport.limiter import RequestLimiter, Slot
from capledger._transport.log import logger
from capledger._transport.rate_limit import AdaptiveRateLimiter, FixedRateLimiter, RateLimit
from capledger._transport.retry import (
    Failure,
    RetryBudget,
    RetryPolicy,
    UrlCheck,
    is_exhausted,
    rate_limit_pause,
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
    from yarl import URL

    from capledger._sansio.context import RequestContext
    from capledger._sansio.decoder import Decoder
    from capledger._sansio.requests import PageT, Request
    from capledger._sansio.response import Response
    from capledger._transport.authentication import Auth

T = TypeVar("T")
R = TypeVar("R")

#: Tokens in a row that may expire while their request waits for its slot.
_MAX_EXPIRED_TOKENS = 3


class Transport:
    """Fetches typed responses; belongs to the event loop of its first use.

    Args:
        base_url: URL of the service: https, or http to this machine.
        auth: credentials.
        decoder: decodes responses into pages.
        rate_limit: the organisation's limit; None to learn it from HTTP 429.
        retry: limits of retries and waits.
        max_connections: Maximum number of requests under way at once.
        timeout: Maximum time for one attempt, body included, in seconds or as a timedelta.
        http: a caller's aiohttp session, borrowed and never closed; its own middlewares are not run.
        trace_configs: aiohttp's, for a session of our own.
        allow_plain_http: accept plain http to another machine.
        clock: source of time.
        random: returns numbers from 0 to 1, for the jitter.

    Raises:
        ConfigurationError: an argument cannot work.
    """

    def __init__(
        self,
        base_url: str | URL,
        auth: Auth,
        decoder: Decoder,
        *,
        rate_limit: RateLimit | None = None,
        retry: RetryPolicy | None = None,
        max_connections: int = 8,
        timeout: float | timedelta = 30.0,
        http: aiohttp.ClientSession | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        allow_plain_http: bool = False,
        clock: Clock = SYSTEM_CLOCK,
        random: Callable[[], float] = random_module.random,
    ) -> None:
        seconds = to_seconds(timeout)
        if not seconds:
            raise ConfigurationError("timeout must be longer than zero")
        if rate_limit is not None:
            require_type("rate_limit", rate_limit, RateLimit, "RateLimit(requests_per_minute) or None")
        if retry is not None:
            require_type("retry", retry, RetryPolicy, "RetryPolicy(...) or None")
        if not hasattr(auth, "authenticator"):
            raise ConfigurationError("auth must be BasicAuth(...) or OAuthClientCredentials(...)")
        self._retry = retry or RetryPolicy()
        self._retry_budget = RetryBudget(self._retry)
        self._decoder = decoder
        self._authenticator = auth.authenticator(clock)
        self._clock = clock
        self._random = random
        self._http = HttpClient(
            check_base_url(base_url, allow_plain_http=allow_plain_http),
            timeout=seconds,
            http=http,
            trace_configs=trace_configs,
        )
        self.limiter = RequestLimiter(
            AdaptiveRateLimiter() if rate_limit is None else FixedRateLimiter(rate_limit),
            max_connections=max_connections,
            max_wait=None if rate_limit is None else rate_limit.max_wait,
            max_pause=self._retry.max_retry_after,
            clock=clock,
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._url_check = UrlCheck()

    async def open(self) -> None:
        """Bind to the running event loop; the first request does so as well.

        Raises:
            SessionClosedError: the transport was closed, or belongs to another loop.
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
        """Refuse requests that wait, end those under way, and close the connections; may be called again.

        Raises:
            SessionClosedError: the transport belongs to another event loop.
        """
        if self._closing.is_set():
            return
        if self._loop is not None:
            self._open()
        self._closing.set()
        self.limiter.close()
        await self._http.close()

    def __del__(self) -> None:
        client = getattr(self, "_http", None)
        if client is not None and client.is_leaking:
            try:
                warnings.warn("a capledger session was never closed", ResourceWarning, source=self, stacklevel=2)
            finally:
                client.abandon()

    async def fetch(self, request: Request[PageT], context: RequestContext) -> PageT:
        """Send a request, with retries, and return the decoded response.

        Raises:
            CapledgerError: what the decoder or the last attempt raised, without the foreign error behind it.
            RequestTimeoutError: the context's deadline has passed.
            SessionClosedError: the session is closed, or belongs to another event loop.
        """
        return await (await self.send(request, context)).value()

    async def send(self, request: Request[PageT], context: RequestContext) -> PendingResponse[PageT]:
        """Send a request as :meth:`fetch` does, and leave the decoding of a large response to the caller."""
        self._open()
        return await self._send(Attempt(request, context, self._decoder.decode))

    async def _send(self, attempt: Attempt[T]) -> PendingResponse[T]:
        outcome = await self._send_in_time(attempt)
        return PendingResponse(outcome, attempt, self._decode_late)

    async def _decode_late(self, attempt: Attempt[T], undecoded: Undecoded) -> T:
        """Decode a response whose slot was released; retry as long as it proves broken."""
        outcome: T | Undecoded = undecoded
        while isinstance(outcome, Undecoded):
            decoded = self._decode(attempt, outcome.response)
            if not isinstance(decoded, Failure):
                return decoded
            self._record(attempt, decoded, outcome.slot)
            outcome = await self._send_in_time(attempt, decoded)
        return outcome

    async def _send_in_time(self, attempt: Attempt[T], failure: Failure | None = None) -> T | Undecoded:
        sending = self._send_with_retries(attempt, failure)
        if attempt.deadline is None:
            return await sending
        return await self._before_deadline(attempt.deadline, attempt, sending)

    async def _before_deadline(self, deadline: float, attempt: Attempt[Any], work: Coroutine[Any, Any, R]) -> R:
        try:
            async with asyncio.timeout(deadline - self._clock.monotonic()):
                return await work
        except CapledgerError:
            raise
        except TimeoutError:
            attempt.log(logging.INFO, "%s: the walk's deadline has passed")
        raise RequestTimeoutError("the walk's deadline has passed")

    async def _send_with_retries(self, attempt: Attempt[T], failure: Failure | None) -> T | Undecoded:
        """Make attempts until a response is usable; after a failure, prepare the retry first."""
        while True:
            if failure is not None:
                await self._prepare_retry(attempt, failure)
            outcome = await self._send_once(attempt)
            if not isinstance(outcome, Failure):
                return outcome
            failure = outcome

    async def _send_once(self, attempt: Attempt[T]) -> T | Undecoded | Failure:
        """Acquire a slot and send; where the token expired in the queue, renew it and acquire the next slot first."""
        urgent = not attempt.authenticated
        for _ in range(_MAX_EXPIRED_TOKENS + 1):
            if attempt.authenticated and self._authenticator.headers() is None:
                await self._renew(attempt)
            slot = await self.limiter.acquire(attempt.context, urgent=urgent)
            try:
                attempt.context.counters.waited += slot.waited
                if self._authenticate(attempt):
                    slot.used = True
                    attempt.context.counters.requests += 1
                    response = await self._http.send(attempt.request, attempt.auth_headers)
                    return self._receive(attempt, response, slot)
            finally:
                self.limiter.release(slot)
            urgent = True
        raise AuthenticationError("tokens expire sooner than a request can be sent with them")

    def _receive(self, attempt: Attempt[T], response: Response | CapledgerError, slot: Slot) -> T | Undecoded | Failure:
        outcome = self._outcome(attempt, response, slot)
        self._record(attempt, outcome, slot)
        if not isinstance(outcome, Failure):
            self._retry_budget.earn()
        return outcome

    def _outcome(self, attempt: Attempt[T], response: Response | CapledgerError, slot: Slot) -> T | Undecoded | Failure:
        if isinstance(response, CapledgerError):
            return Failure(response)
        self._log_response(attempt, response)
        if response.can_decode_later and not slot.probe:
            return Undecoded(response, slot)
        outcome = self._decode(attempt, response)
        return outcome  # noqa: RET504 - mypy infers the type only by way of the name

    def _decode(self, attempt: Attempt[T], response: Response) -> T | Failure:
        try:
            value = attempt.decode(attempt.request, response)
        except CapledgerError as error:
            return Failure(self._url_check.error(_without_traceback(error), response.status), response)
        self._url_check.passed = True
        return value

    def _record(self, attempt: Attempt[T], outcome: T | Undecoded | Failure, slot: Slot) -> None:
        """Report the outcome to the limiter, while the slot is held, so that nothing is sent before a pause."""
        if not isinstance(outcome, Failure):
            self.limiter.record_response(slot)
        elif outcome.is_rate_limited:
            self._pause(attempt, outcome, self.limiter.record_rate_limited(slot))
        else:
            attempt.record_failure(outcome)
            if outcome.response is not None:
                self.limiter.record_response(slot)

    def _pause(self, attempt: Attempt[Any], failure: Failure, in_a_row: int) -> None:
        now = self._clock.now(UTC)
        attempt.last_kind, attempt.repeats = failure.kind, in_a_row
        attempt.pause = rate_limit_pause(failure, in_a_row=in_a_row, policy=self._retry, now=now)
        self.limiter.pause(attempt.pause, refuse_waiting=in_a_row > 1 and in_a_row >= self._retry.attempts)
        if isinstance(failure.error, RateLimitedError) and failure.error.retry_after is None:
            failure.error.retry_after = attempt.pause

    async def _renew(self, attempt: Attempt[Any]) -> None:
        async def send(request: Request[T], decode: Callable[[Request[T], Response], T]) -> T:
            return await (await self._send(Attempt(request, attempt.context, decode, authenticated=False))).value()

        await self._authenticator.renew(send)

    def _authenticate(self, attempt: Attempt[Any]) -> bool:
        """Set the auth headers of the attempt to the current ones; return False where there are none."""
        if attempt.authenticated:
            headers = self._authenticator.headers()
            attempt.auth_headers = headers or {}
            return headers is not None
        return True

    async def _prepare_retry(self, attempt: Attempt[Any], failure: Failure) -> None:
        """Do what must precede the retry, or raise the failure's error; after HTTP 429 the limiter does the waiting."""
        if self._closing.is_set():
            raise closed_error()
        attempt.context.counters.last_failure = f"{type(failure.error).__name__}: {failure.error.message}"
        if self._can_reauthenticate(attempt, failure):
            attempt.log(logging.DEBUG, "%s: credentials refused, retrying with new ones", status=failure.status)
        else:
            wait = self._wait_before_retry(attempt, failure)
            self._log_failure(attempt, failure, wait)
            if wait is None:
                raise failure.error
            attempt.number += 1
            if not failure.is_rate_limited:
                await self._wait(attempt, wait)
        attempt.context.counters.retries += 1

    def _can_reauthenticate(self, attempt: Attempt[Any], failure: Failure) -> bool:
        """Return whether one retry with other credentials can help; if so, invalidate those that were refused."""
        if not isinstance(failure.error, AuthenticationError) or attempt.reauthenticated or not attempt.authenticated:
            return False
        attempt.reauthenticated = True
        return self._authenticator.invalidate(attempt.auth_headers)

    def _wait_before_retry(self, attempt: Attempt[Any], failure: Failure) -> float | None:
        """Return the seconds until the retry, None for no retry; spend one from the retry budget."""
        exhausted = is_exhausted(attempt.number, attempt.repeats, self._retry)
        wait = None if exhausted else self._unlimited_wait(attempt, failure)
        if wait is None or (attempt.deadline is not None and self._clock.monotonic() + wait >= attempt.deadline):
            return None
        return wait if failure.is_rate_limited or self._retry_budget.spend() else None

    def _unlimited_wait(self, attempt: Attempt[Any], failure: Failure) -> float | None:
        if failure.is_rate_limited:
            return attempt.pause if attempt.pause <= self._retry.max_retry_after else None
        now = self._clock.now(UTC)
        return wait_before_retry(failure, attempt=attempt.number, policy=self._retry, now=now, random=self._random)

    async def _wait(self, attempt: Attempt[Any], seconds: float) -> None:
        """Wait, unless the session is closed meanwhile."""
        attempt.context.counters.waited += seconds
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return
        raise closed_error()

    def _log_response(self, attempt: Attempt[Any], response: Response) -> None:
        if logger.isEnabledFor(logging.DEBUG):  # finding the request's id takes longer than all else here
            status, request_id = response.status, response.request_id
            attempt.log(logging.DEBUG, "%s: HTTP %d", status, status=status, request_id=request_id)

    def _log_failure(self, attempt: Attempt[Any], failure: Failure, wait: float | None) -> None:
        kind = type(failure.error).__name__
        next_step = "giving up" if wait is None else f"retrying in {wait:.2f} s"
        attempt.log(
            logging.INFO,
            f"%s: attempt %d failed (%s), {next_step}",
            attempt.number,
            kind,
            error=kind,
            reason=failure.error.message,
            wait=wait,
            status=failure.status,
            request_id=failure.response and failure.response.request_id,
        )


def _without_traceback(error: CapledgerError) -> CapledgerError:
    """Return the error without what led to it: frames and foreign errors may hold personal data."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
