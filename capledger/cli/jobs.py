"""What the commands of jobs have in common: their options, their customers, and how they end."""

import sqlite3
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

import msgspec
import typer
from attrs import asdict, frozen

from capledger.cli import options
from capledger.cli.connection import make_session
from capledger.cli.exit_codes import (
    FAILED,
    LOCKED,
    OutputError,
    UsageError,
    discard_stdout,
    exit_with,
    reason_of,
    writing_to_stdout,
)
from capledger.errors import CapledgerError, ConfigurationError, InvalidQueryError
from capledger.queries import CustomerLedgerQuery
from capledger.session import LedgerSession

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from capledger.backfill import CustomerReader, Estimate, Manifest

T = TypeVar("T")

FileFormat = Literal["parquet", "jsonl", "csv", "duckdb"]

#: Customers at once without a rate, and the most with one.
_CONCURRENCY: Final = 6
_MOST_CONCURRENCY: Final = 32
#: Seconds that a response may take without the rate being missed.
_SLOW_RESPONSE: Final = 2
GOES_ON: Final = "the same command goes on where this one stopped"
#: Panels of the help.
JOB, PROGRESS = "Job", "Messages"

CUSTOMERS_HELP = options.paragraph(
    "CUSTOMERS",
    [
        "identifier_name,identifier_value,source,account_id",
        "mobile,917406401004,INSTORE,",
        "A single column mobile, email or external_id is enough; others are ignored.",
        "JSON lines of the same keys work too.",
    ],
)


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
Repair = Annotated[
    bool,
    typer.Option("--repair", rich_help_panel=JOB, help="Fetch the customers of missing or changed files again."),
]
Concurrency = Annotated[
    int | None, typer.Option(min=1, max=1_000, metavar="N", help="Customers at once; by default what the rate needs.")
]
Interval = Annotated[
    float,
    typer.Option(
        min=0.0,
        metavar="SECONDS",
        rich_help_panel=PROGRESS,
        help="Time between progress lines without a terminal; 0 for none.",
    ),
]


def default_concurrency(rate: int | None) -> int:
    """Return as many customers at once as the rate (requests a minute) needs with slow responses."""
    return _CONCURRENCY if rate is None else min(_MOST_CONCURRENCY, max(_CONCURRENCY, rate * _SLOW_RESPONSE // 60))


@frozen
class JobCommand:
    """Arguments of a command line that runs a job."""

    customers: str
    out: Path
    columns: dict[str, str]
    """Headers of the file by the names of the columns."""
    query: dict[str, Any]
    """Keywords of every query."""
    rate: int | None
    """Limit in requests a minute."""
    concurrency: int
    as_json: bool

    def session(self) -> LedgerSession:
        """Return a session with the connections and the limit of the job."""
        return make_session(rate=self.rate, connections=self.concurrency)

    def reader(self, session: LedgerSession, path: str | None = None) -> "CustomerReader":
        """Return the customers of the list, or of another file; what is wrong with the options is raised here."""
        from capledger.backfill import read_customers  # noqa: PLC0415 - help does not need it

        session.entries(CustomerLedgerQuery.mobile("0", **self.query))
        return read_customers(path or self.customers, column_names=self.columns, **self.query)

    def print(self, result: "Manifest | Estimate", text: str, hint: str) -> None:
        """Print a result, as JSON where that is wanted."""
        try:
            with writing_to_stdout():
                sys.stdout.write(msgspec.json.encode(asdict(result)).decode() + "\n" if self.as_json else text)
                sys.stdout.flush()
        except BrokenPipeError:
            discard_stdout()
        except OutputError as error:
            discard_stdout()
            exit_with(FAILED, f"standard output cannot be written: {error}", hint)


async def exit_on_failure(work: "Awaitable[T]", hint: str | None = None) -> "T":
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
