"""``capledger backfill``: the ledgers of a file of customers, into files that a warehouse loads."""

import asyncio
import os
import signal
import sqlite3
import sys
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

import msgspec
import typer
from attrs import asdict, define, frozen

from capledger.cli import options
from capledger.cli.connection import make_session
from capledger.cli.exit_codes import FAILED, INTERRUPTED, SET_ASIDE, UsageError, exit_on_error, print_message
from capledger.cli.progress import ProgressDisplay, format_duration
from capledger.cli.tables import format_count, printable
from capledger.errors import CapledgerError, ConfigurationError, InvalidQueryError
from capledger.session import LedgerSession

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from capledger.backfill import Estimate, Manifest
    from capledger.queries import CustomerLedgerQuery

T = TypeVar("T")

FileFormat = Literal["parquet", "jsonl", "csv", "duckdb"]

#: Customers at once without a rate, and the most with one.
_CONCURRENCY: Final = 6
_MOST_CONCURRENCY: Final = 32
#: Seconds that a response may take without the rate being missed.
_SLOW_RESPONSE: Final = 2

EPILOG = "\n\n".join(
    [
        options.epilog(
            "capledger backfill customers.csv --out ledgers --rate 600 --plan",
            "capledger backfill customers.csv --out ledgers --rate 600",
            "capledger backfill customers.csv --out ledgers --rate 600 --retry-set-aside",
            connected=True,
            codes={SET_ASIDE: "finished, with customers set aside in DIR/set-aside.csv"},
        ),
        options.paragraph(
            "CUSTOMERS",
            [
                "identifier_name,identifier_value,source,account_id",
                "mobile,917406401004,INSTORE,",
                "The last two columns are optional. JSON lines of the same keys work too.",
            ],
        ),
    ]
)

Customers = Annotated[
    str, typer.Argument(metavar="CUSTOMERS", help="A CSV or JSON lines file of customers; - is standard input.")
]
Out = Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Directory of the data and the job's state.")]
Format = Annotated[FileFormat, typer.Option("--format", help="Of the files in DIR/entries.")]
Concurrency = Annotated[
    int | None, typer.Option(min=1, max=1_000, metavar="N", help="Customers at once; by default what the rate needs.")
]
Plan = Annotated[bool, typer.Option("--plan", help="Estimate the duration from a sample, at most 50 requests.")]
Retry = Annotated[bool, typer.Option("--retry-set-aside", help="Fetch only the customers that were set aside.")]
JsonResult = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]


def backfill(
    *,
    customers: Customers,
    out: Out,
    start: options.Start = None,
    end: options.End = None,
    format_: Format = "parquet",
    rate: options.Rate = None,
    concurrency: Concurrency = None,
    plan: Plan = False,
    retry_set_aside: Retry = False,
    as_json: JsonResult = False,
) -> None:
    """Fetch the ledgers of all CUSTOMERS into DIR, each entry once.

    The same command goes on where it stopped, whatever ended it: Ctrl-C, a crash,
    a reboot. Customers that fail for good are listed in DIR/set-aside.csv and do
    not stop the others. DIR/manifest.json describes the data.
    Ctrl-C finishes the current files; a second one stops at once.
    """
    with exit_on_error():
        command = BackfillCommand(
            customers, out, start, end, format_, rate, concurrency or default_concurrency(rate), as_json=as_json
        )
        code = asyncio.run(command.plan() if plan else command.run(retry_set_aside=retry_set_aside))
    raise typer.Exit(code)


