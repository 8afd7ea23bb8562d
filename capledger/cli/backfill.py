"""``capledger backfill``: the ledgers of a file of customers, into files that a warehouse loads."""

import asyncio
import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypedDict, TypeVar

import msgspec
import typer
from attrs import asdict, frozen

from capledger.cli import cluster, options
from capledger.cli.connection import make_session
from capledger.cli.exit_codes import (
    FAILED,
    LOCKED,
    SET_ASIDE,
    OutputError,
    UsageError,
    discard_stdout,
    exit_on_error,
    exit_with,
    reason_of,
    writing_to_stdout,
)
from capledger.cli.job_output import (
    exit_code,
    format_estimate,
    format_manifest,
    print_customers,
    print_failures_of_sample,
    print_plan,
)
from capledger.cli.progress import LINE_INTERVAL, ProgressDisplay
from capledger.cli.signals import JobSignals
from capledger.errors import CapledgerError, ConfigurationError, InvalidQueryError
from capledger.queries import CustomerLedgerQuery
from capledger.session import LedgerSession

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from capledger.backfill import CustomerReader, CustomersReport, Estimate, Manifest, PlanSummary

T = TypeVar("T")

FileFormat = Literal["parquet", "jsonl", "csv", "duckdb"]
OnIncomplete = Literal["raise", "warn"]

#: Customers at once without a rate, and the most with one.
_CONCURRENCY: Final = 6
_MOST_CONCURRENCY: Final = 32
#: Seconds that a response may take without the rate being missed.
_SLOW_RESPONSE: Final = 2
_GOES_ON: Final = "the same command goes on where this one stopped"

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
        options.paragraph(
            "CUSTOMERS",
            [
                "identifier_name,identifier_value,source,account_id",
                "mobile,917406401004,INSTORE,",
                "A single column mobile, email or external_id is enough; others are ignored.",
                "JSON lines of the same keys work too.",
            ],
        ),
    ]
)

_JOB, _PROGRESS = "Job", "Messages"


def parse_column(text: str) -> tuple[str, str]:
    """Return the two parts of ``mobile=Phone``."""
    name, sign, header = text.partition("=")
    if not (name.strip() and sign and header.strip()):
        raise typer.BadParameter("not of the form NAME=HEADER, such as mobile=Phone")
    return name.strip(), header.strip()


Customers = Annotated[
    str, typer.Argument(metavar="CUSTOMERS", help="A CSV or JSON lines file of customers; - is standard input.")
]
Out = Annotated[
    Path,
    typer.Option(parser=options.parse_directory, metavar="DIR", help="Directory of the data and the job's state."),
]
Format = Annotated[
    FileFormat,
    typer.Option("--format", metavar="FORMAT", help="Of the files in DIR/entries: parquet, jsonl, csv or duckdb."),
]
Columns = Annotated[
    list[Any] | None,
    typer.Option(
        "--column", parser=parse_column, metavar="NAME=HEADER", help="Header of a column in CUSTOMERS; repeatable."
    ),
]
Exact = Annotated[
    bool,
    typer.Option("--exact", rich_help_panel=_JOB, help="Refuse a list that is not the job's; it may grow otherwise."),
]
Plan = Annotated[
    bool,
    typer.Option("--plan", rich_help_panel=_JOB, help="Estimate the duration from a sample, at most 50 requests."),
]
Retry = Annotated[
    bool,
    typer.Option("--retry-set-aside", rich_help_panel=_JOB, help="Fetch only the customers that were set aside."),
]
Repair = Annotated[
    bool,
    typer.Option("--repair", rich_help_panel=_JOB, help="Fetch the customers of missing or changed files again."),
]
Incomplete = Annotated[
    OnIncomplete,
    typer.Option(rich_help_panel=_JOB, help="With warn, keep ledgers that cannot be proven complete, and mark them."),
]
WithBalances = Annotated[
    bool, typer.Option("--balances", help="Add DIR/balances.parquet, one or two requests a customer.")
]
WithEventDetails = Annotated[bool, typer.Option("--details", help="Add each entry's event, ten entries a request.")]
Concurrency = Annotated[
    int | None, typer.Option(min=1, max=1_000, metavar="N", help="Customers at once; by default what the rate needs.")
]
Interval = Annotated[
    float,
    typer.Option(
        min=0.0,
        metavar="SECONDS",
        rich_help_panel=_PROGRESS,
        help="Time between progress lines without a terminal; 0 for none.",
    ),
]


