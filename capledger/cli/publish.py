"""``capledger publish``: the files of a backfill into a table of Delta Lake or Iceberg."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from attrs import asdict

from capledger.cli import options
from capledger.cli.exit_codes import UsageError, exit_on_error, writing_to_stdout
from capledger.cli.tables import format_count

if TYPE_CHECKING:
    from capledger.backfill import Publication

EPILOG = options.epilog(
    "capledger publish ledgers --delta s3://lake/entries",
    "capledger publish ledgers --iceberg lake.loyalty.entries",
    connected=False,
    codes={},
)

DataSet = Annotated[str, typer.Argument(metavar="DIR", help="Directory of a backfill, or the URL of its data.")]
Delta = Annotated[str | None, typer.Option(metavar="URI", help="A Delta table, made where it does not exist.")]
Iceberg = Annotated[
    str | None, typer.Option(metavar="CATALOG.NAMESPACE.TABLE", help="An Iceberg table, made where it does not exist.")
]


def publish(*, out: DataSet, delta: Delta = None, iceberg: Iceberg = None, as_json: options.JsonResult = False) -> None:
    """Add the files of DIR to a table, each of them once.

    The same command adds what is new, such as after a sync. Rows are copied into
    a Delta table; an Iceberg table refers to the files of DIR, which must stay
    there.
    """
    with exit_on_error():
        if (delta is None) == (iceberg is None):
            raise UsageError("name one table: --delta URI or --iceberg CATALOG.NAMESPACE.TABLE")
        result = _publish(out, delta, iceberg)
        with writing_to_stdout():
            typer.echo(msgspec.json.encode(asdict(result)).decode() if as_json else _format(result))


def _publish(out: str, delta: str | None, iceberg: str | None) -> Publication:
    from capledger.backfill import publish_delta, publish_iceberg  # noqa: PLC0415 - help does not need it

    return publish_iceberg(out, iceberg) if iceberg is not None else publish_delta(out, delta or "")


def _format(result: Publication) -> str:
    added = f"{format_count(result.entries, 'entry', 'entries')} added in {format_count(result.files, 'file')}"
    return f"{added}, {result.known:,} there already"
