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
from capledger.cli.connection import open_session
from capledger.cli.exit_codes import FAILED, INTERRUPTED, UsageError, reported, say
from capledger.cli.helptexts import epilog, paragraph
from capledger.cli.progress import Meter, duration
from capledger.cli.texts import plain
from capledger.errors import CapledgerError, ConfigurationError, InvalidQueryError
from capledger.session import LedgerSession

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from capledger.backfill import Backfill, Estimate, Manifest
    from capledger.queries import CustomerLedgerQuery

T = TypeVar("T")

#: Finished, with customers set aside.
SET_ASIDE: Final = 3
#: Customers at once where no rate is given, and seconds that an answer may take without holding up the rate given.
_CONCURRENCY, _SLOWEST, _MOST = 6, 2, 32

EPILOG = "\n\n".join(
    [
        epilog(
            "capledger backfill customers.csv --out ledgers --rate 600 --plan",
            "capledger backfill customers.csv --out ledgers --rate 600",
            "capledger backfill customers.csv --out ledgers --rate 600 --retry-set-aside",
            connected=True,
        ).replace("  130  ", "  3    finished, with customers set aside in DIR/set-aside.csv\n  130  "),
        paragraph(
            "CUSTOMERS",
            [
                "identifier_name,identifier_value,source,account_id",
                "mobile,917406401004,INSTORE,",
                "The last two columns may be left out. JSON lines of the same keys do as well.",
            ],
        ),
    ]
)

Customers = Annotated[
    str, typer.Argument(metavar="CUSTOMERS", help="A CSV or JSON lines file of customers; - is standard input.")
]
Out = Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="Where the data goes, and the job's state.")]
Format = Annotated[
    Literal["parquet", "jsonl", "csv", "duckdb"], typer.Option("--format", help="Of the files in DIR/entries.")
]
Concurrency = Annotated[
    int | None, typer.Option(min=1, max=1_000, metavar="N", help="Customers at once; by itself what the rate needs.")
]
Plan = Annotated[bool, typer.Option("--plan", help="Ask for a sample, at most 50 requests, and say how long it takes.")]
Retry = Annotated[bool, typer.Option("--retry-set-aside", help="Fetch those alone who were set aside.")]
Json = Annotated[bool, typer.Option("--json", help="The result as one JSON object.")]


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
    as_json: Json = False,
) -> None:
    """Fetch the ledgers of all CUSTOMERS into DIR, each entry once.

    The same command goes on where it stopped, whatever ended it: Ctrl-C, a crash,
    a reboot. Customers that fail for good are listed in DIR/set-aside.csv and do
    not stop the others. DIR/manifest.json says what is in the data.
    Ctrl-C finishes the files at hand; a second one stops at once.
    """
    with reported():
        command = Command(customers, out, start, end, format_, rate, concurrency or fitting(rate), as_json=as_json)
        code = asyncio.run(command.plan() if plan else command.run(retry_set_aside=retry_set_aside))
    raise typer.Exit(code)


