"""A job in shards: its customers, recorded once and divided the same way by every run, and one manifest at the end."""

from __future__ import annotations

import os
import tempfile
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar
from uuid import uuid4

import msgspec
from attrs import evolve, frozen

from capledger.backfill.balance_table import join_balances
from capledger.backfill.customer_tables import SET_ASIDE
from capledger.backfill.database import JOB_FILE, Database, removed_if_unused
from capledger.backfill.files import made_directory, storage_errors, temporary_file
from capledger.backfill.manifest import MANIFEST, MOST_ERRORS, SHARDS, Manifest, write_manifest
from capledger.backfill.plan import PlanSummary, make_reader, read_end
from capledger.backfill.query_codec import decode_template, make_query
from capledger.backfill.shard import shard_name
from capledger.errors import InvalidQueryError
from capledger.queries import LedgerQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from capledger.backfill.manifest import DataFile
    from capledger.backfill.object_store import ObjectStore
    from capledger.backfill.plan import ListChange
    from capledger.backfill.shard import Shard, SyncShard
    from capledger.many import Queries
    from capledger.session import LedgerSession

#: Goes before the paths of a shard's files.
_FOLDER: Final = f"{SHARDS}/{{}}/"
_ALIVE: Final = "alive"
#: Seconds by which the mark of a run that it is alive may be old when it is killed.
ALIVE_SECONDS: Final = 10.0
_CUSTOMERS: Final = """
    SELECT id, listed, asked, template, identifier_name, identifier_value, source, account_id FROM customers
    WHERE id > ? ORDER BY id LIMIT ?
"""


@frozen
class Service:
    """What a session knows of the service without a request; picklable, since only a worker may have the secrets."""

    address: str
    """Host and port."""
    now: datetime
    """The current time, in the zone of the server's clock."""


def describe_service(connect: Callable[[], LedgerSession]) -> Service:
    """Return the service of the sessions that *connect* makes."""
    reader = make_reader(connect(), "")
    return Service(reader.identity.service, reader.now)


@frozen
class ListedQuery:
    """A customer of a job."""

    query: LedgerQuery
    listed: bool
    """Whether it is in the list of the run."""
    asked: bool
    """Whether the run asks it."""


