"""The plan of a job: who is to be fetched, noted before the first request; and whether a job is the one of before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import define, field

from capledger.backfill.query_codec import Templates
from capledger.errors import ConfigurationError, InvalidQueryError
from capledger.queries import CustomerLedgerQuery, LedgerQuery

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from capledger.backfill.database import Store
    from capledger.many import Queries
    from capledger.session import LedgerSession

#: Queries noted in one go, before others get their turn.
_SLICE: Final = 1_000
_INSERT: Final = """
    INSERT OR IGNORE INTO customers (print, identifier_name, identifier_value, source, account_id, template)
    VALUES (?, ?, ?, ?, ?, ?)
"""


@define
class Identity:
    """What makes a job the same job; texts that may be shown, since no identifier is among them."""

    service: str
    #: The zone of the server's clock, which naive dates are in.
    zone: str
    format: str
    #: Queries as given, repeats included.
    customers: int = 0
    digest: str = ""
    #: What the queries ask for beside whom they are about, without repeats, dates apart.
    ranges: list[str] = field(factory=list)
    filters: list[str] = field(factory=list)

    def differences(self, now: Identity) -> list[str]:
        """Say what is different now, for people."""
        pairs = [
            ("service", self.service, now.service),
            ("time zone", self.zone, now.zone),
            ("format", self.format, now.format),
            ("range", " and ".join(self.ranges), " and ".join(now.ranges)),
            ("filters", " and ".join(self.filters), " and ".join(now.filters)),
            ("customers", f"{self.customers:,}", f"{now.customers:,}"),
        ]
        texts = [f"{name} {was} there and {given} here" for name, was, given in pairs if was != given]
        if not texts and self.digest != now.digest:
            texts.append("the customers are others, or in another order")
        return texts


class Reader:
    """Reads queries and sums up what they are.

    Args:
        service: its host.
        now: the moment, in the zone of the server's clock.
        format_: of the sink.
    """

    def __init__(self, service: str, now: datetime, format_: str) -> None:
        self.identity = Identity(service, str(now.tzinfo), format_)
        #: The end of ranges that have none.
        self.now = now
        self._templates = Templates()
        self._digest = blake2b(digest_size=16)
        self._parts: dict[str, tuple[str, str]] = {}

    def read(self, queries: Sequence[LedgerQuery]) -> list[tuple[bytes, str, LedgerQuery]]:
        """Give each with a hash to tell repeats by, and its template."""
        found = []
        for query in queries:
            if not isinstance(query, LedgerQuery):
                raise InvalidQueryError("queries may hold CustomerLedgerQuery and GroupLedgerQuery alone")
            template = self._templates.text(query)
            if template not in self._parts:
                self._parts[template] = _range_and_filters(template)
            who = (query.identifier_name, query.identifier_value, query.source, str(query.account_id or ""))
            print_ = blake2b("\0".join((*who, template)).encode(errors="surrogatepass"), digest_size=16).digest()
            self._digest.update(
                blake2b(
                    "\0".join((*who, self._parts[template][1])).encode(errors="surrogatepass"), digest_size=16
                ).digest()
            )
            found.append((print_, template, query))
        self.identity.customers += len(found)
        return found

    def finish(self) -> Identity:
        """Give the sum."""
        self.identity.digest = self._digest.hexdigest()
        self.identity.ranges = sorted({part for part, _ in self._parts.values()})
        self.identity.filters = sorted({part for _, part in self._parts.values()})
        return self.identity


def _range_and_filters(template: str) -> tuple[str, str]:
    keywords: dict[str, Any] = msgspec.json.decode(template)
    start, end = keywords.pop("start", None), keywords.pop("end", None)
    return f"{start or 'the beginning'} to {end or 'the start of the job'}", msgspec.json.encode(keywords).decode()


async def make_plan(store: Store, queries: Queries, reader: Reader) -> None:
    """Note every query once, all of them or none.

    Raises:
        InvalidQueryError: an item is no ledger query; and whatever the iterable itself raises.
    """
    with store.transaction() as connection:
        for table in ("customers", "templates"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608  (our own names)
        numbers: dict[str, int] = {}
        async for some in slices(queries):
            rows = []
            for print_, template, query in reader.read(some):
                number = numbers.setdefault(template, len(numbers) + 1)
                own = (query.identifier_name, query.identifier_value, query.source, query.account_id)
                rows.append((print_, *own, number))
            connection.executemany(_INSERT, rows)
        connection.executemany("INSERT INTO templates VALUES (?, ?)", [(n, text) for text, n in numbers.items()])
        identity = reader.finish()
        noted = {"identity": msgspec.json.encode(identity).decode(), "end": reader.now.isoformat()}
        connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", noted.items())


async def check_plan(store: Store, queries: Queries, reader: Reader) -> None:
    """See that the queries are those of the plan.

    Raises:
        InvalidQueryError: they are not; the text says what differs.
    """
    async for some in slices(queries):
        reader.read(some)
    differences = noted_identity(store).differences(reader.finish())
    if differences:
        raise InvalidQueryError(f"the directory is of another job: {'; '.join(differences)}. Choose another directory")


def noted_identity(store: Store) -> Identity:
    """Give what the plan was made from.

    Raises:
        ConfigurationError: another release made it, and wrote other things down.
    """
    [(text,)] = store.ask("SELECT value FROM meta WHERE key = 'identity'")
    try:
        return msgspec.json.decode(text, type=Identity)
    except msgspec.ValidationError:
        raise ConfigurationError("the directory's job was begun by another release: finish it with that one") from None


def is_planned(store: Store) -> bool:
    """Tell whether a plan was made to its end."""
    return bool(store.ask("SELECT 1 FROM meta WHERE key = 'identity'"))


async def slices(queries: Queries) -> AsyncIterator[list[LedgerQuery]]:
    """Draw queries, some at a time, and let others have their turn in between."""
    some: list[LedgerQuery] = []
    async for query in queries if isinstance(queries, AsyncIterable) else _later(queries):
        some.append(query)
        if len(some) == _SLICE:
            yield some
            some = []
    yield some


async def _later(queries: Any) -> AsyncIterator[LedgerQuery]:  # noqa: ANN401  (anything to iterate over)
    items: Iterator[LedgerQuery] = iter(queries)
    for number, query in enumerate(items, start=1):
        if number % _SLICE == 0:
            await asyncio.sleep(0)
        yield query


def reader_for(session: LedgerSession, format_: str) -> Reader:
    """Give a reader of queries for this service, now."""
    now = session.entries(CustomerLedgerQuery.mobile("0")).end  # the session's clock, in the server's zone
    return Reader(session.base_url.host or "", now, format_)
