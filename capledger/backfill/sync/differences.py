"""``DIR/vanished.csv`` and ``DIR/amended.csv``: entries that are held and that the service removed or changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from capledger.backfill.files import temporary_file
from capledger.backfill.sinks.csv import quoted
from capledger.backfill.sync.keys import StoredEntry, utc_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from capledger.backfill.database import Database

VANISHED: Final = "vanished.csv"
AMENDED: Final = "amended.csv"

_ENTRY_COLUMNS: Final = (
    "identifier_name",
    "identifier_value",
    "event_log_id",
    "event_name",
    "ledger_created_date",
    "noticed_in_run",
)
_SELECT: Final = """
    SELECT identifier_name, identifier_value, run, held, current
    FROM differences JOIN customers ON customers.id = customer WHERE current IS {} NULL ORDER BY differences.id
"""


def write_differences(database: Database, directory: Path) -> None:
    """Write both tables; a row is in them as long as it is held and differs."""
    _write(directory / VANISHED, [*_ENTRY_COLUMNS, "entry_details"], _vanished(database))
    _write(directory / AMENDED, [*_ENTRY_COLUMNS, "entry_details", "current_entry_details"], _amended(database))


def _vanished(database: Database) -> Iterator[list[str]]:
    for name, value, run, held, _ in database.fetch_all(_SELECT.format("")):
        yield _cells(name, value, run, _decode(held))


def _amended(database: Database) -> Iterator[list[str]]:
    for name, value, run, held, current in database.fetch_all(_SELECT.format("NOT")):
        yield [*_cells(name, value, run, _decode(held)), _details(_decode(current))]


def _cells(name: str, value: str, run: int, entry: StoredEntry) -> list[str]:
    created = quoted(utc_text(entry.created))
    identifier = [quoted(name), quoted(value)]
    return [*identifier, str(entry.event_log_id), quoted(entry.event_name), created, str(run), _details(entry)]


def _details(entry: StoredEntry) -> str:
    details = [msgspec.structs.asdict(detail) for detail in entry.details]
    return quoted(msgspec.json.Encoder(decimal_format="string").encode(details).decode())


def _decode(encoded: bytes) -> StoredEntry:
    return msgspec.msgpack.decode(encoded, type=StoredEntry)


def _write(path: Path, columns: Sequence[str], rows: Iterator[list[str]]) -> None:
    with temporary_file(path) as file:
        file.write(",".join(columns).encode() + b"\n")
        for row in rows:
            file.write(",".join(row).encode() + b"\n")
