"""Queries from any iterable, drawn one at a time; duplicates are left out where that is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sized
from hashlib import blake2b
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from capledger.errors import InvalidQueryError
from capledger.queries import BalanceQuery, LedgerQuery

if TYPE_CHECKING:
    from typing import Self

#: Bytes of a fingerprint: among a billion queries no two different ones are taken for equal.
_FINGERPRINT_BYTES: Final = 16
#: Queries drawn from a plain iterable before other tasks get to run.
_DRAWN_AT_ONCE: Final = 1_000

Query = LedgerQuery | BalanceQuery
Queries = Iterable[LedgerQuery] | AsyncIterable[LedgerQuery]
BalanceQueries = Iterable[BalanceQuery] | AsyncIterable[BalanceQuery]
QueryT = TypeVar("QueryT", bound=Query)
AnyQueries = Iterable[Query] | AsyncIterable[Query]


class QuerySource(Generic[QueryT]):
    """An async iterator over the queries of any iterable. Errors of that iterable are raised as they are.

    Args:
        queries: drawn with ``async for`` where that is possible, else with ``for``.
        on_duplicate: called for each query that equals an earlier one, which is then left out; None leaves out nothing.

    Raises:
        InvalidQueryError: ``queries`` is not iterable, or is a string.
    """

    def __init__(
        self, queries: Iterable[QueryT] | AsyncIterable[QueryT], *, on_duplicate: Callable[[], None] | None = None
    ) -> None:
        if not _is_iterable(queries):
            raise InvalidQueryError("queries must be an iterable or an async iterable of ledger queries")
        self.total: int | None = len(queries) if isinstance(queries, Sized) else None
        """Number of queries, duplicates included; None where the iterable has no ``len()``."""
        self._on_duplicate = on_duplicate
        self._fingerprints: set[bytes] = set()
        self._drawn = 0
        self._async: AsyncIterator[QueryT] | None = None
        self._sync: Iterator[QueryT] = iter(())
        if isinstance(queries, AsyncIterable):
            self._async = aiter(queries)
        else:
            self._sync = iter(queries)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> QueryT:
        while self._async is not None:
            query = await anext(self._async)
            if not self._is_duplicate(query):
                return query
        for query in self._sync:
            self._drawn += 1
            if self._drawn % _DRAWN_AT_ONCE == 0:
                await asyncio.sleep(0)
            if not self._is_duplicate(query):
                return query
        raise StopAsyncIteration

    def _is_duplicate(self, query: QueryT) -> bool:
        if self._on_duplicate is None or not isinstance(query, Query):
            return False
        fingerprint = blake2b(repr(query.fingerprint_fields()).encode(), digest_size=_FINGERPRINT_BYTES).digest()
        if fingerprint in self._fingerprints:
            self._on_duplicate()
            return True
        self._fingerprints.add(fingerprint)
        return False


def _is_iterable(queries: object) -> bool:
    return isinstance(queries, AsyncIterable | Iterable) and not isinstance(queries, str | bytes)