@options.accepts(options.LedgerOptions)
def backfill(
    *,
    customers: Customers,
    out: Out,
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
    with exit_on_error(lambda: None if plan else _GOES_ON):
        command = BackfillCommand(
            customers,
            out,
            format_,
            dict(column or []),
            query=options.customer_keywords(start=start, end=end, **filters),
            rate=rate,
            concurrency=concurrency or default_concurrency(rate),
            as_json=as_json,
        )
        on = cluster.cluster_options(scheduler, workers, shard_size, dask=dask)
        if plan:
            work = command.plan(job)
        else:
            work = command.run(job, progress_interval) if on is None else command.run_on(on, job, progress_interval)
        code = asyncio.run(work)
    raise typer.Exit(code)


def default_concurrency(rate: int | None) -> int:
    """Return as many customers at once as the rate (requests a minute) needs with slow responses."""
    return _CONCURRENCY if rate is None else min(_MOST_CONCURRENCY, max(_CONCURRENCY, rate * _SLOW_RESPONSE // 60))


class JobOptions(TypedDict):
    """Options of a job and of its estimate; documented at ``Backfill``."""

    retry_set_aside: bool
    exact: bool
    repair: bool
    on_incomplete: OnIncomplete
    details: bool
    balances: bool


@frozen
class BackfillCommand:
    """Arguments of one command line."""

    customers: str
    out: Path
    format: FileFormat
    columns: dict[str, str]
    """Headers of the file by the names of the columns."""
    query: dict[str, Any]
    """Keywords of every query."""
    rate: int | None
    """Limit in requests a minute."""
    concurrency: int
    as_json: bool

    async def run(self, job_options: "JobOptions", interval: float) -> int:
        """Fetch, and return the exit code."""
        from capledger.backfill import Backfill  # noqa: PLC0415 - help does not need it

        async with self._session() as session:
            reader = self._reader(session)
            with ProgressDisplay(self.rate, interval=interval) as display:
                job = Backfill(
                    session,
                    reader,
                    out=self.out,
                    format=self.format,
                    concurrency=self.concurrency,
                    on_plan=lambda summary: self._begin(signals, reader.report, summary, job_options),
                    on_progress=display.show,
                    **job_options,
                )
                signals = JobSignals(job.stop, display.close)
                with signals.handled():
                    manifest = await _exit_on_failure(job.run(), _GOES_ON)
        self._print(manifest, format_manifest(manifest), f"{self.out / 'manifest.json'} has the result")
        return exit_code(manifest, self.out, stopped=signals.stopping)

    async def run_on(self, options: "cluster.ClusterOptions", job_options: "JobOptions", interval: float) -> int:
        """Fetch on a Dask cluster, and return the exit code."""
        reader = self._reader(self._session())
        manifest, stopped = await cluster.run_on_cluster(
            options,
            reader,
            {"out": self.out, "format": self.format, **job_options},
            rate=self.rate,
            concurrency=self.concurrency,
            interval=interval,
            watch=lambda work: _exit_on_failure(work, _GOES_ON),
        )
        self._print(manifest, format_manifest(manifest), f"{self.out / 'manifest.json'} has the result")
        return exit_code(manifest, self.out, stopped=stopped)

    async def plan(self, job_options: "JobOptions") -> int:
        """Fetch a sample, print what the job will take, and return the exit code."""
        from capledger.backfill import estimate  # noqa: PLC0415 - help does not need it

        async with self._session() as session:
            reader = self._reader(session)
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
                result = await _exit_on_failure(work)
        print_customers(reader.report)
        self._print(result, format_estimate(result), "the same command prints it again")
        print_failures_of_sample(result)
        return 0

    def _begin(
        self, signals: JobSignals, report: "CustomersReport", summary: "PlanSummary", job_options: "JobOptions"
    ) -> None:
        signals.begin()
        print_customers(report)
        print_plan(summary, retry=job_options["retry_set_aside"])

    def _session(self) -> LedgerSession:
        return make_session(rate=self.rate, connections=self.concurrency)

    def _reader(self, session: LedgerSession) -> "CustomerReader":
        """Return the customers; what is wrong with the options is raised here, and not of a line."""
        from capledger.backfill import read_customers  # noqa: PLC0415 - help does not need it

        session.entries(CustomerLedgerQuery.mobile("0", **self.query))
        return read_customers(self.customers, column_names=self.columns, **self.query)

    def _print(self, result: "Manifest | Estimate", text: str, hint: str) -> None:
        try:
            with writing_to_stdout():
                sys.stdout.write(msgspec.json.encode(asdict(result)).decode() + "\n" if self.as_json else text)
                sys.stdout.flush()
        except BrokenPipeError:
            discard_stdout()
        except OutputError as error:
            discard_stdout()
            exit_with(FAILED, f"standard output cannot be written: {error}", hint)


async def _exit_on_failure(work: "Awaitable[T]", hint: str | None = None) -> "T":
    """Return the result; an error ends the command with a line and, where the same command goes on, the hint."""
    from capledger.backfill import (  # noqa: PLC0415 - help does not need it
        CustomersError,
        DamagedFilesError,
        DirectoryInUseError,
        StorageError,
    )

    try:
        return await work
    except CustomersError as error:
        raise UsageError(str(error).replace("column_names", "--column")) from None
    except DirectoryInUseError as error:
        exit_with(LOCKED, str(error))
    except (InvalidQueryError, ConfigurationError):
        raise
    except DamagedFilesError as error:
        exit_with(FAILED, f"{error}; --repair fetches their customers again")
    except StorageError as error:
        exit_with(FAILED, str(error), hint if error.resumable else None)
    except CapledgerError as error:
        exit_with(FAILED, str(error), hint)
    except (OSError, sqlite3.Error) as error:
        exit_with(FAILED, reason_of(error))
