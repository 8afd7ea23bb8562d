"""``publish``: the files of a data set into a table of Delta Lake or Iceberg, each once."""

from __future__ import annotations

import hashlib
import io
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import frozen

from capledger.backfill.errors import StorageError
from capledger.backfill.files import storage_errors
from capledger.backfill.manifest import MANIFEST, DataFile, Manifest
from capledger.backfill.object_store import ObjectStore, is_object_store
from capledger.errors import CapledgerError, InvalidQueryError
from capledger.frames.arrow import arrow_schema
from capledger.frames.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

_APP: Final = "capledger"
_REPLACED: Final = (
    "files that the table has were replaced in the data set, such as by capledger compact or --repair: "
    "publish to a new table"
)


@frozen(kw_only=True)
class Publication:
    """What was added to a table."""

    files: int
    """Number of files added."""
    entries: int
    """Number of entries in them."""
    known: int
    """Number of files that the table had already."""


class _DataSet:
    """The manifest and the files of a directory or of an object store."""

    def __init__(self, out: str | PathLike[str]) -> None:
        self._store = ObjectStore(str(out)) if is_object_store(out) else None
        self.root = str(out).rstrip("/") if self._store else str(Path(out).absolute())
        self.manifest = self._store.read_manifest() if self._store else _read_manifest(Path(out))
        if self.manifest.format != "parquet":
            raise InvalidQueryError(f"the files are {self.manifest.format}, and tables take those of --format parquet")

    def location(self, file: DataFile) -> str:
        """Return the URL or the absolute path of a file."""
        return f"{self.root}/{file.file}"

    def open(self, file: DataFile) -> Any:  # noqa: ANN401 - a path or a file, for pyarrow
        """Return what pyarrow can read."""
        return io.BytesIO(self._store.read(file.file)) if self._store else self.location(file)


def _read_manifest(directory: Path) -> Manifest:
    if not (directory / MANIFEST).exists():
        raise InvalidQueryError(f"there is no data set in this directory: it has no {MANIFEST}")
    with storage_errors(MANIFEST):
        return msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)


def publish_delta(out: str | PathLike[str], uri: str) -> Publication:
    """Append the files that a Delta table does not have yet, in one commit; the table is made where it does not exist.

    Rows are copied. The commit names each file in an application transaction, which is compared before the next.

    Args:
        out: directory or URL of a data set of Parquet files.
        uri: of the table, such as ``s3://BUCKET/TABLE`` or a directory.

    Raises:
        InvalidQueryError: there is no data set, it has another format, or files of the table were replaced in it.
        ConfigurationError: deltalake is not installed.
        StorageError: the table or a file cannot be used.
    """
    delta = import_extra("deltalake", "delta")
    from deltalake.exceptions import DeltaError  # noqa: PLC0415 - an extra

    data = _DataSet(out)
    try:
        table = delta.DeltaTable.create(uri, arrow_schema(), mode="ignore")
        known = [file for file in data.manifest.files if table.transaction_version(_file_app(file)) is not None]
        rows = sum(file.rows for file in known)
        if rows != (table.transaction_version(_rows_app(data.manifest)) or 0):
            raise InvalidQueryError(_REPLACED)
        new = [file for file in data.manifest.files if file not in known]
        total = rows + sum(file.rows for file in new)
        marks = [delta.Transaction(_file_app(file), 1) for file in new]
        marks.append(delta.Transaction(_rows_app(data.manifest), total))
        if new:
            properties = delta.CommitProperties(app_transactions=marks)
            delta.write_deltalake(table, _reader(data, new), mode="append", commit_properties=properties)
    except (DeltaError, OSError) as error:
        raise StorageError(f"the Delta table cannot be used ({type(error).__name__})") from error
    return Publication(files=len(new), entries=total - rows, known=len(known))


def _file_app(file: DataFile) -> str:
    return f"{_APP}:file:{file.sha256}"


def _rows_app(manifest: Manifest) -> str:
    """Return the application whose version is the number of rows in the table that come from a data set."""
    identity = repr((manifest.service, manifest.filters, manifest.details))
    return f"{_APP}:rows:{hashlib.sha256(identity.encode()).hexdigest()}"


def _reader(data: _DataSet, files: list[DataFile]) -> Any:  # noqa: ANN401 - pyarrow ships no types
    pa = import_extra("pyarrow", "parquet")
    return pa.RecordBatchReader.from_batches(arrow_schema(), _batches(data, files))


def _batches(data: _DataSet, files: list[DataFile]) -> Iterator[Any]:
    from pyarrow import parquet  # noqa: PLC0415 - an extra, and slow to import

    for file in files:
        with parquet.ParquetFile(data.open(file)) as opened:
            for batch in opened.iter_batches():
                yield batch.cast(arrow_schema())


def publish_iceberg(out: str | PathLike[str], name: str) -> Publication:
    """Add the files that an Iceberg table does not have yet, in one snapshot; it is made where it does not exist.

    Nothing is copied: the table refers to the files where they are, so they must stay there.

    Args:
        out: directory or URL of a data set of Parquet files.
        name: ``CATALOG.NAMESPACE.TABLE``; the catalog is described by ``~/.pyiceberg.yaml`` or the environment.

    Raises:
        InvalidQueryError: there is no data set, it has another format, or files of the table were replaced in it.
        ConfigurationError: pyiceberg is not installed.
        StorageError: the catalog, the table or a file cannot be used.
    """
    import_extra("pyiceberg", "iceberg")
    from pyiceberg.catalog import load_catalog  # noqa: PLC0415 - an extra
    from pyiceberg.exceptions import RESTError  # noqa: PLC0415 - an extra

    catalog_name, _, identifier = name.partition(".")
    if "." not in identifier:
        raise InvalidQueryError("name the table as CATALOG.NAMESPACE.TABLE, such as lake.loyalty.entries")
    data = _DataSet(out)
    try:
        with closing(load_catalog(catalog_name)) as catalog:
            catalog.create_namespace_if_not_exists(identifier.rpartition(".")[0])
            table = catalog.create_table_if_not_exists(identifier, arrow_schema())
            there = _files_of(table)
            locations = {data.location(file): file for file in data.manifest.files}
            if any(
                path.startswith(f"{data.root}/") and (path not in locations or locations[path].bytes != size)
                for path, size in there.items()
            ):
                raise InvalidQueryError(_REPLACED)
            new = {path: file for path, file in locations.items() if path not in there}
            if new:
                table.add_files(list(new))
    except CapledgerError:
        raise
    except (RESTError, OSError, ValueError) as error:
        raise StorageError(
            f"the Iceberg table cannot be used ({type(error).__name__}): describe its catalog in ~/.pyiceberg.yaml"
        ) from error
    return Publication(files=len(new), entries=sum(file.rows for file in new.values()), known=len(locations) - len(new))


def _files_of(table: Any) -> dict[str, int]:  # noqa: ANN401 - of an extra
    """Return the sizes of a table's files, by their locations as we name them."""
    rows = table.inspect.files().select(["file_path", "file_size_in_bytes"]).to_pylist()
    return {row["file_path"].removeprefix("file://"): row["file_size_in_bytes"] for row in rows}
