"""The plan of a job: the customers to be fetched, recorded before the first request; and the identity of the job."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec
from attrs import define, evolve, field, fields, frozen

from capledger.backfill.balances import check_has_balances
from capledger.backfill.database import damaged_error
from capledger.backfill.query_codec import TemplateEncoder
from capledger.errors import ConfigurationError, InvalidQueryError
from capledger.many.queries import QuerySource
from capledger.queries import CustomerLedgerQuery, LedgerQuery
from capledger.queries.events import as_flags

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Sequence

    from capledger.backfill.database import Database
    from capledger.many import Queries
    from capledger.queries import EventFlags
    from capledger.session import LedgerSession

T = TypeVar("T")

#: Queries recorded at once.
_BATCH: Final = 1_000
_INSERT: Final = """
    INSERT OR IGNORE INTO customers (fingerprint, identifier_name, identifier_value, source, account_id, template)
    VALUES (?, ?, ?, ?, ?, (SELECT id FROM templates WHERE query = ?))
"""
_COUNT_CUSTOMERS: Final = "SELECT count(*) FROM customers"
_HAS_FETCHED: Final = """
    SELECT EXISTS (SELECT 1 FROM customers WHERE state NOT IN ('planned', 'running') OR cursor IS NOT NULL)
        OR EXISTS (SELECT 1 FROM pages) OR EXISTS (SELECT 1 FROM batches) OR EXISTS (SELECT 1 FROM runs)
"""


@define
class JobIdentity:
    """What makes a job the same job; no identifier of a customer is in it, so all of it may be shown."""

    service: str
    """Host and port of the service."""
    zone: str
    """Time zone of the server's clock, which naive dates are in."""
    format: str
    details: str
    """Which details of events are fetched; empty for none."""
    balances: bool = False
    """Whether the balances of the service are fetched too."""
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
            ("details", self.details or "no", other.details or "no"),
            ("balances", _yes_or_no(self.balances), _yes_or_no(other.balances)),
        ]
        return [f"{name} {there} there and {here} here" for name, there, here in pairs if there != here]

    def join(self, other: JobIdentity) -> JobIdentity:
        """Add the ranges and filters of another identity; return that one with those of both."""
        self.ranges = sorted({*self.ranges, *other.ranges})
        self.filters = sorted({*self.filters, *other.filters})
        return evolve(other, ranges=self.ranges, filters=self.filters)


def _yes_or_no(value: bool) -> str:  # noqa: FBT001 - converts it
    return "yes" if value else "no"


@define
class CustomerList:
    """The list of customers of a run; no identifier of a customer is in it."""

    queries: int = 0
    """Number of queries, duplicates included."""
    duplicates: int = 0
    """Number of queries that equal an earlier one."""
    digest: str = ""


@frozen(kw_only=True)
class ListChange:
    """How the list of a run differs from the customers of the job."""

    queries: int
    duplicates: int
    added: int
    missing: int
    continued: bool


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
    """Reads queries and sums up the identity of the job and the list.

    Args:
        service: host and port of the service.
        now: the current time, in the zone of the server's clock.
        format_: of the sink.
        details: which details of events are fetched; empty for none.
        balances: whether the balances of the service are fetched too.
    """

    def __init__(self, service: str, now: datetime, format_: str, *, details: str = "", balances: bool = False) -> None:
        self.identity: JobIdentity = JobIdentity(service, str(now.tzinfo), format_, details, balances)
        self.list: CustomerList = CustomerList()
        self.now = now
        self._templates = TemplateEncoder()
        self._digest = blake2b(digest_size=16)
        self._parts: dict[str, tuple[str, str]] = {}

    @classmethod
    def of_list(cls) -> PlanReader:
        """Return a reader for queries alone, whatever the job."""
        return cls("", datetime.now(UTC), "")

    def read(self, queries: Sequence[LedgerQuery]) -> list[tuple[bytes, str, LedgerQuery]]:
        """Return each query with its fingerprint and its template."""
        found = [self._read_one(query) for query in queries]
        self.list.queries += len(found)
        return found

    def _read_one(self, query: LedgerQuery) -> tuple[bytes, str, LedgerQuery]:
        if not isinstance(query, LedgerQuery):
            raise InvalidQueryError("queries may contain CustomerLedgerQuery and GroupLedgerQuery only")
        template = self._templates.encode(query)
        if template not in self._parts:
            if self.identity.balances:
                check_has_balances(query)
            self._parts[template] = _range_and_filters(template)
        own = (query.identifier_name, query.identifier_value, query.source, str(query.account_id or ""))
        self._digest.update(_hash(*own, self._parts[template][1]))
        return _hash(*own, template), template, query

    def finish(self) -> JobIdentity:
        """Complete the identity and the list; return the identity."""
        self.list.digest = self._digest.hexdigest()
        self.identity.ranges = sorted({part for part, _ in self._parts.values()})
        self.identity.filters = sorted({part for _, part in self._parts.values()})
        return self.identity


