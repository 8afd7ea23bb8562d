"""``capledger sync``: a data set that each run brings up to date, and proves."""

import asyncio
import re
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from attrs import frozen

from capledger.cli import cluster, options
from capledger.cli.exit_codes import LOCKED, SET_ASIDE, exit_on_error
from capledger.cli.job_output import print_customers, print_plan
from capledger.cli.jobs import (
    CUSTOMERS_HELP,
    GOES_ON,
    JOB,
    Columns,
    Concurrency,
    Customers,
    FileFormat,
    Interval,
    JobCommand,
    Out,
    Repair,
    default_concurrency,
    exit_on_failure,
)
from capledger.cli.progress import LINE_INTERVAL, ProgressDisplay
from capledger.cli.signals import JobSignals
from capledger.cli.sync_output import format_run, sync_exit_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from capledger.backfill import CustomerReader, CustomersReport, Manifest, PlanSummary
    from capledger.session import LedgerSession

_UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1)}
_DURATION: Final = re.compile(r"(\d{1,6})([dh])")

EPILOG = "\n\n".join(
    [
        options.epilog(
            "capledger sync customers.csv --out ledgers --rate 600",
            "capledger sync customers.csv --out ledgers --rate 600 --active moved.csv",
            "capledger sync customers.csv --out ledgers --from 2024-01-01 --format duckdb",
            "capledger sync customers.csv --out ledgers --json | jq .runs[-1]",
            "capledger sync customers.csv --out /shared/ledgers --rate 600 --dask",
            connected=True,
            codes={
                SET_ASIDE: "done, with customers set aside, ledgers not proven, or entries vanished",
                LOCKED: "another process uses DIR",
            },
        ),
        CUSTOMERS_HELP,
    ]
)


def parse_duration(text: str) -> timedelta:
    """Return the time of ``3d`` or ``12h``."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter("not days or hours, such as 3d or 12h")
    return int(match[1]) * _UNITS[match[2]]


OptionalFormat = Annotated[
    FileFormat | None,
    typer.Option(
        "--format", metavar="FORMAT", help="parquet (default), jsonl, csv or duckdb; later runs use the same."
    ),
]
Active = Annotated[
    str | None,
    typer.Option(metavar="FILE", rich_help_panel=JOB, help="A list of those to be asked, the others are kept as is."),
]
RenewBalances = Annotated[
    bool | None,
    typer.Option(
        "--balances/--no-balances",
        help="Renew DIR/balances.parquet with each run, by one or two requests a customer.",
    ),
]
Overlap = Annotated[
    timedelta,
    typer.Option(
        parser=parse_duration,
        metavar="TIME",
        rich_help_panel=JOB,
        help="How far to read back where the service's totals prove nothing.",
    ),
]


@options.accepts(options.LedgerOptions)
def sync(
    *,
    customers: Customers,
    out: Out,
    start: options.Start = None,
    format_: OptionalFormat = None,
    column: Columns = None,
    active: Active = None,
    balances: RenewBalances = None,
    overlap: Overlap = "3d",  # type: ignore[assignment]  # typer parses the default
    rate: options.Rate = None,
    concurrency: Concurrency = None,
    repair: Repair = False,
    as_json: options.JsonResult = False,
    progress_interval: Interval = LINE_INTERVAL,
    dask: cluster.OnDask = False,
    scheduler: cluster.Scheduler = None,
    workers: cluster.WorkerCount = None,
    shard_size: cluster.ShardSize = cluster.SHARD_SIZE,
    **filters: Any,  # noqa: ANN401 - options of any type
) -> None:
    """Bring the data set in DIR up to date, and prove that nothing is missing.

    The first run fetches everything, later ones what is new, late or changed:
    one request for each customer without news. It also goes on with the directory
    of a finished backfill. The same command goes on where it stopped.
    DIR/manifest.json describes the data and lists the runs.
    """
    with exit_on_error(lambda: GOES_ON):
        command = SyncCommand(
            customers,
            out,
            dict(column or []),
            query=options.customer_keywords(**filters),
            rate=rate,
            concurrency=concurrency or default_concurrency(rate),
            as_json=as_json,
            active=active,
        )
        job = {"start": start, "format": format_, "balances": balances, "overlap": overlap, "repair": repair}
        on = cluster.cluster_options(scheduler, workers, shard_size, dask=dask)
        work = command.run(job, progress_interval) if on is None else command.run_on(on, job, progress_interval)
        code = asyncio.run(work)
    raise typer.Exit(code)


@frozen
class SyncCommand(JobCommand):
    """Arguments of one command line."""

    active: str | None

    async def run(self, job_options: dict[str, Any], interval: float) -> int:
        """Bring the data set up to date, and return the exit code."""
        from capledger.backfill import ShardedSync, Sync, is_sharded  # noqa: PLC0415 - help does not need it

        make_job: Callable[..., Sync | ShardedSync] = Sync
        if is_sharded(self.out):
            make_job = partial(ShardedSync, rate_limited=self.rate is not None)
        async with self.session() as session:
            reader = self.reader(session)
            with ProgressDisplay(self.rate, interval=interval) as display:
                signals = JobSignals(lambda: None, display.close)
                job = make_job(
                    session,
                    reader,
                    out=self.out,
                    active=self._active(session),
                    concurrency=self.concurrency,
                    on_plan=lambda summary: self._begin(signals, reader.report, summary),
                    on_progress=display.show,
                    **job_options,
                )
                signals.stop = job.stop
                with signals.handled():
                    manifest = await exit_on_failure(job.run(), GOES_ON)
        return self._end(manifest, job_options, stopped=signals.stopping)

    async def run_on(self, options: cluster.ClusterOptions, job_options: dict[str, Any], interval: float) -> int:
        """Bring the data set up to date on a Dask cluster, and return the exit code."""
        session = self.session()
        settings = {"out": self.out, "active": self._active(session)}
        manifest, stopped = await cluster.run_on_cluster(
            options,
            "run_sync",
            self.reader(session),
            settings | job_options,
            rate=self.rate,
            concurrency=self.concurrency,
            interval=interval,
            watch=lambda work: exit_on_failure(work, GOES_ON),
        )
        return self._end(manifest, job_options, stopped=stopped)

    def _active(self, session: "LedgerSession") -> "CustomerReader | None":
        return None if self.active is None else self.reader(session, self.active)

    def _begin(self, signals: JobSignals, report: "CustomersReport", summary: "PlanSummary") -> None:
        signals.begin()
        print_customers(report)
        print_plan(summary, retry=False)

    def _end(self, manifest: "Manifest", job_options: dict[str, Any], *, stopped: bool) -> int:
        """Print the result, and return the exit code."""
        self.print(manifest, format_run(manifest.runs[-1]), f"{self.out / 'manifest.json'} has the result")
        return sync_exit_code(manifest, job_options["overlap"], stopped=stopped)