def default_concurrency(rate: int | None) -> int:
    """Return as many customers at once as the rate (requests a minute) needs with slow responses."""
    return _CONCURRENCY if rate is None else min(_MOST_CONCURRENCY, max(_CONCURRENCY, rate * _SLOW_RESPONSE // 60))


@frozen
class BackfillCommand:
    """Arguments of one command line."""

    customers: str
    out: Path
    start: datetime | None
    end: datetime | None
    format: FileFormat
    rate: int | None
    """Limit in requests a minute."""
    concurrency: int
    as_json: bool

    async def run(self, *, retry_set_aside: bool) -> int:
        """Fetch, and return the exit code."""
        from capledger.backfill import Backfill  # noqa: PLC0415 - help does not need it

        async with self._session() as session:
            with ProgressDisplay(self.rate) as display:
                job = Backfill(
                    session,
                    self._queries(),
                    out=self.out,
                    format=self.format,
                    concurrency=self.concurrency,
                    retry_set_aside=retry_set_aside,
                    on_progress=display.show,
                )
                with handle_signals(StopHandler(job.stop, display.close).stop_or_exit):
                    manifest = await _exit_on_failure(job.run())
        self._print(manifest, format_manifest(manifest))
        return _exit_code(manifest)

    async def plan(self) -> int:
        """Fetch a sample, print what the job will take, and return the exit code."""
        from capledger.backfill import estimate  # noqa: PLC0415 - help does not need it

        async with self._session() as session:
            result = await _exit_on_failure(
                estimate(
                    session,
                    self._queries(),
                    out=self.out,
                    format=self.format,
                    requests_per_minute=self.rate,
                    concurrency=self.concurrency,
                )
            )
        self._print(result, format_estimate(result))
        return 0

    def _session(self) -> LedgerSession:
        return make_session(rate=self.rate, connections=self.concurrency)

    def _queries(self) -> "Iterator[CustomerLedgerQuery]":
        from capledger.backfill import read_customers  # noqa: PLC0415 - help does not need it

        return read_customers(self.customers, start=self.start, end=self.end, include_alternate_currencies=True)

    def _print(self, result: "Manifest | Estimate", text: str) -> None:
        sys.stdout.write(msgspec.json.encode(asdict(result)).decode() + "\n" if self.as_json else text)
        sys.stdout.flush()


@define
class StopHandler:
    """Handles signals: the first stops the job in order, the second ends the process."""

    stop: "Callable[[], None]"
    release_terminal: "Callable[[], None]"
    stopping: bool = False

    def stop_or_exit(self) -> None:
        """Handle a signal; ending the process at once loses no more than a crash."""
        if self.stopping:
            self.release_terminal()
            os._exit(INTERRUPTED)
        self.stopping = True
        print_message("stopping after the current files are written; a second Ctrl-C stops at once")
        self.stop()


@contextmanager
def handle_signals(handler: "Callable[[], None]") -> "Iterator[None]":
    """Call *handler* for SIGINT and SIGTERM, where the platform and the thread allow it."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in signals:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(number)


async def _exit_on_failure(work: "Awaitable[T]") -> "T":
    """Return the result; exit with a message for an error that the same command can continue from."""
    try:
        return await work
    except (InvalidQueryError, ConfigurationError) as error:
        raise UsageError(str(error)) from None
    except (CapledgerError, OSError, sqlite3.Error) as error:
        print_message(f"{printable(error)}; the same command goes on where this one stopped")
        raise typer.Exit(FAILED) from None


def _exit_code(manifest: "Manifest") -> int:
    if not manifest.finished:
        done = manifest.done + manifest.empty
        print_message(
            f"stopped with {done:,} of {manifest.customers:,} customers done; the same command goes on from here"
        )
        return INTERRUPTED
    return 0 if manifest.complete else SET_ASIDE


def format_manifest(manifest: "Manifest") -> str:
    """Return the results of a job in a few lines."""
    failed = manifest.set_aside + manifest.incomplete
    done, files = format_count(manifest.done, "customer"), format_count(len(manifest.files), "file")
    lines = [
        f"{manifest.entries:,} entries of {done} in {files}",
        f"{format_count(manifest.empty, 'customer')} without entries, {failed:,} set aside",
        f"{manifest.requests:,} requests, {manifest.retries:,} of them retries",
    ]
    if manifest.duplicates:
        lines.append(f"{format_count(manifest.duplicates, 'repeat')} among the customers, fetched once")
    return "".join(f"{line}\n" for line in lines)


def format_estimate(result: "Estimate") -> str:
    """Return what a job will take in a few lines."""
    rate = f"{result.requests_per_minute:,.0f} requests a minute"
    reason = "the limit" if result.limited else "as fast as the service responds"
    repeats, sampled = format_count(result.duplicates, "repeat"), format_count(result.sampled, "customer")
    lines = [
        f"{result.customers:,} customers ({repeats} left out), {result.left:,} to be fetched",
        f"about {result.requests:,} requests for {result.entries:,} entries",
        f"about {format_duration(result.seconds)} at {rate} ({reason})",
        (
            f"from a sample of {sampled}, {result.failed:,} of whom failed: "
            f"{format_count(result.sample_requests, 'request')}"
        ),
    ]
    return "".join(f"{line}\n" for line in lines)