def _hash(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode(errors="surrogatepass"), digest_size=16).digest()


def _range_and_filters(template: str) -> tuple[str, str]:
    keywords: dict[str, Any] = msgspec.json.decode(template)
    start, end = keywords.pop("start", None), keywords.pop("end", None)
    return f"{start or 'the beginning'} to {end or 'the start of the job'}", msgspec.json.encode(keywords).decode()


async def update_plan(
    database: Database,
    queries: Queries,
    reader: PlanReader,
    *,
    exact: bool = False,
    part: bool = False,
    replaceable: bool = False,
) -> ListChange:
    """Record every query once, all of them or none; return what that changes in the job.

    Args:
        database: of the job.
        queries: the list.
        reader: sums up what is listed.
        exact: refuse a list that differs from the job's.
        part: the queries are those of a shard, so they may be none, and need not have all of its ranges and filters.
        replaceable: another job takes the place of one that has fetched nothing, such as from a wrong address.

    Raises:
        InvalidQueryError: the directory belongs to another job, or an item is not a ledger query. Errors of the
            iterable are raised as they are.
    """
    with database.transaction() as connection:
        connection.execute("CREATE TEMP TABLE listed (fingerprint BLOB PRIMARY KEY) WITHOUT ROWID")
        before = database.fetch_number(_COUNT_CUSTOMERS)
        async for batch in _batches(queries):
            _record(connection, reader.read(batch))
        started = is_planned(database)
        identity, customers = reader.finish(), reader.list
        if started and before and not (customers.queries or part):
            raise InvalidQueryError("the list of customers is empty: pass the list of the job again")
        if started:
            differences = _differences(database, identity, part=part)
            if differences and not (replaceable and _drop_unfetched(database, connection)):
                raise InvalidQueryError(
                    f"the directory belongs to another job: {'; '.join(differences)}. Choose another directory"
                )
            started, before = not differences, 0 if differences else before
        missing = "SELECT count(*) FROM customers WHERE fingerprint NOT IN (SELECT fingerprint FROM listed)"
        change = ListChange(
            queries=customers.queries,
            duplicates=customers.queries - database.fetch_number("SELECT count(*) FROM listed"),
            added=database.fetch_number(_COUNT_CUSTOMERS) - before,
            missing=database.fetch_number(missing),
            continued=started,
        )
        if started and exact:
            _check_same_list(read_list(database), customers, change)
        is_listed = "(fingerprint IN (SELECT fingerprint FROM listed))"
        connection.execute(f"UPDATE customers SET listed = {is_listed} WHERE listed <> {is_listed}")  # noqa: S608 - a constant
        customers.duplicates = change.duplicates
        _record_meta(connection, identity, customers, reader.now)
        connection.execute("DROP TABLE listed")
    return change


def _differences(database: Database, identity: JobIdentity, *, part: bool) -> list[str]:
    there = read_identity(database)
    return (identity.join(there) if part else there).differences(identity)


def _drop_unfetched(database: Database, connection: sqlite3.Connection) -> bool:
    """Drop the customers of a job that are not listed now, unless something was fetched; return whether they were."""
    if database.fetch_number(_HAS_FETCHED):
        return False
    connection.execute("DELETE FROM customers WHERE fingerprint NOT IN (SELECT fingerprint FROM listed)")
    connection.execute("DELETE FROM meta WHERE key = 'end'")
    return True


