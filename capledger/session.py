"""The session: one service, one set of credentials, one rate limit, for the life of an application or a job."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta, tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, overload

from capledger._sansio.decoder import Decoder
from capledger._transport.arguments import as_zone, check_at_least_one, check_base_url, check_on_incomplete
from capledger._transport.client import Transport
from capledger._transport.clock import SYSTEM_CLOCK, Clock
from capledger.balances import BalanceWalk
from capledger.cursor import Cursor
from capledger.errors import ConfigurationError, InvalidQueryError
from capledger.events import EventEnricher, EventWalk
from capledger.many import LedgerOpener, ManyWalks, fetch_many, stream_many
from capledger.queries import BalanceQuery, EventDetailsQuery, GroupLedgerQuery, LedgerQuery
from capledger.queries.events import EventFlags, as_flags
from capledger.server_profile import ServerProfile
from capledger.timezones import known_zone
from capledger.walk import LedgerWalk
from capledger.windows import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from ssl import SSLContext
    from types import TracebackType
    from typing import Self, Unpack

    import aiohttp
    from yarl import URL

    from capledger._sansio.context import RequestContext
    from capledger._sansio.requests import PageT, Request
    from capledger._transport.attempt import PendingResponse
    from capledger._transport.authentication import Auth
    from capledger._transport.rate_limit import RateLimit, RateLimiter
    from capledger._transport.retry import RetryPolicy
    from capledger.blocking import BlockingSession
    from capledger.many import (
        AnyQueries,
        BalanceOutcome,
        BalanceQueries,
        FetchOptions,
        LedgerOutcome,
        OnOutcome,
        Queries,
    )
    from capledger.models import LedgerPage
    from capledger.walk.ledger import Begun

P = ParamSpec("P")
_DEFAULT_PREFETCH = 4
_ZONE_HINT = "pass LedgerSession(timezone=...), the zone of the server's clock"


class LedgerSession:
    """Reads ledgers and event details from one service; use it as ``async with``, one for an application's life.

    Args:
        base_url: URL of the cluster, e.g. ``https://eu.api.capillarytech.com``; plain http to this machine only.
        auth: :class:`~capledger.BasicAuth` or :class:`~capledger.OAuthClientCredentials`.
        timezone: zone of the server's naive dates. None where it is documented (India, Europe).
        rate_limit: the organisation's limit, shared by everything in the session. None: learned from HTTP 429.
        rate_limiter: instead of it, for a limit that several share: :class:`~capledger.LeasedRateLimiter`.
        retry: limits of retries and waits, and the deadline of a walk.
        max_connections: Maximum number of requests under way at once, whatever sends them;
            ``fetch_many(max_in_flight=64)`` over 8 connections has 8 requests under way.
        timeout: Maximum time for one attempt, body included, in seconds or as a timedelta.
        http: a caller's aiohttp session, borrowed and never closed.
        trace_configs: aiohttp's, for a session of our own; they receive complete URLs, which contain identifiers.
        headers: sent with every request; a ``User-Agent`` is appended to that of capledger.
        proxy: URL of an HTTP proxy, with its credentials if any, for a session of our own. None: that of
            ``HTTPS_PROXY`` or ``ALL_PROXY``, unless ``NO_PROXY`` has the host.
        ssl: TLS context for a session of our own. None: with the certificates that ``SSL_CERT_FILE``,
            ``SSL_CERT_DIR`` or ``REQUESTS_CA_BUNDLE`` names, or the default ones.
        allow_plain_http: accept plain http to another machine.
        clock: source of time.

    Raises:
        ConfigurationError: an argument cannot work.
    """

    def __init__(
        self,
        base_url: str,
        auth: Auth,
        *,
        timezone: tzinfo | None = None,
        rate_limit: RateLimit | None = None,
        rate_limiter: RateLimiter | None = None,
        retry: RetryPolicy | None = None,
        max_connections: int = 8,
        timeout: float | timedelta = 30.0,
        http: aiohttp.ClientSession | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        headers: Mapping[str, str] | None = None,
        proxy: str | URL | None = None,
        ssl: SSLContext | None = None,
        allow_plain_http: bool = False,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._base_url = check_base_url(base_url, allow_plain_http=allow_plain_http)
        self._zone = as_zone(timezone) or known_zone(self._base_url)
        self._clock = clock
        self._transport = Transport(
            self._base_url,
            auth,
            Decoder(self._zone),
            rate_limit=rate_limit,
            rate_limiter=rate_limiter,
            retry=retry,
            max_connections=max_connections,
            timeout=timeout,
            http=http,
            trace_configs=trace_configs,
            headers=headers,
            proxy=proxy,
            ssl=ssl,
            allow_plain_http=allow_plain_http,
            clock=clock,
        )
        self._profiles: defaultdict[tuple[type, bool], ServerProfile] = defaultdict(ServerProfile)

    @classmethod
    def sync(cls: Callable[P, LedgerSession], *args: P.args, **kwargs: P.kwargs) -> BlockingSession:
        """Return the session without ``async``: ``with LedgerSession.sync(...) as session``; arguments are the same."""
        from capledger.blocking import BlockingSession  # noqa: PLC0415 - few programs use it

        return BlockingSession(cls(*args, **kwargs))

    def use_rate_limiter(self, rate_limiter: RateLimiter) -> None:
        """Share a limit; a ConfigurationError once the session is open, or where it has a limit of its own."""
        self._transport.use_rate_limiter(rate_limiter)

    @property
    def base_url(self) -> URL:
        """URL of the service."""
        return self._base_url

    async def __aenter__(self) -> Self:
        await self._transport.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End requests under way and close the connections; may be called again. A borrowed session stays open."""
        await self._transport.close()

    def entries(
        self,
        query: LedgerQuery,
        *,
        prefetch: int = 4,
        resume_from: str | None = None,
        on_incomplete: Literal["raise", "warn"] = "raise",
        details: bool | EventFlags = False,
    ) -> LedgerWalk:
        """Return a walk over a ledger: ``async for entry in session.entries(query)``.

        Nothing is sent before the first entry is awaited.

        Args:
            query: whose ledger, which part of it, and in which order.
            prefetch: Maximum number of pages under way or waiting ahead of the one being read. More than the default of
                4, in a session without ``rate_limit``, means that time matters more than requests: half as many pages
                are then requested at once, before their number is known.
            resume_from: cursor of an earlier walk of the same query; the walk continues after that entry.
            on_incomplete: "warn" continues where rows and totals do not add up, and leaves ``report.complete`` False.
            details: fill in ``entry.event``, with one request for ten entries; an :class:`~capledger.EventFlags`
                selects more of it. It stays None where the service has no details.

        Raises:
            InvalidQueryError: the query or the cursor cannot be used.
            ConfigurationError: the server's time zone is not known.
        """
        check_query(query, LedgerQuery)
        prefetch = check_at_least_one("prefetch", prefetch)
        check_on_incomplete(on_incomplete)
        return self._open_walk(
            query, prefetch=prefetch, on_incomplete=on_incomplete, flags=as_flags(details), resume_from=resume_from
        )

    def _open_walk(
        self,
        query: LedgerQuery,
        begun: Begun | None = None,
        *,
        prefetch: int,
        on_incomplete: Literal["raise", "warn"],
        flags: EventFlags | None,
        resume_from: str | None = None,
    ) -> LedgerWalk:
        """Return a walk as :meth:`entries` does, with arguments that were checked."""
        zone = self._zone_for(query)
        resume = None if resume_from is None else Cursor.decode(resume_from, query)
        if begun is None and not (query.start is None and query.end is None):  # whose order may show only in one zone
            Span.resolve(query.start, query.end, zone=zone, now=self._clock.now(zone))
        profile = self._profile_of(query)
        enricher = EventEnricher(query, flags, send=self._send, profile=profile, prefetch=prefetch) if flags else None
        return LedgerWalk(
            query,
            zone=zone,
            now=self._clock.now,
            send=enricher.send if enricher else self._send,
            profile=profile,
            prefetch=prefetch,
            resume=resume,
            allow_incomplete=on_incomplete == "warn",
            unseen=self._unseen_pages(query, prefetch),
            attach=enricher.attach if enricher else None,
            begun=begun,
        )

    @overload
    def fetch_many(self, queries: Queries, **options: Unpack[FetchOptions]) -> ManyWalks[LedgerOutcome]: ...

    @overload
    def fetch_many(self, queries: BalanceQueries, **options: Unpack[FetchOptions]) -> ManyWalks[BalanceOutcome]: ...

    @overload
    def fetch_many(
        self, queries: AnyQueries, **options: Unpack[FetchOptions]
    ) -> ManyWalks[LedgerOutcome | BalanceOutcome]: ...

    def fetch_many(
        self,
        queries: AnyQueries,
        *,
        max_in_flight: int = 32,
        ordered: bool = False,
        fail_fast: bool = False,
        deduplicate: bool = False,
        prefetch: int = 4,
        on_incomplete: Literal["raise", "warn"] = "raise",
        details: bool | EventFlags = False,
    ) -> ManyWalks[Any]:
        """Read many ledgers: ``async for outcome in session.fetch_many(queries)``, each as it finishes.

        A :class:`~capledger.BalanceQuery` among the queries has a :class:`~capledger.BalanceOutcome`.

        A failed ledger is an outcome with ``error`` set, and so is an item that is not a ledger query. An error that
        concerns all of them (AuthenticationError, ConfigurationError) is raised after the outcomes that had finished,
        and ends the rest; so does an error that ``queries`` itself raises.

        Args:
            queries: any iterable or async iterable, consumed only as outcomes are. A plain one is iterated in the event
                loop, so it should not be slow.
            max_in_flight: Maximum number of ledgers started and not yielded yet; memory grows with it. Only as many
                requests are under way as the session has connections: for 64 at once,
                ``LedgerSession(max_connections=64)``.
            ordered: yield outcomes in the order of the queries. A slow one holds up those behind it.
            fail_fast: raise the first error of a ledger and end the rest.
            deduplicate: send one of several queries for the same entries in the same order. The first has the outcome,
                others are counted in ``progress.duplicates``. Costs about 100 bytes a query, for its hash.
            prefetch: for each ledger, as for :meth:`entries`.
            on_incomplete: for each ledger, as for :meth:`entries`.
            details: for each ledger, as for :meth:`entries`.

        Raises:
            InvalidQueryError: an argument cannot be used.
            ConfigurationError: the server's time zone is not known.
        """
        return fetch_many(
            queries,
            opener=self._opener(prefetch, on_incomplete, as_flags(details)),
            open_balances=self.balances,
            clock=self._clock,
            max_in_flight=check_at_least_one("max_in_flight", max_in_flight),
            ordered=ordered,
            fail_fast=fail_fast,
            deduplicate=deduplicate,
        )

    def stream_many(
        self,
        queries: Queries,
        *,
        max_in_flight: int = 32,
        deduplicate: bool = False,
        on_outcome: OnOutcome | None = None,
        prefetch: int = 4,
        on_incomplete: Literal["raise", "warn"] = "raise",
        details: bool | EventFlags = False,
    ) -> ManyWalks[tuple[LedgerQuery, LedgerPage]]:
        """Read many ledgers page by page: ``async for query, page in session.stream_many(queries)``.

        For ledgers too large to be held in memory. Pages of one ledger come in order, those of different ledgers as
        they arrive. At most ``max_in_flight`` times ``prefetch`` pages are held, and one more each. A ledger without
        entries has no page.

        Args:
            queries: as for :meth:`fetch_many`.
            max_in_flight: Maximum number of ledgers being read; see :meth:`fetch_many` about connections.
            deduplicate: as for :meth:`fetch_many`.
            on_outcome: called, and awaited if it is a coroutine function, with the outcome of each ledger, which has no
                entries, once the consumer has returned from its last page. None: the first error of a ledger is raised
                and ends the rest.
            prefetch: for each ledger, as for :meth:`entries`.
            on_incomplete: for each ledger, as for :meth:`entries`.
            details: for each ledger, as for :meth:`entries`.

        Raises:
            InvalidQueryError: an argument cannot be used.
            ConfigurationError: the server's time zone is not known.
        """
        if on_outcome is not None and not callable(on_outcome):
            raise InvalidQueryError("on_outcome must be a function, a coroutine function or None")
        return stream_many(
            queries,
            opener=self._opener(prefetch, on_incomplete, as_flags(details)),
            clock=self._clock,
            max_in_flight=check_at_least_one("max_in_flight", max_in_flight),
            deduplicate=deduplicate,
            on_outcome=on_outcome,
        )

    def _opener(self, prefetch: int, on_incomplete: Literal["raise", "warn"], flags: EventFlags | None) -> LedgerOpener:
        """Return what opens ledgers, after the checks that concern every query."""
        prefetch = check_at_least_one("prefetch", prefetch)
        check_on_incomplete(on_incomplete)
        if self._zone is None:
            raise ConfigurationError(f"the time zone of this host's dates is not documented: {_ZONE_HINT}")
        return LedgerOpener(
            zone=self._zone,
            now=self._clock.now,
            send=self._send,
            profile_of=self._profile_of,
            open_walk=partial(self._open_walk, prefetch=prefetch, on_incomplete=on_incomplete, flags=flags),
            alone=not flags and (self._transport.is_limited or prefetch <= _DEFAULT_PREFETCH),
        )

    def events(self, query: EventDetailsQuery, *, prefetch: int = 4) -> EventWalk:
        """Return a walk over the details of events: ``async for event in session.events(query)``.

        Args:
            query: whose events, which of them (any number), and which parts of their details.
            prefetch: Maximum number of groups of ten under way or waiting ahead of the one being read.

        Raises:
            InvalidQueryError: an argument cannot be used.
        """
        check_query(query, EventDetailsQuery)
        prefetch = check_at_least_one("prefetch", prefetch)
        return EventWalk(query, fetch=self._transport.fetch, prefetch=prefetch)

    def balances(self, query: BalanceQuery) -> BalanceWalk:
        """Return a walk over the balances of a customer: ``async for balance in session.balances(query)``.

        Args:
            query: whose balances, and of which moment.

        Raises:
            InvalidQueryError: the query cannot be used, or has a time zone where the server's is not known.
        """
        check_query(query, BalanceQuery)
        at = query.at
        if at is not None and at.tzinfo is not None:
            if self._zone is None:
                raise InvalidQueryError(f"at has a time zone and the server's is not known: {_ZONE_HINT}")
            at = at.astimezone(self._zone).replace(tzinfo=None)
        return BalanceWalk(query, at=at, send=self._send, profile=self._profile_of(query))

    def _unseen_pages(self, query: LedgerQuery, prefetch: int) -> int:
        """Return how many pages to request along with the first, where the number of requests does not matter."""
        if self._transport.is_limited or prefetch <= _DEFAULT_PREFETCH or isinstance(query, GroupLedgerQuery):
            return 0
        return prefetch // 2 - 1

    def _zone_for(self, query: LedgerQuery) -> tzinfo:
        if self._zone is not None:
            return self._zone
        if any(isinstance(moment, datetime) and moment.tzinfo is not None for moment in (query.start, query.end)):
            raise InvalidQueryError(f"start and end have a time zone and the server's is not known: {_ZONE_HINT}")
        raise ConfigurationError(f"the time zone of this host's dates is not documented: {_ZONE_HINT}")

    def _profile_of(self, query: LedgerQuery | BalanceQuery) -> ServerProfile:
        """Return what is known of the endpoint; groups and other versions of the API may behave differently."""
        return self._profiles[type(query), query.scope is None]

    def _send(self, request: Request[PageT], context: RequestContext) -> Coroutine[Any, Any, PendingResponse[PageT]]:
        return self._transport.send(request, context)


def check_query(query: object, expected: Any) -> None:  # noqa: ANN401 - a class or a union of classes
    """Refuse anything but a query of the right type."""
    if not isinstance(query, expected):
        names = {BalanceQuery: "a BalanceQuery", EventDetailsQuery: "an EventDetailsQuery"}
        name = names.get(expected, "a CustomerLedgerQuery or a GroupLedgerQuery")
        raise InvalidQueryError(f"query must be {name}, not {type(query).__name__}")
