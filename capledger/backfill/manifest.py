"""``DIR/manifest.json``, which proves what is in the data set, and ``DIR/set-aside.csv``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec
from attrs import asdict, frozen

from capledger.backfill.files import digest, written_aside
from capledger.backfill.plan import noted_identity
from capledger.backfill.schema import SCHEMA_VERSION
from capledger.backfill.sinks.csv import quoted

if TYPE_CHECKING:
    from pathlib import Path

    from capledger.backfill.database import Store

MANIFEST: Final = "manifest.json"
SET_ASIDE: Final = "set-aside.csv"
ENTRIES: Final = "entries"


@frozen(kw_only=True)
class DataFile:
    """One file of ``DIR/entries``."""

    #: Relative to DIR.
    file: str
    rows: int
    #: None where the sink's file is not below DIR.
    bytes: int | None
    sha256: str | None


@frozen(kw_only=True)
class Manifest:
    """What a job has come to; ``manifest.json`` holds the same."""

    format: str
    schema_version: int
    #: Host of the service.
    service: str
    #: What was asked for, as ISO 8601: ``<start> to <end>``; one of them, unless queries differ.
    ranges: tuple[str, ...]
    #: The end of ranges that were given none, fixed when the job began.
    end: datetime
    customers: int
    done: int
    empty: int
    incomplete: int
    set_aside: int
    #: Repeats among the queries, fetched once.
    duplicates: int
    #: Entries in the files.
    entries: int
    #: Sent for customers that came to an end, by all runs, retries included.
    requests: int
    retries: int
    files: tuple[DataFile, ...]
    #: Whether nobody is left to be fetched.
    finished: bool
    #: Whether every customer's ledger is in the files, whole: finished, and nobody set aside.
    complete: bool
    #: When this was written.
    written_at: datetime


def make_manifest(store: Store, directory: Path) -> Manifest:
    """Sum up a job; its sink has to be closed."""
    identity = noted_identity(store)
    states = dict(store.ask("SELECT state, count(*) FROM customers GROUP BY state"))
    [(customers, requests, retries)] = store.ask("SELECT count(*), sum(requests), sum(retries) FROM customers")
    [(end,)] = store.ask("SELECT value FROM meta WHERE key = 'end'")
    files = tuple(_files(store, directory))
    failed = states.get("incomplete", 0) + states.get("set_aside", 0)
    staged = store.number("SELECT sum(rows) FROM staged WHERE ready")
    finished = not states.get("planned", 0) and not states.get("running", 0) and not staged
    return Manifest(
        format=identity.format,
        schema_version=SCHEMA_VERSION,
        service=identity.service,
        ranges=tuple(text.replace("the start of the job", end) for text in identity.ranges),
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


def _files(store: Store, directory: Path) -> list[DataFile]:
    rows = store.ask(
        "SELECT file, sum(rows), max(bytes), max(sha256) FROM batches "
        "WHERE state = 'written' GROUP BY file ORDER BY min(number)"
    )
    found = []
    for name, count, size, sha256 in rows:
        path = directory / ENTRIES / name
        if sha256 is None:
            size, sha256 = (path.stat().st_size, digest(path)) if path.is_file() else (None, None)  # noqa: PLW2901
        found.append(DataFile(file=f"{ENTRIES}/{name}", rows=count, bytes=size, sha256=sha256))
    return found


def write_manifest(manifest: Manifest, directory: Path) -> None:
    """Write ``manifest.json``."""
    with written_aside(directory / MANIFEST) as file:
        file.write(msgspec.json.format(msgspec.json.encode(asdict(manifest)), indent=2) + b"\n")


def write_set_aside(store: Store, directory: Path) -> None:
    """Write ``set-aside.csv``: who failed for good, with the API's code, and the error."""
    rows = store.ask(
        "SELECT identifier_name, identifier_value, code, error FROM customers "
        "WHERE state IN ('set_aside', 'incomplete') ORDER BY id"
    )
    with written_aside(directory / SET_ASIDE) as file:
        file.write(b"identifier_name,identifier_value,code,error\n")
        for name, value, code, error in rows:
            fields = (quoted(name), quoted(value), "" if code is None else str(code), quoted(error or ""))
            file.write(",".join(fields).encode() + b"\n")