def _record(connection: sqlite3.Connection, queries: Sequence[tuple[bytes, str, LedgerQuery]]) -> None:
    templates = [(template,) for template in {template for _, template, _ in queries}]
    connection.executemany("INSERT OR IGNORE INTO templates (query) VALUES (?)", templates)
    connection.executemany("INSERT OR IGNORE INTO listed VALUES (?)", [(fingerprint,) for fingerprint, _, _ in queries])
    rows = [
        (fingerprint, query.identifier_name, query.identifier_value, query.source, query.account_id, template)
        for fingerprint, template, query in queries
    ]
    connection.executemany(_INSERT, rows)


def write_identity(connection: sqlite3.Connection, identity: JobIdentity) -> None:
    """Record the identity of the job."""
    encoded = msgspec.json.encode(identity).decode()
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('identity', ?)", (encoded,))


def _record_meta(connection: sqlite3.Connection, identity: JobIdentity, customers: CustomerList, now: datetime) -> None:
    write_identity(connection, identity)
    encoded = msgspec.json.encode(customers).decode()
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('list', ?)", (encoded,))
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('end', ?)", (now.isoformat(),))


def _check_same_list(there: CustomerList, here: CustomerList, change: ListChange) -> None:
    if there.queries != here.queries:
        difference = f"customers {there.queries:,} there and {here.queries:,} here"
    elif there.digest != here.digest:
        difference = "the customers are others, or in another order"
    elif change.missing:  # the list of the last run had shrunk
        missing = "1 customer of the job is" if change.missing == 1 else f"{change.missing:,} customers of the job are"
        difference = f"{missing} not in it"
    else:
        return
    raise InvalidQueryError(f"the list of customers is not that of the job: {difference}")


def read_identity(database: Database) -> JobIdentity:
    """Return the identity of the job.

    Raises:
        ConfigurationError: another release started the job, and recorded other fields.
    """
    return _read_meta(database, "identity", JobIdentity)


def read_list(database: Database) -> CustomerList:
    """Return the list of customers of the last run."""
    return _read_meta(database, "list", CustomerList)


def read_end(database: Database) -> datetime:
    """Return the end of ranges without one: when the job was started, in the server's zone."""
    [(end,)] = database.fetch_all("SELECT value FROM meta WHERE key = 'end'")
    return datetime.fromisoformat(end)


def _read_meta(database: Database, key: str, kind: type[T]) -> T:
    [(encoded,)] = database.fetch_all("SELECT value FROM meta WHERE key = ?", key)
    try:
        return msgspec.json.decode(encoded, type=kind)
    except msgspec.ValidationError:
        raise ConfigurationError("the job in this directory was started by another release: finish it there") from None
    except msgspec.DecodeError:
        raise damaged_error() from None


def is_planned(database: Database) -> bool:
    """Return whether a plan was recorded."""
    return bool(database.fetch_all("SELECT 1 FROM meta WHERE key = 'identity'"))


def describe_flags(flags: EventFlags | None) -> str:
    """Return which details of events are fetched; empty for none."""
    if flags is None:
        return ""
    return ", ".join(["event", *(item.name for item in fields(type(flags)) if getattr(flags, item.name))])


async def _batches(queries: Queries) -> AsyncIterator[list[LedgerQuery]]:
    batch: list[LedgerQuery] = []
    async for query in QuerySource(queries):
        batch.append(query)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    yield batch


def make_reader(
    session: LedgerSession, format_: str, *, details: bool | EventFlags = False, balances: bool = False
) -> PlanReader:
    """Return a reader of queries for the session's service, at the current time."""
    now = session.entries(CustomerLedgerQuery.mobile("0")).end  # the session's clock, in the server's zone
    url = session.base_url
    service, flags = f"{url.host}:{url.port}", describe_flags(as_flags(details))
    return PlanReader(service, now, format_, details=flags, balances=balances)