def fitting(rate: int | None) -> int:
    """As many customers at once as the rate needs where answers are slow."""
    return _CONCURRENCY if rate is None else min(_MOST, max(_CONCURRENCY, rate * _SLOWEST // 60))


@frozen
class Command:
    """What was asked for."""

    customers: str
    out: Path
    start: datetime | None
    end: datetime | None
    format: Literal["parquet", "jsonl", "csv", "duckdb"]
    rate: int | None
    concurrency: int
    as_json: bool

    async def run(self, *, retry_set_aside: bool) -> int:
        """Fetch; give the exit code."""
        from capledger.backfill import Backfill  # noqa: PLC0415  (help needs none of it)

        async with self._session() as session:
            with Meter(self.rate) as meter:
                job = Backfill(
                    session,
                    self._queries(),
                    out=self.out,
                    format=self.format,
                    concurrency=self.concurrency,
                    retry_set_aside=retry_set_aside,
                    on_progress=meter.show,
                )
                manifest = await self._until_stopped(job, meter.close)
        self._print(manifest, summary(manifest))
        return self._code(manifest)

    async def plan(self) -> int:
        """Ask for a sample; print what the job will take."""
        from capledger.backfill import estimate  # noqa: PLC0415  (help needs none of it)

        async with self._session() as session:
            found = await _told(
                estimate(
                    session,
                    self._queries(),
                    out=self.out,
                    format=self.format,
                    requests_per_minute=self.rate,
                    concurrency=self.concurrency,
                )
            )
        self._print(found, forecast(found))
        return 0

    def _session(self) -> LedgerSession:
        return open_session(rate=self.rate, connections=self.concurrency)

    def _queries(self) -> "Iterator[CustomerLedgerQuery]":
        from capledger.backfill import read_customers  # noqa: PLC0415  (help needs none of it)

        return read_customers(self.customers, start=self.start, end=self.end, include_alternate_currencies=True)

    async def _until_stopped(self, job: "Backfill", give_terminal_back: "Callable[[], None]") -> "Manifest":
        """Run; the first signal stops it in an orderly way, the second at once."""
        with on_signals(Stopping(job.stop, give_terminal_back).hear):
            return await _told(job.run())

    def _code(self, manifest: "Manifest") -> int:
        if not manifest.finished:
            done = manifest.done + manifest.empty
            say(f"stopped with {done:,} of {manifest.customers:,} customers done; the same command goes on from here")
            return INTERRUPTED
        return 0 if manifest.complete else SET_ASIDE

    def _print(self, result: "Manifest | Estimate", text: str) -> None:
        sys.stdout.write(msgspec.json.encode(asdict(result)).decode() + "\n" if self.as_json else text)
        sys.stdout.flush()


@define
class Stopping:
    """What signals do."""

    stop: "Callable[[], None]"
    give_terminal_back: "Callable[[], None]"
    asked: bool = False

    def hear(self) -> None:
        """The first asks the job to stop; the second ends the process, which loses no more than a crash would."""
        if self.asked:
            self.give_terminal_back()
            os._exit(INTERRUPTED)
        self.asked = True
        say("stopping: the files at hand are finished first; once more stops at once")
        self.stop()


@contextmanager
def on_signals(hear: "Callable[[], None]") -> "Iterator[None]":
    """Call it for SIGINT and SIGTERM, where the platform and the thread allow it."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, hear)
    try:
        yield
    finally:
        for number in signals:
            with suppress(NotImplementedError, RuntimeError, ValueError):
                loop.remove_signal_handler(number)


async def _told(work: "Awaitable[T]") -> "T":
    """Do it; say of what ends it in which way the job goes on."""
    try:
        return await work
    except (InvalidQueryError, ConfigurationError) as error:
        raise UsageError(str(error)) from None
    except (CapledgerError, OSError, sqlite3.Error) as error:
        say(f"{plain(error)}; the same command goes on where this one stopped")
        raise typer.Exit(FAILED) from None


def summary(manifest: "Manifest") -> str:
    """What a job has come to, for people."""
    failed = manifest.set_aside + manifest.incomplete
    lines = [
        f"{manifest.entries:,} entries of {_count(manifest.done, 'customer')} in {_count(len(manifest.files), 'file')}",
        f"{_count(manifest.empty, 'customer')} without entries, {failed:,} set aside",
        f"{manifest.requests:,} requests, {manifest.retries:,} of them retries",
    ]
    if manifest.duplicates:
        lines.append(f"{_count(manifest.duplicates, 'repeat')} among the customers, fetched once")
    return "".join(f"{line}\n" for line in lines)


def forecast(found: "Estimate") -> str:
    """What a job will take, for people."""
    rate = f"{found.requests_per_minute:,.0f} requests a minute"
    lines = [
        f"{found.customers:,} customers ({_count(found.duplicates, 'repeat')} left out), {found.left:,} to be fetched",
        f"about {found.requests:,} requests for {found.entries:,} entries",
        f"about {duration(found.seconds)} at {rate} ({'the limit' if found.limited else 'as fast as it answers'})",
        (
            f"from a sample of {_count(found.sampled, 'customer')}, {found.failed:,} of whom failed: "
            f"{_count(found.sample_requests, 'request')}"
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'' if number == 1 else 's'}"
