"""``backfill --dask`` and ``sync --dask``: the workers of a Dask cluster run the shards of the job."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from attrs import frozen

from capledger.cli.connection import make_session, read_connection
from capledger.cli.exit_codes import UsageError, print_message
from capledger.cli.job_output import print_customers, print_plan
from capledger.cli.progress import ProgressDisplay
from capledger.cli.signals import JobSignals
from capledger.errors import ConfigurationError
from capledger.frames.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from capledger.backfill import CustomerReader, Manifest, PlanSummary

_PANEL: Final = "Cluster"
#: Customers in a shard.
SHARD_SIZE: Final = 300
_WORKERS: Final = 4

OnDask = Annotated[
    bool, typer.Option("--dask", rich_help_panel=_PANEL, help="Divide the job among the workers of a Dask cluster.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="URL", rich_help_panel=_PANEL, help="Of a running cluster, such as tcp://HOST:8786."),
]
WorkerCount = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        metavar="N",
        rich_help_panel=_PANEL,
        help=f"Processes of a cluster here; by default {_WORKERS}.",
    ),
]
ShardSize = Annotated[
    int, typer.Option(min=1, metavar="N", rich_help_panel=_PANEL, help="Customers in a shard, fixed when a job starts.")
]


@frozen
class ClusterOptions:
    """Where the shards of a job are run."""

    scheduler: str | None
    workers: int | None
    shard_size: int


def cluster_options(
    scheduler: str | None, workers: int | None, shard_size: int, *, dask: bool
) -> ClusterOptions | None:
    """Return the options of a cluster; None without one.

    Raises:
        UsageError: options contradict each other.
    """
    for name, value in (("--scheduler", scheduler), ("--workers", workers)):
        if value is not None and not dask:
            raise UsageError(f"{name} needs --dask")
    if scheduler is not None and workers is not None:
        raise UsageError("--scheduler and --workers exclude each other: a running cluster has its own workers")
    return ClusterOptions(scheduler, workers, shard_size) if dask else None


async def run_on_cluster(
    options: ClusterOptions,
    run: str,
    reader: CustomerReader,
    settings: dict[str, Any],
    *,
    rate: int | None,
    concurrency: int,
    interval: float,
    watch: Callable[[Awaitable[Manifest]], Awaitable[Manifest]],
) -> tuple[Manifest, bool]:
    """Run a job on a cluster; return its manifest, and whether a signal has stopped it.

    Args:
        options: where the shards are run.
        run: the function of ``capledger.dask`` that runs the job.
        reader: customers.
        settings: other arguments of that function.
        rate: limit in requests a minute for all workers.
        concurrency: customers at once on each worker.
        interval: seconds between progress lines.
        watch: turns errors into exit codes.
    """
    import_extra("distributed", "dask")
    from capledger import dask  # noqa: PLC0415 - an extra, and slow to import

    read_connection()
    stop = threading.Event()

    def begin(summary: PlanSummary) -> None:
        print_customers(reader.report)
        print_plan(summary, retry=bool(settings.get("retry_set_aside")))

    with _client(options) as client, ProgressDisplay(rate, interval=interval) as display:
        signals = JobSignals(stop.set, display.close)
        work = asyncio.to_thread(
            getattr(dask, run),
            client,
            reader,
            connect=partial(make_session, connections=concurrency),
            rate_limit=rate,
            concurrency=concurrency,
            shard_size=options.shard_size,
            on_plan=begin,
            on_progress=display.show,
            stop=stop,
            **settings,
        )
        with signals.handled():
            signals.begin()
            manifest = await watch(work)
    return manifest, signals.stopping


@contextmanager
def _client(options: ClusterOptions) -> Iterator[Any]:
    from distributed import Client, LocalCluster  # noqa: PLC0415 - an extra, and slow to import

    from capledger.dask.interrupts import IgnoreInterrupts  # noqa: PLC0415 - an extra, and slow to import

    if options.scheduler is not None:
        with _connected(Client, options.scheduler) as client:
            yield client
        return
    with _interrupts_ignored():  # the workers inherit this
        cluster = LocalCluster(
            n_workers=options.workers or _WORKERS, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        )
    with cluster, Client(cluster) as client:
        client.register_plugin(IgnoreInterrupts())
        yield _announced(client)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _connected(make: Callable[[str], Any], address: str) -> Any:  # noqa: ANN401 - a client of Dask
    try:
        return _announced(make(address))
    except (OSError, ValueError):
        raise ConfigurationError(
            "no scheduler of Dask can be reached at that address: --scheduler is like tcp://HOST:8786"
        ) from None


def _announced(client: Any) -> Any:  # noqa: ANN401 - a client of Dask
    print_message(f"dashboard of the cluster: {client.dashboard_link}")
    return client
