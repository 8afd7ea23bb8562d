"""What a worker does: run a shard, lease places for it, and report its progress."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from attrs import asdict, evolve, frozen
from distributed import get_worker
from distributed.protocol import pickle

from capledger import LeasedRateLimiter
from capledger.backfill import Shard, ShardResult, SyncShard, run_shard
from capledger.backfill.sharded import Service, describe_service
from capledger.dask.leases import SchedulerLeases, call_scheduler
from capledger.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from capledger.backfill import JobProgress
    from capledger.session import LedgerSession


#: Seconds to wait for the scheduler before a shard is begun.
_REPLY_SECONDS: Final = 30.0


@frozen
class SharedLimit:
    """Which book the workers of a run use; picklable."""

    organisation: str
    requests_per_minute: int
    max_wait: float | None
    grace: float


def describe_on_worker(packed: bytes) -> Service:
    """Return the service of the sessions that a pickled function makes.

    A task that cannot be loaded at all would end one worker after the other.

    Raises:
        ConfigurationError: the worker cannot load the function.
    """
    try:
        connect = pickle.loads(packed)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"connect cannot be loaded by a worker ({error}): its module must be importable there too"
        ) from None
    return describe_service(connect)


def run_on_worker(shard: Shard | SyncShard, run: str, limit: SharedLimit | None) -> ShardResult | None:
    """Run a shard on the worker that this is called on; return None where the run is over already."""
    reporter = _Reporter(run, shard.number)
    if reporter.is_over():
        return None
    if isinstance(shard, Shard) and shard.store is not None:  # a path below the worker's own directory
        shard = evolve(shard, out=str(Path(get_worker().local_directory) / shard.out))
    if limit is not None:
        shard = evolve(shard, connect=partial(_connect_within, limit, shard.connect))
    manifest = run_shard(shard, on_progress=reporter)
    last = reporter.last
    return ShardResult(manifest, last.requests if last else 0, last.retries if last else 0)


def _connect_within(limit: SharedLimit, connect: Callable[[], LedgerSession]) -> LedgerSession:
    session = connect()
    source = SchedulerLeases(limit.organisation, grace=limit.grace)
    session.use_rate_limiter(LeasedRateLimiter(source, max_wait=limit.max_wait))
    return session


class _Reporter:
    """Reports progress to the scheduler without waiting, and knows from its last reply whether the run is over."""

    def __init__(self, run: str, shard: int) -> None:
        self.last: JobProgress | None = None
        self._run = run
        self._shard = shard
        self._worker = get_worker()
        self._reply: Any = None

    def is_over(self) -> bool:
        """Return whether the run is over, and wait for the scheduler's reply."""
        return bool(self._send(None).result(timeout=_REPLY_SECONDS))

    def __call__(self, progress: JobProgress) -> bool:
        self.last = progress
        if self._reply is not None and not self._reply.done():
            return False
        over = self._reply is not None and self._reply.exception() is None and self._reply.result()
        self._reply = self._send(asdict(progress))
        return bool(over)

    def _send(self, progress: dict[str, Any] | None) -> Any:  # noqa: ANN401 - a concurrent future
        arguments = {"run": self._run, "shard": self._shard, "progress": progress}
        return call_scheduler(self._worker, "capledger_report", **arguments)
