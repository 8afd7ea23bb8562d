"""``capledger sync``: a data set that each run brings up to date, and proves."""

import asyncio
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from attrs import frozen

from capledger.cli import options
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
    from capledger.backfill import CustomersReport, PlanSummary

_UNITS: Final = {"d": timedelta(days=1), "h": timedelta(hours=1)}
_DURATION: Final = re.compile(r"(\d{1,6})([dh])")

EPILOG = "\n\n".join(
    [
        options.epilog(
            "capledger sync customers.csv --out ledgers --rate 600",
            "capledger sync customers.csv --out ledgers --rate 600 --active moved.csv",
            "capledger sync customers.csv --out ledgers --from 2024-01-01 --format duckdb",
            "capledger sync customers.csv --out ledgers --json | jq .runs[-1]",
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
        code = asyncio.run(command.run(job, interval=progress_interval))
    raise typer.Exit(code)


@frozen
class SyncCommand(JobCommand):
    """Arguments of one command line."""

    active: str | None

    async def run(self, job_options: dict[str, Any], *, interval: float) -> int:
        """Bring the data set up to date, and return the exit code."""
        from capledger.backfill import Sync  # noqa: PLC0415 - help does not need it

        async with self.session() as session:
            reader = self.reader(session)
            with ProgressDisplay(self.rate, interval=interval) as display:
                job = Sync(
                    session,
                    reader,
                    out=self.out,
                    active=None if self.active is None else self.reader(session, self.active),
                    concurrency=self.concurrency,
                    on_plan=lambda summary: self._begin(signals, reader.report, summary),
                    on_progress=display.show,
                    **job_options,
                )
                signals = JobSignals(job.stop, display.close)
                with signals.handled():
                    manifest = await exit_on_failure(job.run(), GOES_ON)
        self.print(manifest, format_run(manifest.runs[-1]), f"{self.out / 'manifest.json'} has the result")
        return sync_exit_code(manifest, job_options["overlap"], stopped=signals.stopping)

    def _begin(self, signals: JobSignals, report: "CustomersReport", summary: "PlanSummary") -> None:
        signals.begin()
        print_customers(report)
        print_plan(summary, retry=False)
