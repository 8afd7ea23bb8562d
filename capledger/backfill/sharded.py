"""A job in shards: its customers, recorded once and divided the same way by every run, and one manifest at the end."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from attrs import evolve, frozen

from capledger.backfill.customer_tables import SET_ASIDE
from capledger.backfill.database import JOB_FILE, Database
from capledger.backfill.files import make_directory, storage_errors, temporary_file
from capledger.backfill.manifest import MOST_ERRORS, Manifest, write_manifest
from capledger.backfill.plan import PlanReader, make_reader, read_end, update_plan
from capledger.backfill.query_codec import decode_template, make_query
from capledger.backfill.shard import Shard, cut_shards
from capledger.errors import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from capledger.backfill.object_store import ObjectStore
    from capledger.backfill.plan import ListChange
    from capledger.many import Queries
    from capledger.queries import LedgerQuery
    from capledger.session import LedgerSession

SHARDS: Final = "shards"
#: Goes before the paths of a shard's files.
_FOLDER: Final = f"{SHARDS}/{{}}/"
#: Customers read from the database at once.
_BATCH: Final = 1_000
_ALIVE: Final = "alive"


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


class ShardedPlan:
    """The customers of a job, in ``DIR/shards/job.sqlite`` on a local disk, and which shard each is in.

    A customer stays in its shard for good. New ones fill the last shard, and then further ones.
    """

    def __init__(self, database: Database, directory: Path) -> None:
        self._database = database
        self._directory = directory
        self.duplicates: int = 0

    async def update(self, queries: Queries, reader: PlanReader, *, size: int, exact: bool = False) -> ListChange:
        """Record the customers, and on the first run the size of shards and a name for the job.

        Raises:
            InvalidQueryError: the directory belongs to another job, or an item is not a query.
        """
        with self._database.transaction() as connection:
            change = await update_plan(self._database, queries, reader, exact=exact)
            settings = {"shard_size": str(size), "job": uuid4().hex}
            connection.executemany("INSERT OR IGNORE INTO meta VALUES (?, ?)", settings.items())
        self.duplicates = change.duplicates
        return change

    @property
    def job(self) -> str:
        """A name of the job, the same in every run."""
        return self._meta("job")

    @property
    def customers(self) -> int:
        """Number of customers, each once."""
        return self._database.fetch_number("SELECT count(*) FROM customers")

    def _meta(self, key: str) -> str:
        [(value,)] = self._database.fetch_all("SELECT value FROM meta WHERE key = ?", key)
        return str(value)

    def shards(self, connect: Callable[[], LedgerSession], format_: str, **settings: Any) -> Iterator[Shard]:  # noqa: ANN401 - fields of any type
        """Yield the shards, each as it is needed; settings are other fields of a shard."""
        shards = cut_shards(
            self._queries(),
            out=self._directory / SHARDS,
            connect=connect,
            end=read_end(self._database),
            size=int(self._meta("shard_size")),
            format=format_,
        )
        return (evolve(shard, **settings) for shard in shards)

    def _queries(self) -> Iterator[LedgerQuery]:
        templates = {
            number: decode_template(query)
            for number, query in self._database.fetch_all("SELECT id, query FROM templates")
        }
        statement = (
            "SELECT id, template, identifier_name, identifier_value, source, account_id FROM customers "
            "WHERE id > ? ORDER BY id LIMIT ?"
        )
        last = 0
        while rows := self._database.fetch_all(statement, last, _BATCH):
            last = rows[-1][0]
            yield from (make_query(templates[template], *own) for _, template, *own in rows)

    def note_alive(self) -> None:
        """Record that a run uses the directory at this moment."""
        (self._directory / SHARDS / _ALIVE).write_bytes(b"")

    def note_end(self, taken_for: float) -> None:
        """Record that a run has ended in order, and for how many seconds the places that it leased are taken."""
        (self._directory / SHARDS / _ALIVE).write_text(f"{taken_for:.1f}", encoding="ascii")

    def taken_for(self, unknown: float) -> float:
        """Return for how many seconds places that earlier runs have leased may be taken, by the clock of the disk.

        Args:
            unknown: the seconds after the sudden end of a run.
        """
        alive = self._directory / SHARDS / _ALIVE
        if not alive.exists():
            return 0.0
        with tempfile.NamedTemporaryFile(dir=alive.parent) as file:
            age = os.fstat(file.fileno()).st_mtime - alive.stat().st_mtime
        return max(0.0, float(alive.read_bytes() or unknown) - max(0.0, age))

    def write_results(
        self, manifests: Mapping[int, Manifest], *, planned: int, store: ObjectStore | None = None
    ) -> Manifest:
        """Write ``manifest.json`` and ``set-aside.csv`` of the whole job.

        Args:
            manifests: of the shards that were run, by number.
            planned: Number of customers in the other shards.
            store: where they are put as well; its paths are relative to the store.
        """
        manifest = merge_manifests(
            manifests, planned=planned, duplicates=self.duplicates, folder="" if store else _FOLDER
        )
        names = [f"shard-{number:05}" for number in sorted(manifests)]
        with storage_errors("the manifest"):
            lists = [store.read_set_aside(name) if store else self._read_set_aside(name) for name in names]
            with temporary_file(self._directory / SET_ASIDE) as file:
                file.write(_joined(lists))
            write_manifest(manifest, self._directory)
        if store:
            store.write_results(manifest, _joined(lists))
        return manifest

    def _read_set_aside(self, name: str) -> bytes:
        path = self._directory / SHARDS / name / SET_ASIDE
        return path.read_bytes() if path.is_file() else b""


@contextmanager
def open_plan(out: Path) -> Iterator[ShardedPlan]:
    """Open the plan of a directory, and make both where they do not exist.

    Raises:
        InvalidQueryError: the directory has a job without shards.
        DirectoryInUseError: another run uses the directory.
        StorageError: the directory cannot be used.
    """
    with storage_errors(f"the directory {out}"):
        if (out / JOB_FILE).exists():
            raise InvalidQueryError("the directory has a job without shards: choose another directory")
        make_directory(out)
        make_directory(out / SHARDS)
        database = Database(out / SHARDS)
    try:
        yield ShardedPlan(database, out)
    finally:
        database.close()


def merge_manifests(
    manifests: Mapping[int, Manifest], *, planned: int, duplicates: int, folder: str = _FOLDER
) -> Manifest:
    """Return one manifest for the shards of a job.

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
            evolve(file, file=folder.format(f"shard-{number:05}") + file.file)
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