class ShardedPlan(ABC):
    """The customers of a job, in ``DIR/shards/job.sqlite`` on a local disk, and which shard each is in.

    A customer stays in its shard for good. New ones fill the last shard, and then further ones.

    Args:
        database: of the plan.
        directory: DIR.
        shard_size: customers in a shard, which is recorded when the job is started.
    """

    def __init__(self, database: Database, directory: Path, *, shard_size: int) -> None:
        self.database = database
        self.directory = directory
        self._shard_size = shard_size
        self.duplicates: int = 0

    async def update(self, queries: Queries, service: Service) -> ListChange:
        """Record the customers, and on the first run the size of shards and a name for the job.

        Raises:
            InvalidQueryError: the directory belongs to another job, or an item is not a query.
        """
        with self.database.transaction() as connection:
            change = await self._update(queries, service)
            settings = {"shard_size": str(self._shard_size), "job": uuid4().hex}
            connection.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", settings.items())
        self.duplicates = change.duplicates
        return change

    @abstractmethod
    async def _update(self, queries: Queries, service: Service) -> ListChange:
        """Record the customers, within a transaction."""

    @abstractmethod
    def shards(self, connect: Callable[[], LedgerSession]) -> Iterator[Shard | SyncShard]:
        """Yield the shards, each as it is needed."""

    @property
    def store(self) -> ObjectStore | None:
        """Where the data is put; None for the directory."""
        return None

    @property
    def job(self) -> str:
        """A name of the job, the same in every run."""
        return self._meta("job")

    @property
    def customers(self) -> int:
        """Number of customers, each once."""
        return self.database.fetch_number("SELECT count(*) FROM customers")

    @property
    def asked(self) -> int:
        """Number of customers that the run asks."""
        return self.database.fetch_number("SELECT count(*) FROM customers WHERE asked")

    @property
    def started(self) -> datetime:
        """When the job was started, in the server's zone."""
        return read_end(self.database)

    def summary(self, change: ListChange) -> PlanSummary:
        """Return what a run is going to do; all that it asks are to be fetched, those of finished shards too."""
        return PlanSummary(
            queries=change.queries,
            duplicates=change.duplicates,
            customers=self.customers,
            added=change.added,
            missing=change.missing,
            to_fetch=self.asked,
            started=self.started,
            continued=change.continued,
        )

    def _meta(self, key: str) -> str:
        [(value,)] = self.database.fetch_all("SELECT value FROM meta WHERE key = ?", key)
        return str(value)

    def parts(self) -> Iterator[tuple[int, list[ListedQuery]]]:
        """Yield the number of each shard, with its customers."""
        templates = {
            number: decode_template(query)
            for number, query in self.database.fetch_all("SELECT id, query FROM templates")
        }
        last, number, size = 0, 0, int(self._meta("shard_size"))
        while rows := self.database.fetch_all(_CUSTOMERS, last, size):
            last, number = rows[-1][0], number + 1
            yield (
                number,
                [
                    ListedQuery(make_query(templates[template], *own), bool(listed), bool(asked))
                    for _, listed, asked, template, *own in rows
                ],
            )

    def folder(self, number: int) -> Path:
        """Return the directory of a shard."""
        return self.directory / SHARDS / shard_name(number)

    # What other runs must know of the rate limit

    def note_alive(self, home: str = "") -> None:
        """Record that a run uses a rate limit at this moment, and where its book is."""
        (self.directory / SHARDS / _ALIVE).write_text(f"{home}\n", encoding="utf-8")

    def note_end(self, home: str, taken_for: float) -> None:
        """Record that a run has ended in order, and for how many seconds the places that it leased are taken."""
        (self.directory / SHARDS / _ALIVE).write_text(f"{home}\n{taken_for:.1f}", encoding="utf-8")

    def taken_for(self, unknown: float, home: str = "") -> float:
        """Return for how many seconds places that earlier runs have leased may be taken, by the clock of the disk.

        Args:
            unknown: the seconds after the sudden end of a run.
            home: where the book of this run is, which knows its own places.
        """
        alive = self.directory / SHARDS / _ALIVE
        if not alive.exists():
            return 0.0
        there, _, seconds = alive.read_text(encoding="utf-8").partition("\n")
        if home and there == home:
            return 0.0
        with tempfile.NamedTemporaryFile(dir=alive.parent) as file:
            age = os.fstat(file.fileno()).st_mtime - alive.stat().st_mtime
        return max(0.0, float(seconds or unknown) - max(0.0, age))

    # Results

    def write_results(self, manifests: Mapping[int, Manifest]) -> Manifest | None:
        """Write ``manifest.json`` and ``set-aside.csv`` of the whole job; return the manifest, None without any shard.

        Args:
            manifests: of the shards that were run, by number; those of others are as an earlier run has left them.
        """
        with storage_errors(MANIFEST):
            manifests = {**self._earlier(manifests), **manifests}
        if not manifests:
            return None
        manifest = self._merge(manifests)
        names = [shard_name(number) for number in sorted(manifests)]
        with storage_errors("the manifest"):
            manifest = evolve(manifest, balances=join_balances(self.directory, self._balance_files(manifests)))
            self._write_tables(names, manifest)
            write_manifest(manifest, self.directory)
        return manifest

    def _earlier(self, manifests: Mapping[int, Manifest]) -> dict[int, Manifest]:
        """Return the manifests of the shards that were not run, as far as there are any."""
        others = (number for number in range(1, self._count() + 1) if number not in manifests)
        return {number: found for number in others if (found := self._find(number)) is not None}

    def _count(self) -> int:
        return -(-self.customers // int(self._meta("shard_size")))

    def _find(self, number: int) -> Manifest | None:
        path = self.folder(number) / MANIFEST
        return msgspec.json.decode(path.read_bytes(), type=Manifest) if path.is_file() else None

    def _merge(self, manifests: Mapping[int, Manifest]) -> Manifest:
        """Return the manifest of the whole job."""
        planned = self.customers - sum(manifest.customers for manifest in manifests.values())
        folder = "" if self.store else _FOLDER
        return merge_manifests(manifests, planned=planned, duplicates=self.duplicates, folder=folder)

    def _balance_files(self, manifests: Mapping[int, Manifest]) -> Iterator[tuple[DataFile, bytes]]:
        """Yield the files of balances of the shards, with their contents."""
        for number in sorted(manifests):
            file = manifests[number].balances
            if file is not None:
                yield file, self._content(number, file)

    def _content(self, number: int, file: DataFile) -> bytes:
        return (self.folder(number) / file.file).read_bytes()

    def _write_tables(self, names: list[str], manifest: Manifest) -> None:  # noqa: ARG002 - of a store
        """Write the tables of the whole job that shards have parts of."""
        self._write_joined(SET_ASIDE, [self._read(name, SET_ASIDE) for name in names])

    def _write_joined(self, table: str, parts: list[bytes]) -> bytes:
        joined = _joined(parts)
        with temporary_file(self.directory / table) as file:
            file.write(joined)
        return joined

    def _read(self, name: str, table: str) -> bytes:
        path = self.directory / SHARDS / name / table
        return path.read_bytes() if path.is_file() else b""


P = TypeVar("P", bound=ShardedPlan)


@contextmanager
def open_plan(out: Path, make: Callable[[Database, Path], P]) -> Iterator[P]:
    """Open the plan of a directory, and make both where they do not exist.

    Args:
        out: the directory.
        make: makes the plan.

    Raises:
        InvalidQueryError: the directory has a job without shards.
        DirectoryInUseError: another run uses the directory.
        StorageError: the directory cannot be used.
    """
    if (out / JOB_FILE).exists():
        raise InvalidQueryError(
            "the directory has a job without shards: go on without Dask, or choose another directory"
        )
    folder, database = out / SHARDS, None
    with made_directory(out), made_directory(folder), removed_if_unused(folder):
        try:
            with storage_errors(f"the directory {out}"):
                database = Database(folder)
            yield make(database, out)
        finally:
            if database is not None:
                database.close()


def merge_manifests(
    manifests: Mapping[int, Manifest], *, planned: int, duplicates: int, folder: str = _FOLDER
) -> Manifest:
    """Return one manifest for the shards of a job, without runs.

    Args:
        manifests: by the number of the shard, at least one.
        planned: Number of customers in shards without a manifest.
        duplicates: Number of duplicates in the list of the job.
        folder: goes before the paths of files, with the name of the shard in place of ``{}``.
    """
    first = next(iter(manifests.values()))
    ordered = [manifests[number] for number in sorted(manifests)]
    states = {name: sum(manifest.states[name] for manifest in ordered) for name in first.states}
    states["planned"] += planned
    errors = sum((Counter(manifest.errors) for manifest in ordered), Counter[str]())
    return Manifest(
        format=first.format,
        schema_version=first.schema_version,
        service=first.service,
        ranges=tuple(dict.fromkeys(dates for manifest in ordered for dates in manifest.ranges)),
        end=max(manifest.end for manifest in ordered),
        details=first.details,
        filters=tuple(dict.fromkeys(filters for manifest in ordered for filters in manifest.filters)),
        customers=sum(manifest.customers for manifest in ordered) + planned,
        states=states,
        errors=dict(errors.most_common(MOST_ERRORS)),
        duplicates=duplicates,
        entries=sum(manifest.entries for manifest in ordered),
        staged=sum(manifest.staged for manifest in ordered),
        requests=sum(manifest.requests for manifest in ordered),
        retries=sum(manifest.retries for manifest in ordered),
        files=tuple(
            evolve(file, file=folder.format(shard_name(number)) + file.file)
            for number in sorted(manifests)
            for file in manifests[number].files
        ),
        balances=None,
        runs=(),
        finished=not planned and all(manifest.finished for manifest in ordered),
        complete=not planned and all(manifest.complete for manifest in ordered),
        written_at=datetime.now(UTC).replace(microsecond=0),
    )


def _joined(lists: list[bytes]) -> bytes:
    """Return lists of customers as one, under one header."""
    split = [one.splitlines(keepends=True) for one in lists if one]
    return b"".join(line for number, lines in enumerate(split) for line in lines[number > 0 :])
