"""Queries from any iterable, drawn one at a time; with repeats left out, if wanted."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sized
from enum import Enum
from hashlib import blake2b
from typing import Final

from capledger.errors import InvalidQueryError
from capledger.queries import LedgerQuery

#: Bytes by which queries are told apart: none of a billion is taken for another.
_PRINT_BYTES: Final = 16


class Nothing(Enum):
    """What was drawn where there was no query, or one that is left out."""

    NOTHING = "nothing"


NOTHING: Final = Nothing.NOTHING

Queries = Iterable[LedgerQuery] | AsyncIterable[LedgerQuery]


class Source:
    """The queries still to be drawn. What the caller's iterable raises goes through.

    Args:
        queries: drawn with ``async for`` where it can be, else with ``for``.
        on_repeat: called for a query that asks for the same as an earlier one, and is left out; None: none is left out.

    Raises:
        InvalidQueryError: it is not iterable, or is a text.
    """

    def __init__(self, queries: Queries, *, on_repeat: Callable[[], None] | None) -> None:
        #: How many there are, repeats included, if the iterable says so.
        self.total = len(queries) if isinstance(queries, Sized) else None
        self.exhausted = False
        self._on_repeat = on_repeat
        self._prints: set[bytes] = set()
        self._now: Iterator[LedgerQuery] = iter(())
        self._later: AsyncIterator[LedgerQuery] | None = None
        if not _is_iterable(queries):
            raise InvalidQueryError("queries has to be an iterable or an async iterable of ledger queries")
        if isinstance(queries, AsyncIterable):
            self._later = aiter(queries)
        else:
            self._now = iter(queries)

    @property
    def waits(self) -> bool:
        """Whether a query has to be awaited: by :meth:`draw_later` rather than :meth:`draw_now`."""
        return self._later is not None

    def draw_now(self) -> LedgerQuery | Nothing:
        """Draw a query; NOTHING for a repeat, and at the end."""
        for query in self._now:
            return NOTHING if self._is_repeat(query) else query
        self.exhausted = True
        return NOTHING

    async def draw_later(self) -> LedgerQuery | Nothing:
        """Draw a query; NOTHING for a repeat, and at the end."""
        query = NOTHING if self._later is None else await anext(self._later, NOTHING)
        if isinstance(query, Nothing):
            self.exhausted = True
            return NOTHING
        return NOTHING if self._is_repeat(query) else query

    def close(self) -> None:
        """Let go of the caller's iterable; it is not ours to close."""
        self.exhausted = True
        self._now, self._later = iter(()), None
        self._prints.clear()

    def _is_repeat(self, query: LedgerQuery) -> bool:
        if self._on_repeat is None or not isinstance(query, LedgerQuery):
            return False
        fingerprint = blake2b(repr(query.fingerprint_fields()).encode(), digest_size=_PRINT_BYTES).digest()
        if fingerprint not in self._prints:
            self._prints.add(fingerprint)
            return False
        self._on_repeat()
        return True


def _is_iterable(queries: object) -> bool:
    return isinstance(queries, AsyncIterable | Iterable) and not isinstance(queries, str | bytes)
