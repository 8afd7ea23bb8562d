"""``DIR/manifest.json``, which states what is in the data set, and ``DIR/set-aside.csv``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
from attrs import asdict, frozen

from capledger.backfill.files import sha256_of, temporary_file
from capledger.backfill.plan import read_identity
from capledger.backfill.schema import SCHEMA_VERSION
from capledger.backfill.sinks.csv import quoted

if TYPE_CHECKING:
    from pathlib import Path

    from capledger.backfill.database import Database

MANIFEST: Final = "manifest.json"
SET_ASIDE: Final = "set-aside.csv"
ENTRIES: Final = "entries"


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
class Manifest:
    """The state of a job after a run; ``manifest.json`` holds the same."""

    format: str
    schema_version: int
    service: str
    """Host of the service."""
    ranges: tuple[str, ...]
    """The date ranges fetched, as ISO 8601: ``<start> to <end>``; one, unless queries differ."""
    end: datetime
    """The end of ranges without one, fixed when the job was started."""
    customers: int
    """Number of customers, each once."""
    done: int
    """Number of customers with entries, all of them fetched."""
    empty: int
    """Number of customers without entries."""
    incomplete: int
    """Number of customers whose ledger the service could not return completely."""
    set_aside: int
    """Number of customers who failed permanently."""
    duplicates: int
    """Number of duplicates among the queries, fetched once."""
    entries: int
    """Number of entries in the files."""
    requests: int
    """Number of requests for finished customers, by all runs, retries included."""
    retries: int
    """Number of those requests that were sent again after a failure."""
    files: tuple[DataFile, ...]
    finished: bool
    """Whether no customer is left to be fetched."""
    complete: bool
    """Whether the complete ledger of every customer is in the files: finished, and no customer set aside."""
    written_at: datetime
    """When the manifest was written, in UTC."""


def make_manifest(database: Database, directory: Path) -> Manifest:
    """Return the manifest of a job; its sink must be closed."""
    identity = read_identity(database)
    states = dict(database.fetch_all("SELECT state, count(*) FROM customers GROUP BY state"))
    [(customers, requests, retries)] = database.fetch_all("SELECT count(*), sum(requests), sum(retries) FROM customers")
    [(end,)] = database.fetch_all("SELECT value FROM meta WHERE key = 'end'")
    files = tuple(_files(database, directory))
    failed = states.get("incomplete", 0) + states.get("set_aside", 0)
    ready = database.fetch_number("SELECT sum(rows) FROM pages WHERE ready")
    finished = not states.get("planned", 0) and not states.get("running", 0) and not ready
    return Manifest(
        format=identity.format,
        schema_version=SCHEMA_VERSION,
        service=identity.service,
        ranges=tuple(name.replace("the start of the job", end) for name in identity.ranges),
        end=datetime.fromisoformat(end),
        customers=customers,
        done=states.get("done", 0),
        empty=states.get("empty", 0),
        incomplete=states.get("incomplete", 0),
        set_aside=states.get("set_aside", 0),
        duplicates=identity.customers - customers,
        entries=sum(file.rows for file in files),
        requests=requests or 0,
        retries=retries or 0,
        files=files,
        finished=finished,
        complete=finished and not failed,
        written_at=datetime.now(UTC).replace(microsecond=0),
    )


def _files(database: Database, directory: Path) -> list[DataFile]:
    rows = database.fetch_all(
        "SELECT file, sum(rows), max(bytes), max(sha256) FROM batches "
        "WHERE state = 'written' GROUP BY file ORDER BY min(number)"
    )
    files = []
    for name, count, size, sha256 in rows:
        path = directory / ENTRIES / name
        final = (size, sha256) if sha256 is not None else _measure(path)
        files.append(DataFile(file=f"{ENTRIES}/{name}", rows=count, bytes=final[0], sha256=final[1]))
    return files


def _measure(path: Path) -> tuple[int, str] | tuple[None, None]:
    """Return the size and the SHA-256 of a file that grew until now."""
    return (path.stat().st_size, sha256_of(path)) if path.is_file() else (None, None)


def write_manifest(manifest: Manifest, directory: Path) -> None:
    """Write ``manifest.json``."""
    with temporary_file(directory / MANIFEST) as file:
        file.write(msgspec.json.format(msgspec.json.encode(asdict(manifest)), indent=2) + b"\n")


def write_set_aside(database: Database, directory: Path) -> None:
    """Write ``set-aside.csv``: the customers who failed permanently, with the API's code and the error."""
    rows = database.fetch_all(
        "SELECT identifier_name, identifier_value, code, error FROM customers "
        "WHERE state IN ('set_aside', 'incomplete') ORDER BY id"
    )
    with temporary_file(directory / SET_ASIDE) as file:
        file.write(b"identifier_name,identifier_value,code,error\n")
        for name, value, code, error in rows:
            fields = (quoted(name), quoted(value), "" if code is None else str(code), quoted(error or ""))
            file.write(",".join(fields).encode() + b"\n")
