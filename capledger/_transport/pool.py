"""The aiohttp session of a client, renewed when its idle connections prove dead."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence

import aiohttp
from attrs import define, field

from capledger._transport.tracing import redact_added


@define(eq=False)
class PooledSession:
    """One aiohttp session, and how many of its connections are idle."""

    session: aiohttp.ClientSession
    idle: int = 0
    """Number of connections that served a request and were not used since, those that aiohttp closed included."""
    in_use: int = 0

    def checkout(self) -> bool:
        """Record that a request is sent; return whether its connection may have served another before."""
        self.in_use += 1
        reused = self.idle > 0
        self.idle -= reused
        return reused

    def release(self, *, alive: bool) -> None:
        """Record that a request is over, and whether its connection is alive."""
        self.in_use -= 1
        self.idle += alive


@define(eq=False)
class ConnectionPool:
    """PooledSession of a session of our own, or of one that the caller lends.

    A load balancer or a NAT forgets idle connections, and resets each at its next use. So at the first such reset all
    idle connections are dropped, by way of a new aiohttp session; the old one is closed when its last request is over.
    """

    borrowed: aiohttp.ClientSession | None
    trace_configs: Sequence[aiohttp.TraceConfig]
    certificates: ssl.SSLContext | None
    headers: Mapping[str, str]
    """Sent with every request of a session of our own."""
    _current: PooledSession | None = field(default=None, init=False)
    _retired: list[PooledSession] = field(factory=list, init=False)

    @property
    def current(self) -> PooledSession | None:
        """Session for the next request, None while the pool is closed."""
        return self._current

    @property
    def has_retired(self) -> bool:
        """Whether a retired session is not closed yet."""
        return bool(self._retired)

    @property
    def is_leaking(self) -> bool:
        """Whether a session of our own was not closed."""
        return self.borrowed is None and self._current is not None

    def open(self) -> None:
        """Create a session unless one was lent; must be called in the event loop that uses it."""
        if self._current is None:
            self._current = PooledSession(self.borrowed or self._new_session())

    def _new_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, ssl=True if self.certificates is None else self.certificates)
        session = aiohttp.ClientSession(
            connector=connector,
            headers=self.headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=list(self.trace_configs),
        )
        redact_added(session, self.trace_configs)
        return session

    async def renew(self, stale: PooledSession) -> None:
        """Drop idle connections, one of which proved dead; those of a lent session are its owner's."""
        if self._current is stale and self.borrowed is None:
            self._retired.append(stale)
            self._current = PooledSession(self._new_session())
            await self.close_retired()

    async def close_retired(self) -> None:
        """Close the retired sessions whose last request is over."""
        unused = [retired for retired in self._retired if not retired.in_use]
        self._retired = [retired for retired in self._retired if retired.in_use]
        for retired in unused:
            await retired.session.close()

    async def close(self) -> None:
        """Close the sessions of our own."""
        sessions = self._take_all()
        for session in sessions if self.borrowed is None else ():
            await session.close()

    def abandon(self) -> None:
        """Detach sessions that nobody closed; their connections are closed when they are collected."""
        for session in self._take_all():
            session.detach()

    def _take_all(self) -> list[aiohttp.ClientSession]:
        sessions = [used.session for used in (*self._retired, *([self._current] if self._current else []))]
        self._current = None
        self._retired.clear()
        return sessions
