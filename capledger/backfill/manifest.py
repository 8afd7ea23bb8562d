"""``DIR/manifest.json``, which states what is in the data set."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from attrs import asdict, frozen

from capledger.backfill.batches import Batches, WrittenFile
from capledger.backfill.database import JOB_FILE
from capledger.backfill.files import sha256_of, temporary_file
from capledger.backfill.plan import read_end, read_identity, read_list
from capledger.backfill.query_codec import decode_template
from capledger.backfill.runs import RunRecord, read_runs
from capledger.errors import InvalidQueryError
from capledger.frames.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from os import PathLike

    from capledger.backfill.database import Database

MANIFEST: Final = "manifest.json"
ENTRIES: Final = "entries"
#: The folder of a job that is divided.
SHARDS: Final = "shards"
#: Errors in a manifest.
MOST_ERRORS: Final = 10
_ERRORS: Final = """
    SELECT error, count(*) FROM customers WHERE state IN ('set_aside', 'incomplete') AND error IS NOT NULL
    GROUP BY error ORDER BY count(*) DESC, error LIMIT ?
"""
_STATES: Final = ("planned", "done", "empty", "unproven", "incomplete", "set_aside")


@frozen(kw_only=True)
class DataFile:
    """One file of ``DIR/entries``."""

    file: str
    """Path relative to DIR."""
    rows: int
    bytes: int | None
    """Size; None where the sink's file is not below DIR."""
    sha256: str | None
    """SHA-256 in hexadecimal digits; None where the sink's file is not below DIR."""


@frozen(kw_only=True)
class DateRange:
    """A range of dates that was fetched; start inclusive, end exclusive."""

    start: datetime | None
    """None for the beginning of the ledger; in the server's zone if the query's start was naive."""
    end: datetime


@frozen(kw_only=True)
class Manifest:
    """The state of a job after a run; ``manifest.json`` holds the same."""

    format: str
    schema_version: int
    service: str
    """Host and port of the service."""
    ranges: tuple[DateRange, ...]
    """The date ranges fetched; one, unless queries differ."""
    end: datetime
    """The end of ranges without one, fixed when the job was started; in the server's zone."""
    details: str
    """Which details of events are in the column ``event``; empty for none."""
    filters: tuple[str, ...]
    """The parameters of the queries besides customers and ranges, as JSON, each combination once."""
    customers: int
    """Number of customers, each once."""
    states: dict[str, int]
    """Number of customers in each state: planned, done, empty, unproven, incomplete and set_aside."""
    errors: dict[str, int]
    """Number of customers set aside or incomplete by their error, the most frequent errors first, at most ten."""
    duplicates: int
    """Number of duplicates in the list of the last run, fetched once."""
    entries: int
    """Number of entries in the files."""
    staged: int
    """Number of entries of finished customers that are in no file yet; the next run writes them."""
    requests: int
    """Number of requests for finished customers, by all runs, retries included."""
    retries: int
    """Number of those requests that were sent again after a failure."""
    files: tuple[DataFile, ...]
    balances: DataFile | None
    """The file with the balances of the service, a row for each customer and account; None where none were fetched."""
    finished: bool
    """Whether no customer is left to be fetched."""
    complete: bool
    """Whether the ledger of every customer is in the files and was proven complete."""
    runs: tuple[RunRecord, ...]
    """The runs of a data set that is kept up to date; none of a backfill."""
    written_at: datetime
    """When the manifest was written, in UTC."""

    @property
    def planned(self) -> int:
        """Number of customers still to be fetched."""
        return self.states["planned"]

    @property
    def done(self) -> int:
        """Number of customers with entries, all of them fetched."""
        return self.states["done"]

    @property
    def empty(self) -> int:
        """Number of customers without entries."""
        return self.states["empty"]

    @property
    def unproven(self) -> int:
        """Number of customers whose entries were written without proof that the ledger is complete."""
        return self.states["unproven"]

    @property
    def incomplete(self) -> int:
        """Number of customers whose ledger the service could not return completely."""
        return self.states["incomplete"]

    @property
    def set_aside(self) -> int:
        """Number of customers who failed permanently."""
        return self.states["set_aside"]


def make_manifest(database: Database, directory: Path, zone: tzinfo, balances: DataFile | None = None) -> Manifest:
    """Return the manifest of a job; its sink must be closed.

    Args:
        database: of the job.
        directory: of the job.
        zone: of the server's clock, for naive dates.
        balances: the file of balances.
    """
    identity, end = read_identity(database), read_end(database)
    counts = dict(database.fetch_all("SELECT state, count(*) FROM customers GROUP BY state"))
    states = {name: counts.get(name, 0) for name in _STATES}
    [(customers, requests, retries)] = database.fetch_all("SELECT count(*), sum(requests), sum(retries) FROM customers")
    files = tuple(_data_file(directory, file) for file in Batches(database).files())
    staged = database.fetch_number("SELECT sum(rows) FROM pages WHERE ready")
    planned = database.fetch_number("SELECT count(*) FROM customers WHERE state = 'planned' AND asked")
    finished = not (planned or staged)
    runs = read_runs(database)
    return Manifest(
        format=identity.format,
        schema_version=SCHEMA_VERSION,
        service=identity.service,
        ranges=_ranges(database, end, zone),
        end=end,
        details=identity.details,
        filters=tuple(identity.filters),
        customers=customers,
        states=states,
        errors=dict(database.fetch_all(_ERRORS, MOST_ERRORS)),
        duplicates=read_list(database).duplicates,
        entries=sum(file.rows for file in files),
        staged=staged,
        requests=requests or 0,
        retries=retries or 0,
        files=files,
        balances=balances,
        finished=finished,
        complete=finished and states["done"] + states["empty"] == customers and (not runs or runs[-1].complete),
        runs=runs,
        written_at=datetime.now(UTC).replace(microsecond=0),
    )


def _ranges(database: Database, end: datetime, zone: tzinfo) -> tuple[DateRange, ...]:
    templates = database.fetch_all("SELECT query FROM templates ORDER BY id")
    keywords = [decode_template(encoded) for (encoded,) in templates]
    found = [(_aware(item.get("start"), zone), _aware(item.get("end"), zone) or end) for item in keywords]
    return tuple(DateRange(start=start, end=stop) for start, stop in dict.fromkeys(found))


def _aware(moment: datetime | None, zone: tzinfo) -> datetime | None:
    return moment.replace(tzinfo=zone) if moment is not None and moment.tzinfo is None else moment


def _data_file(directory: Path, file: WrittenFile) -> DataFile:
    size, sha256 = file.size, file.sha256
    path = directory / ENTRIES / file.name
    if sha256 is None and path.is_file():  # of a sink with one file, which grew until now
        size, sha256 = path.stat().st_size, sha256_of(path)
    return DataFile(file=f"{ENTRIES}/{file.name}", rows=file.rows, bytes=size, sha256=sha256)


def is_sharded(directory: str | PathLike[str]) -> bool:
    """Return whether a job in shards was started in a directory."""
    return (Path(directory) / SHARDS / JOB_FILE).exists()


def check_not_sharded(directory: Path) -> None:
    """Refuse a directory whose job is in shards, since its customers would be fetched again.

    Raises:
        InvalidQueryError: it is.
    """
    if is_sharded(directory):
        raise InvalidQueryError("the directory has a job in shards: go on with --dask, or choose another directory")


def write_manifest(manifest: Manifest, directory: Path) -> None:
    """Write ``manifest.json``."""
    with temporary_file(directory / MANIFEST) as file:
        file.write(msgspec.json.format(msgspec.json.encode(asdict(manifest)), indent=2) + b"\n")
