"""The plan of a job: the customers to be fetched, recorded before the first request; and the identity of the job."""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import define, field, frozen

from capledger.backfill.query_codec import TemplateEncoder
from capledger.errors import ConfigurationError, InvalidQueryError
from capledger.many.queries import QuerySource
from capledger.queries import CustomerLedgerQuery, LedgerQuery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from capledger.backfill.database import Database
    from capledger.many import Queries
    from capledger.session import LedgerSession

#: Queries recorded at once.
_BATCH: Final = 1_000
_INSERT: Final = """
    INSERT OR IGNORE INTO customers (fingerprint, identifier_name, identifier_value, source, account_id, template)
    VALUES (?, ?, ?, ?, ?, ?)
"""


@define
class JobIdentity:
    """What makes a job the same job; no identifier of a customer is in it, so all of it may be shown."""

    service: str
    zone: str
    """Time zone of the server's clock, which naive dates are in."""
    format: str
    customers: int = 0
    """Number of queries, duplicates included."""
    digest: str = ""
    ranges: list[str] = field(factory=list)
    """The date ranges of the queries, each once."""
    filters: list[str] = field(factory=list)
    """The other parameters of the queries, each combination once."""

    def differences(self, other: JobIdentity) -> list[str]:
        """Return what differs in another identity, for people."""
        pairs = [
            ("service", self.service, other.service),
            ("time zone", self.zone, other.zone),
            ("format", self.format, other.format),
            ("range", " and ".join(self.ranges), " and ".join(other.ranges)),
            ("filters", " and ".join(self.filters), " and ".join(other.filters)),
            ("customers", f"{self.customers:,}", f"{other.customers:,}"),
        ]
        found = [f"{name} {there} there and {here} here" for name, there, here in pairs if there != here]
        if not found and self.digest != other.digest:
            found.append("the customers are others, or in another order")
        return found


@frozen(kw_only=True)
class PlanSummary:
    """What a run is going to do, known before its first request."""

    queries: int
    """Number of queries in the list, duplicates included."""
    duplicates: int
    """Number of queries left out because they equal an earlier one in the list."""
    customers: int
    """Number of customers of the job, each once."""
    added: int
    """Number of customers in the list that the job did not contain; all of them when the job starts."""
    missing: int
    """Number of customers of the job that are not in the list any more; they stay as they are."""
    to_fetch: int
    """Number of customers that this run is going to fetch."""
    started: datetime
    """When the job was started, in the server's zone; the end of ranges without one."""
    continued: bool
    """Whether the job was started by an earlier run."""


class PlanReader:
    """Reads queries and sums up their identity.

    Args:
        service: host of the service.
        now: the current time, in the zone of the server's clock.
        format_: of the sink.
    """

    def __init__(self, service: str, now: datetime, format_: str) -> None:
        self.identity = JobIdentity(service, str(now.tzinfo), format_)
        self.now = now
        self._templates = TemplateEncoder()
        self._digest = blake2b(digest_size=16)
        self._parts: dict[str, tuple[str, str]] = {}

    def read(self, queries: Sequence[LedgerQuery]) -> list[tuple[bytes, str, LedgerQuery]]:
        """Return each query with its fingerprint and its template."""
        found = [self._read_one(query) for query in queries]
        self.identity.customers += len(found)
        return found

    def _read_one(self, query: LedgerQuery) -> tuple[bytes, str, LedgerQuery]:
        if not isinstance(query, LedgerQuery):
            raise InvalidQueryError("queries may contain CustomerLedgerQuery and GroupLedgerQuery only")
        template = self._templates.encode(query)
        if template not in self._parts:
            self._parts[template] = _range_and_filters(template)
        own = (query.identifier_name, query.identifier_value, query.source, str(query.account_id or ""))
        self._digest.update(_hash(*own, self._parts[template][1]))
        return _hash(*own, template), template, query

    def finish(self) -> JobIdentity:
        """Complete the identity and return it."""
        self.identity.digest = self._digest.hexdigest()
        self.identity.ranges = sorted({part for part, _ in self._parts.values()})
        self.identity.filters = sorted({part for _, part in self._parts.values()})
        return self.identity


def _hash(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode(errors="surrogatepass"), digest_size=16).digest()


def _range_and_filters(template: str) -> tuple[str, str]:
    keywords: dict[str, Any] = msgspec.json.decode(template)
    start, end = keywords.pop("start", None), keywords.pop("end", None)
    return f"{start or 'the beginning'} to {end or 'the start of the job'}", msgspec.json.encode(keywords).decode()


async def make_plan(database: Database, queries: Queries, reader: PlanReader) -> None:
    """Record every query once, all of them or none.

    Raises:
        InvalidQueryError: an item is not a ledger query. Errors of the iterable are raised as they are.
    """
    with database.transaction() as connection:
        for table in ("customers", "templates"):
            connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
        numbers: dict[str, int] = {}
        async for batch in _batches(queries):
            rows = []
            for fingerprint, template, query in reader.read(batch):
                number = numbers.setdefault(template, len(numbers) + 1)
                own = (query.identifier_name, query.identifier_value, query.source, query.account_id)
                rows.append((fingerprint, *own, number))
            connection.executemany(_INSERT, rows)
        connection.executemany("INSERT INTO templates VALUES (?, ?)", [(n, encoded) for encoded, n in numbers.items()])
        identity = reader.finish()
        meta = {"identity": msgspec.json.encode(identity).decode(), "end": reader.now.isoformat()}
        connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())


async def check_plan(database: Database, queries: Queries, reader: PlanReader) -> None:
    """Check that the queries are those of the plan.

    Raises:
        InvalidQueryError: they are not; the message names what differs.
    """
    async for batch in _batches(queries):
        reader.read(batch)
    differences = read_identity(database).differences(reader.finish())
    if differences:
        raise InvalidQueryError(
            f"the directory belongs to another job: {'; '.join(differences)}. Choose another directory"
        )


def read_identity(database: Database) -> JobIdentity:
    """Return the identity that was recorded with the plan.

    Raises:
        ConfigurationError: another release made the plan, and recorded other fields.
    """
    [(encoded,)] = database.fetch_all("SELECT value FROM meta WHERE key = 'identity'")
    try:
        return msgspec.json.decode(encoded, type=JobIdentity)
    except msgspec.ValidationError:
        raise ConfigurationError("the job in this directory was started by another release: finish it there") from None


def is_planned(database: Database) -> bool:
    """Return whether a plan was recorded."""
    return bool(database.fetch_all("SELECT 1 FROM meta WHERE key = 'identity'"))


async def _batches(queries: Queries) -> AsyncIterator[list[LedgerQuery]]:
    batch: list[LedgerQuery] = []
    async for query in QuerySource(queries):
        batch.append(query)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def make_reader(session: LedgerSession, format_: str) -> PlanReader:
    """Return a reader of queries for the session's service, at the current time."""
    now = session.entries(CustomerLedgerQuery.mobile("0")).end  # the session's clock, in the server's zone
    return PlanReader(session.base_url.host or "", now, format_)
