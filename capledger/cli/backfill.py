"""``capledger backfill``: the ledgers of a file of customers, into files that a warehouse loads."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypedDict

import typer
from attrs import frozen

from capledger.cli import cluster, options, stores
from capledger.cli.exit_codes import (
    LOCKED,
    SET_ASIDE,
    UsageError,
    exit_on_error,
)
from capledger.cli.job_output import (
    exit_code,
    format_estimate,
    format_manifest,
    is_finished_before,
    print_customers,
    print_failures_of_sample,
    print_finished_before,
    print_plan,
    print_repeats,
)
from capledger.cli.jobs import (
    CUSTOMERS_HELP,
    GOES_ON,
    JOB,
    Columns,
    Concurrency,
    Customers,
    FileFormat,
    Format,
    Interval,
    JobCommand,
    Repair,
    default_concurrency,
    exit_on_failure,
)
from capledger.cli.progress import LINE_INTERVAL, ProgressDisplay
from capledger.cli.signals import JobSignals

if TYPE_CHECKING:
    from capledger.backfill import CustomersReport, PlanSummary

OnIncomplete = Literal["raise", "warn"]


EPILOG = "\n\n".join(
    [
        options.epilog(
            "capledger backfill customers.csv --out ledgers --rate 600 --plan",
            "capledger backfill customers.csv --out ledgers --rate 600",
            "capledger backfill customers.csv --out ledgers --rate 600 --retry-set-aside",
            "capledger backfill export.csv --column mobile=Phone --out ledgers",
            connected=True,
            codes={
                SET_ASIDE: "finished, with customers set aside or ledgers not proven complete",
                LOCKED: "another process uses DIR",
            },
        ),
        CUSTOMERS_HELP,
    ]
)


Exact = Annotated[
    bool,
    typer.Option("--exact", rich_help_panel=JOB, help="Refuse a list that is not the job's; it may grow otherwise."),
]
Plan = Annotated[
    bool,
    typer.Option("--plan", rich_help_panel=JOB, help="Estimate the duration from a sample, at most 50 requests."),
]
Retry = Annotated[
    bool,
    typer.Option("--retry-set-aside", rich_help_panel=JOB, help="Fetch only the customers that were set aside."),
]
Incomplete = Annotated[
    OnIncomplete,
    typer.Option(rich_help_panel=JOB, help="With warn, keep ledgers that cannot be proven complete, and mark them."),
]
WithBalances = Annotated[
    bool, typer.Option("--balances", help="Add DIR/balances.parquet, one or two requests a customer.")
]
WithEventDetails = Annotated[bool, typer.Option("--details", help="Add each entry's event, ten entries a request.")]


@options.accepts(options.LedgerOptions)
def backfill(
    *,
    customers: Customers,
    out: stores.OutOrStore,
    start: options.Start = None,
    end: options.End = None,
    format_: Format = "parquet",
    column: Columns = None,
    rate: options.Rate = None,
    concurrency: Concurrency = None,
    details: WithEventDetails = False,
    balances: WithBalances = False,
    plan: Plan = False,
    retry_set_aside: Retry = False,
    exact: Exact = False,
    repair: Repair = False,
    on_incomplete: Incomplete = "raise",
    as_json: options.JsonResult = False,
    progress_interval: Interval = LINE_INTERVAL,
    dask: cluster.OnDask = False,
    scheduler: cluster.Scheduler = None,
    workers: cluster.WorkerCount = None,
    shard_size: cluster.ShardSize = cluster.SHARD_SIZE,
    state: stores.State = stores.STATE,
    single_writer: stores.SingleWriter = False,
    **filters: Any,  # noqa: ANN401 - options of any type
) -> None:
    """Fetch the ledgers of all CUSTOMERS into DIR, each entry once.

    The same command goes on where it stopped, whatever ended it: Ctrl-C, a crash,
    a reboot. Customers that fail for good are listed in DIR/set-aside.csv and do
    not stop the others. DIR/manifest.json describes the data.
    Ctrl-C finishes the current files; a second one stops at once.
    """
    job: JobOptions = {
        "retry_set_aside": retry_set_aside,
        "exact": exact,
        "repair": repair,
        "on_incomplete": on_incomplete,
        "details": details,
        "balances": balances,
    }
    with exit_on_error(lambda: None if plan else GOES_ON):
        directory, store = stores.locate(out, state, single_writer=single_writer)
        command = BackfillCommand(
            customers,
            directory,
            dict(column or []),
            query=options.customer_keywords(start=start, end=end, **filters),
            rate=rate,
            concurrency=concurrency or default_concurrency(rate),
            as_json=as_json,
            format=format_,
            store=store,
        )
        on = cluster.cluster_options(scheduler, workers, shard_size, dask=dask)
        if plan and dask:
            raise UsageError("--plan and --dask exclude each other: the limit decides how long a job takes anywhere")
        if plan:
            work = command.plan(job)
        else:
            work = command.run(job, progress_interval) if on is None else command.run_on(on, job, progress_interval)
        code = asyncio.run(work)
    raise typer.Exit(code)


class JobOptions(TypedDict):
    """Options of a job and of its estimate; documented at ``Backfill``."""

    retry_set_aside: bool
    exact: bool
    repair: bool
    on_incomplete: OnIncomplete
    details: bool
    balances: bool


@frozen
class BackfillCommand(JobCommand):
    """Arguments of one command line."""

    format: FileFormat
    store: "stores.StoreOptions | None" = None
    """Where the data is put besides."""

    async def run(self, job_options: "JobOptions", interval: float) -> int:
        """Fetch, and return the exit code."""
        from capledger.backfill import Backfill  # noqa: PLC0415 - help does not need it

        if self.store is not None:
            self.store.check()
        async with self.session() as session:
            reader = self.reader(session)
            plans: list[PlanSummary] = []

            def begin(summary: "PlanSummary") -> None:
                plans.append(summary)
                self._begin(signals, reader.report, summary, job_options)

            with ProgressDisplay(self.rate, interval=interval) as display:
                job = Backfill(
                    session,
                    reader,
                    out=self.out,
                    format=self.format,
                    concurrency=self.concurrency,
                    on_plan=begin,
                    on_progress=display.show,
                    **job_options,
                )
                signals = JobSignals(job.stop, display.close)
                with signals.handled():
                    manifest = await exit_on_failure(job.run(), GOES_ON)
        if self.store is not None:
            manifest = await exit_on_failure(self.store.commit(manifest, self.out), GOES_ON)
        if is_finished_before(plans[0], manifest, retry=job_options["retry_set_aside"]):
            print_finished_before(manifest)
        self.print(manifest, format_manifest(manifest), f"{self.out / 'manifest.json'} has the result")
        return exit_code(manifest, self.out, stopped=signals.stopping)

    async def run_on(self, options: "cluster.ClusterOptions", job_options: "JobOptions", interval: float) -> int:
        """Fetch on a Dask cluster, and return the exit code."""
        reader = self.reader(self.session())
        manifest, stopped = await cluster.run_on_cluster(
            options,
            "run_backfill",
            reader,
            stores.destination(self.out, self.store) | {"format": self.format, **job_options},
            rate=self.rate,
            concurrency=self.concurrency,
            interval=interval,
            watch=lambda work: exit_on_failure(work, GOES_ON),
        )
        self.print(manifest, format_manifest(manifest), f"{self.out / 'manifest.json'} has the result")
        return exit_code(manifest, self.out, stopped=stopped)

    async def plan(self, job_options: "JobOptions") -> int:
        """Fetch a sample, print what the job will take, and return the exit code."""
        from capledger.backfill import estimate  # noqa: PLC0415 - help does not need it

        async with self.session() as session:
            reader = self.reader(session)
            signals = JobSignals(lambda: None, lambda: None)
            with signals.handled():
                work = estimate(
                    session,
                    reader,
                    out=self.out,
                    format=self.format,
                    requests_per_minute=self.rate,
                    concurrency=self.concurrency,
                    **job_options,
                )
                result = await exit_on_failure(work)
        print_customers(reader.report)
        print_repeats(result.duplicates, reader.report.rows)
        self.print(result, format_estimate(result), "the same command prints it again")
        print_failures_of_sample(result)
        return 0

    def _begin(
        self, signals: JobSignals, report: "CustomersReport", summary: "PlanSummary", job_options: "JobOptions"
    ) -> None:
        signals.begin()
        print_customers(report)
        print_plan(summary, retry=job_options["retry_set_aside"])
