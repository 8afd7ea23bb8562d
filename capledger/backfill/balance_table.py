"""``DIR/balances.parquet`` (or ``.csv``), a row a customer and account, at both ends of the range that was fetched."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from capledger.backfill.balances import unpack_balances
from capledger.backfill.files import sha256_of, temporary_file
from capledger.backfill.manifest import DataFile
from capledger.backfill.sinks.csv import cell
from capledger.frames.arrow import import_arrow, schema_of
from capledger.frames.schema import ACCOUNT_FIELDS, BALANCE_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from capledger.backfill.database import Database
    from capledger.backfill.plan import JobIdentity
    from capledger.frames.schema import Row
    from capledger.models import Balance

BALANCES: Final = "balances"

_NAMES: Final = tuple(column.name for column in BALANCE_COLUMNS)
#: Customers read at once.
_BATCH: Final = 1_000
#: Customers whose entries are in files, all of those that were fetched.
_SELECT: Final = f"""
    SELECT id, identifier_name, identifier_value, opening_at, opening, closing_at, closing
    FROM balances JOIN customers ON customers.id = customer
    WHERE id > ? AND NOT EXISTS (SELECT 1 FROM pages WHERE pages.customer = customers.id)
    ORDER BY id LIMIT {_BATCH}
"""  # noqa: S608 - a constant


def write_balances(database: Database, directory: Path, identity: JobIdentity) -> DataFile | None:
    """Write a row for each customer and account, as Parquet where the entries are, else as CSV.

    Customers are left out while entries of theirs are staged and in no file yet. A customer without balances has one
    row without an account. Where the job fetches no balances, remove those of earlier runs, which may be outdated.
    """
    is_parquet = identity.format == "parquet"
    path = directory / f"{BALANCES}.{'parquet' if is_parquet else 'csv'}"
    if not identity.balances:
        path.unlink(missing_ok=True)
        return None
    with temporary_file(path) as file:
        rows = (_write_parquet if is_parquet else _write_csv)(file, _batches(database))
    return DataFile(file=path.name, rows=rows, bytes=path.stat().st_size, sha256=sha256_of(path))


def join_balances(directory: Path, parts: Iterable[tuple[DataFile, bytes]]) -> DataFile | None:
    """Write the files of shards as one; None, and none is left, where there are no parts."""
    found = list(parts)
    name = Path(found[0][0].file).name if found else None
    for suffix in ("parquet", "csv"):
        if name != f"{BALANCES}.{suffix}":
            (directory / f"{BALANCES}.{suffix}").unlink(missing_ok=True)
    if name is None:
        return None
    path = directory / name
    with temporary_file(path) as file:
        (_join_parquet if path.suffix == ".parquet" else _join_csv)(file, [content for _, content in found])
    rows = sum(part.rows for part, _ in found)
    return DataFile(file=name, rows=rows, bytes=path.stat().st_size, sha256=sha256_of(path))


def _join_csv(file: IO[bytes], contents: list[bytes]) -> None:
    header = ",".join(_NAMES).encode() + b"\n"
    file.write(header)
    file.writelines(content.removeprefix(header) for content in contents)


def _join_parquet(file: IO[bytes], contents: list[bytes]) -> None:
    pa = import_arrow()
    from pyarrow import parquet  # noqa: PLC0415 - an extra, and slow to import

    with parquet.ParquetWriter(file, schema_of(BALANCE_COLUMNS), compression="zstd") as writer:
        for content in contents:
            writer.write_table(parquet.read_table(pa.BufferReader(content)))


def _batches(database: Database) -> Iterator[list[Row]]:
    last = 0
    while customers := database.fetch_all(_SELECT, last):
        yield [row for _, name, value, *ends in customers for row in _rows(name, value, ends)]
        last = customers[-1][0]


def _rows(name: str, value: str, ends: list[Any]) -> Iterator[Row]:
    """Yield the rows of one customer, for every account that has a balance at one end or the other."""
    opening_at, opening, closing_at, closing = ends
    first, last = ({} if packed is None else _by_account(unpack_balances(packed)) for packed in (opening, closing))
    balances: dict[Any, Balance | None] = {**first, **last} or {None: None}
    for account, balance in balances.items():
        yield {
            "identifier_name": name,
            "identifier_value": value,
            **{field: getattr(balance, field, None) for field, _ in ACCOUNT_FIELDS},
            "opening_at": opening_at and datetime.fromisoformat(opening_at),
            "opening_balance": getattr(first.get(account), "closing_balance", None),
            "closing_at": datetime.fromisoformat(closing_at),
            "closing_balance": getattr(last.get(account), "closing_balance", None),
        }


def _by_account(balances: list[Balance]) -> dict[tuple[object, ...], Balance]:
    return {
        (
            balance.program_name if balance.program_id is None else balance.program_id,
            balance.points_category,
            balance.alternate_currency_name,
        ): balance
        for balance in balances
    }


def _write_csv(file: IO[bytes], batches: Iterator[list[Row]]) -> int:
    file.write(",".join(_NAMES).encode() + b"\n")
    count = 0
    for rows in batches:
        file.writelines((",".join(cell(row[name]) for name in _NAMES) + "\n").encode() for row in rows)
        count += len(rows)
    return count


def _write_parquet(file: IO[bytes], batches: Iterator[list[Row]]) -> int:
    pa = import_arrow()
    from pyarrow import parquet  # noqa: PLC0415 - an extra, and slow to import

    schema, count = schema_of(BALANCE_COLUMNS), 0
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for rows in batches:
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count
