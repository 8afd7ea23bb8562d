"""A backfill in shards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from capledger.backfill.customer_tables import SET_ASIDE
from capledger.backfill.manifest import SHARDS
from capledger.backfill.plan import PlanReader, describe_flags, update_plan
from capledger.backfill.runs import read_runs
from capledger.backfill.shard import cut_shards, shard_name
from capledger.backfill.sharded import ShardedPlan
from capledger.errors import InvalidQueryError
from capledger.queries.events import as_flags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from capledger.backfill.database import Database
    from capledger.backfill.manifest import DataFile, Manifest
    from capledger.backfill.object_store import ObjectStore
    from capledger.backfill.plan import ListChange
    from capledger.backfill.shard import Shard
    from capledger.backfill.sharded import Service
    from capledger.many import Queries
    from capledger.session import LedgerSession


class ShardedBackfill(ShardedPlan):
    """The plan of a backfill.

    Args:
        database: of the plan.
        directory: DIR.
        shard_size: customers in a shard.
        exact: whether to refuse a list that differs from the job's.
        store: where the data is put.
        settings: other fields of each shard.
    """

    def __init__(
        self,
        database: Database,
        directory: Path,
        *,
        shard_size: int,
        exact: bool = False,
        store: ObjectStore | None = None,
        **settings: Any,  # noqa: ANN401 - fields of any type
    ) -> None:
        super().__init__(database, directory, shard_size=shard_size)
        self._exact = exact
        self._store = store
        of_store = {} if store is None else {"store": store.url, "single_writer": store.single_writer}
        self._settings = settings | of_store

    @property
    def store(self) -> ObjectStore | None:
        """Where the data is put; None for the directory."""
        return self._store

    async def _update(self, queries: Queries, service: Service) -> ListChange:
        if read_runs(self.database):
            raise InvalidQueryError("the data set in this directory is kept up to date by a sync: run that instead")
        settings = self._settings
        details = describe_flags(as_flags(settings["details"]))
        reader = PlanReader(
            service.address, service.now, settings["format"], details=details, balances=settings["balances"]
        )
        return await update_plan(self.database, queries, reader, exact=self._exact)

    def shards(self, connect: Callable[[], LedgerSession]) -> Iterator[Shard]:
        """Yield the shards, each as it is needed."""
        shards = cut_shards(
            (item.query for _, part in self.parts() for item in part),
            out=self.directory / SHARDS,
            connect=connect,
            end=self.started,
            size=int(self._meta("shard_size")),
        )
        return (evolve(shard, **self._settings) for shard in shards)

    def _find(self, number: int) -> Manifest | None:
        return super()._find(number) if self._store is None else self._store.find(shard_name(number))

    def _content(self, number: int, file: DataFile) -> bytes:
        return super()._content(number, file) if self._store is None else self._store.read(file.file)

    def _write_tables(self, names: list[str], manifest: Manifest) -> None:
        if self._store is None:
            super()._write_tables(names, manifest)
        else:
            set_aside = self._write_joined(SET_ASIDE, [self._store.read_set_aside(name) for name in names])
            self._store.write_results(manifest, set_aside, self.directory)
