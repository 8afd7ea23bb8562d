"""Sends requests within the rate limit, authenticated, with retries.

One attempt acquires a slot, authenticates, sends, reads the body and decodes it; a large body is decoded later, when
its value is wanted. Between attempts neither a connection nor a place in the rate limit is held.
"""

from __future__ import annotations

import asyncio
import logging
import random as random_module
import warnings
from contextlib import suppress
from datetime import UTC
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from capledger._transport.arguments import check_base_url, require_type
from capledger._transport.attempt import Attempt, PendingResponse, Undecoded
from capledger._transport.authentication import Refused
from capledger._transport.clock import SYSTEM_CLOCK, Clock
from capledger._transport.limiter import RequestLimiter, Slot, closed_error
from capledger._transport.rate_limit import RateLimit, RateLimiter, checked_rate_limiter, make_rate_limiter
from capledger._transport.retry import (
    Failure,
    RetryBudget,
    RetryPolicy,
    StaleConnectionError,
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
    from collections.abc import Callable, Coroutine

    from yarl import URL

    from capledger._sansio.context import RequestContext
    from capledger._sansio.decoder import Decoder
    from capledger._sansio.requests import PageT, Request
    from capledger._sansio.response import Response
    from capledger._transport.authentication import Auth
    from capledger._transport.http import HttpOptions

T = TypeVar("T")
R = TypeVar("R")

#: Tokens of one request that may expire between sending and the service.
_MAX_EXPIRED_TOKENS = 10


class Transport:
    """Fetches typed responses; belongs to the event loop of its first use.

    Args:
        base_url: URL of the service: https, or http to this machine.
        auth: credentials.
        decoder: decodes responses into pages.
        rate_limit: the organisation's limit; None to learn it from HTTP 429.
        rate_limiter: keeps a limit that is shared with others, instead of a limit for this session alone.
        retry: limits of retries and waits.
        max_connections: Maximum number of requests under way at once.
        allow_plain_http: accept plain http to another machine.
        clock: source of time.
        random: returns numbers from 0 to 1, for the jitter.
        http_options: keywords of :class:`HttpClient`.

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
        rate_limiter: RateLimiter | None = None,
        retry: RetryPolicy | None = None,
        max_connections: int = 8,
        allow_plain_http: bool = False,
        clock: Clock = SYSTEM_CLOCK,
        random: Callable[[], float] = random_module.random,
        **http_options: Unpack[HttpOptions],
    ) -> None:
        from capledger._transport.http import HttpClient  # noqa: PLC0415 - aiohttp takes longer to import than all else

        if retry is not None:
            require_type("retry", retry, RetryPolicy, "RetryPolicy(...) or None")
        if isinstance(auth, type) or not hasattr(auth, "authenticator"):
            raise ConfigurationError("auth must be BasicAuth(...) or OAuthClientCredentials(...)")
        if not (hasattr(clock, "now") and hasattr(clock, "monotonic")):
            raise ConfigurationError("clock must have the methods now and monotonic")
        self._retry = retry or RetryPolicy()
        self._retry_budget = RetryBudget(self._retry)
        self._decoder = decoder
        self._authenticator = auth.authenticator(clock)
        self._clock = clock
        self._random = random
        self._http = HttpClient(check_base_url(base_url, allow_plain_http=allow_plain_http), **http_options)
        self._max_connections = max_connections
        self._set_rate_limiter(make_rate_limiter(rate_limit, rate_limiter))
        self.is_limited = rate_limit is not None or rate_limiter is not None
        # A token's request could take the only place of a minute, for which the held slot then waits in turn.
        self._frees_slot_for_token = rate_limiter is not None or (rate_limit or RateLimit(2)).requests_per_minute == 1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closing = asyncio.Event()
        self._url_check = UrlCheck()

    def _set_rate_limiter(self, rate_limiter: RateLimiter) -> None:
        self._rate_limiter = rate_limiter
        self.limiter = RequestLimiter(
            rate_limiter,
            max_connections=self._max_connections,
            max_pause=self._retry.max_retry_after,
            clock=self._clock,
        )

    def use_rate_limiter(self, rate_limiter: RateLimiter) -> None:
        """Keep a limit that is shared with others, from the first request on.

        Raises:
            ConfigurationError: the session was opened already, or has a limit of its own.
        """
        if self._loop is not None or self.is_limited:
            reason = "it was opened already" if self._loop is not None else "it has a limit of its own"
            raise ConfigurationError(f"the session cannot use another rate limiter: {reason}")
        self._set_rate_limiter(checked_rate_limiter(rate_limiter))
        self.is_limited = self._frees_slot_for_token = True

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
            self._rate_limiter.open(self.limiter.pump, clock=self._clock, timeout=self._http.timeout)
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
        await self._rate_limiter.close()

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
        if context.deadline is None and self._retry.deadline is not None:  # the time of a walk starts here
            context.deadline = self._clock.monotonic() + self._retry.deadline
        attempt = Attempt(request, context, self._decoder.decode)
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

    def _send_in_time(self, attempt: Attempt[T], failure: Failure | None = None) -> Coroutine[Any, Any, T | Undecoded]:
        sending = self._send_with_retries(attempt, failure)
        if attempt.deadline is None:
            return sending
        return self._before_deadline(attempt.deadline, attempt, sending)

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
        """Acquire a slot, authenticate and send; a request that met a dead idle connection is sent again at once."""
        counters, urgent, since = attempt.context.counters, False, self._authenticator.renewals
        while True:
            slot = await self.limiter.acquire(attempt.context, urgent=urgent, beside=attempt.beside)
            try:
                counters.waited += slot.waited
                is_ready, now = await self._authenticate(attempt, slot, since), self._clock.monotonic()
                if is_ready and now - slot.acquired_at <= self._rate_limiter.max_hold:
                    slot.used, attempt.sent_at = True, now
                    counters.requests += 1
                    response = await self._http.send(attempt.request, attempt.auth_headers)
                    if not isinstance(response, StaleConnectionError):
                        return self._receive(attempt, response, slot)
                    counters.retries += 1
            finally:
                self.limiter.release(slot)
            urgent = True

    def _receive(self, attempt: Attempt[T], response: Response | CapledgerError, slot: Slot) -> T | Undecoded | Failure:
        outcome = self._outcome(attempt, response, slot)
        self._record(attempt, outcome, slot)
        if not isinstance(outcome, Failure):
            self._retry_budget.earn()
        return outcome

    def _outcome(self, attempt: Attempt[T], response: Response | CapledgerError, slot: Slot) -> T | Undecoded | Failure:
        if isinstance(response, CapledgerError):
            return Failure(response)
        attempt.log_response(response)
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

    async def _authenticate(self, attempt: Attempt[Any], slot: Slot, since: int) -> bool:
        """Set the auth headers of the attempt; return False where the slot was given up for a new token.

        The token is taken when the slot is there, so that none expires in the queue. A new one is requested beside the
        slot, which keeps its place meanwhile.
        """
        if not attempt.authenticated:
            return True
        if self._authenticator.headers() is None:
            if self._frees_slot_for_token:
                self.limiter.release(slot)
            await self._renew(attempt, slot, since)
        elif self._authenticator.renewal_is_due:
            with suppress(CapledgerError):
                await self._renew(attempt, slot, since, retried=False)
        headers = self._authenticator.headers()
        attempt.auth_headers = headers or {}
        return slot.held and headers is not None

    async def _renew(self, attempt: Attempt[Any], slot: Slot, since: int, *, retried: bool = True) -> None:
        beside = slot if slot.held else None

        async def send(request: Request[T], decode: Callable[[Request[T], Response], T]) -> tuple[T, float]:
            renewal = Attempt(request, attempt.context, decode, authenticated=False, beside=beside, retried=retried)
            outcome = await self._send_in_time(renewal)
            return await PendingResponse(outcome, renewal, self._decode_late).value(), renewal.sent_at

        await self._authenticator.renew(send, since)

    async def _prepare_retry(self, attempt: Attempt[Any], failure: Failure) -> None:
        """Do what must precede the retry, or raise the failure's error; after HTTP 429 the limiter does the waiting."""
        if self._closing.is_set():
            raise closed_error()
        attempt.context.counters.last_failure = f"{type(failure.error).__name__}: {failure.error.message}"
        if self._can_reauthenticate(attempt, failure):
            attempt.log(logging.DEBUG, "%s: credentials refused, retrying with new ones", status=failure.status)
        else:
            wait = self._wait_before_retry(attempt, failure)
            attempt.log_failure(failure, wait)
            if wait is None:
                raise failure.error
            attempt.number += 1
            if not failure.is_rate_limited:
                await self._wait(attempt, wait)
        attempt.context.counters.retries += 1

    def _can_reauthenticate(self, attempt: Attempt[Any], failure: Failure) -> bool:
        """Return whether a retry with other credentials can help; if so, invalidate those that were refused."""
        if not isinstance(failure.error, AuthenticationError) or not attempt.authenticated:
            return False
        refused = self._authenticator.invalidate(attempt.auth_headers)
        if refused is Refused.EXPIRED:
            attempt.expired_tokens += 1
            return attempt.expired_tokens <= _MAX_EXPIRED_TOKENS
        if attempt.reauthenticated:
            return False
        attempt.reauthenticated = True
        return refused is Refused.RENEWABLE

    def _wait_before_retry(self, attempt: Attempt[Any], failure: Failure) -> float | None:
        """Return the seconds until the retry, None for no retry; spend one from the retry budget."""
        exhausted = not attempt.retried or is_exhausted(attempt.number, attempt.repeats, self._retry)
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


def _without_traceback(error: CapledgerError) -> CapledgerError:
    """Return the error without what led to it: frames and foreign errors may hold personal data."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
