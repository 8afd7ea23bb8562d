"""Data sets in object storage (extra ``store``): data under names of its own, then one pointer, created or not at all.

A run writes its files on a local disk, puts them under names that no other attempt uses, and then *creates* the pointer
``commits/NAME/00001.json``, a manifest, which fails where it exists. So of several writers one wins, a reader that
follows pointers never sees half of a commit, and data that no pointer names is nothing but waste.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import uuid4

import msgspec
from attrs import asdict, evolve

from capledger.backfill.customer_tables import SET_ASIDE
from capledger.backfill.errors import StorageError
from capledger.backfill.manifest import MANIFEST, Manifest
from capledger.errors import ConfigurationError
from capledger.frames.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Schemes of URLs, each with an example for messages.
SCHEMES: Final = ("s3", "gs", "az", "file")


def is_object_store(out: object) -> bool:
    """Return whether an output is the URL of an object store, and not a directory."""
    return isinstance(out, str) and "://" in out


class ObjectStore:
    """A prefix in a bucket.

    Args:
        url: ``s3://BUCKET/PREFIX``, or of ``gs``, ``az`` or ``file``. Credentials, region and endpoint come from the
            environment, as the provider's own tools read them (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ...).
        single_writer: accept a store that ignores the condition of a put; two runs at once would then lose entries.

    Raises:
        ConfigurationError: the URL cannot be used, or obstore is not installed.
    """

    def __init__(self, url: str, *, single_writer: bool = False) -> None:
        if urlsplit(url).scheme not in SCHEMES:
            raise ConfigurationError(f"the URL of a store begins with one of {', '.join(f'{s}://' for s in SCHEMES)}")
        self._obstore = import_extra("obstore", "store")
        from obstore import exceptions, store  # noqa: PLC0415 - an extra

        self._errors = exceptions
        self.url = url
        self.single_writer = single_writer
        try:
            self._store = store.from_url(url, mkdir=True) if url.startswith("file:") else store.from_url(url)
        except exceptions.BaseError:
            raise ConfigurationError("the URL of the store cannot be used: s3://BUCKET/PREFIX is expected") from None

    def check(self) -> None:
        """Refuse a store that silently ignores the condition of a put; a Ceph gateway does.

        Raises:
            ConfigurationError: it does, and ``single_writer`` is False.
            StorageError: the store cannot be reached.
        """
        if self.single_writer:
            return
        path = f"commits/.canary-{uuid4().hex}"
        with self._storage_errors():
            refused = not (self._create(path, b"1") and self._create(path, b"2"))
            self._obstore.delete(self._store, path)
        if not refused:
            raise ConfigurationError(
                "the store ignores the condition of a put, so two runs could overwrite each other: use another store, "
                "or state that there is only one run at a time (--single-writer)"
            )

    def find(self, name: str) -> Manifest | None:
        """Return the manifest of the latest commit of a name; None before the first."""
        with self._storage_errors():
            number = self._latest(name)
            return None if number is None else self._read(_pointer(name, number))

    def commit(self, name: str, manifest: Manifest, directory: Path) -> Manifest:
        """Put the files of a manifest that the latest commit does not have, and create the next pointer.

        Args:
            name: of the job or of its shard.
            manifest: of the directory; paths are relative to it.
            directory: local.

        Returns:
            the manifest with paths in the store; that of another writer who has finished before.

        Raises:
            StorageError: the store fails, or another writer has committed at the same time and not finished.
        """
        with self._storage_errors():
            number = self._latest(name)
            known = None if number is None else self._read(_pointer(name, number))
            if known is not None and known.finished and not _has_news(known, manifest):
                return known
            stored = self._put_files(name, manifest, known, directory)
            if self._create(_pointer(name, (number or 0) + 1), _encode(stored)):
                return stored
            found = self.find(name)
        if found is not None and found.finished:
            return found
        raise StorageError(f"another run has committed {name} at the same time: start the run again")

    def _put_files(self, name: str, manifest: Manifest, known: Manifest | None, directory: Path) -> Manifest:
        """Put files under names of this attempt; return the manifest with paths in the store."""
        there = {(Path(file.file).name, file.sha256): file for file in (known.files if known else ())}
        folder = f"data/{name}/{uuid4().hex}"
        files = []
        for file in manifest.files:
            stored = there.get((Path(file.file).name, file.sha256))
            if stored is None:
                stored = evolve(file, file=f"{folder}/{Path(file.file).name}")
                self._obstore.put(self._store, stored.file, directory / file.file)
            files.append(stored)
        balances = manifest.balances
        if balances is not None:
            balances = evolve(balances, file=f"{folder}/{Path(balances.file).name}")
            self._obstore.put(self._store, balances.file, directory / (manifest.balances or balances).file)
        if (directory / SET_ASIDE).exists():
            self._obstore.put(self._store, f"data/{name}/{SET_ASIDE}", directory / SET_ASIDE)
        return evolve(manifest, files=tuple(files), balances=balances)

    def write_results(self, manifest: Manifest, set_aside: bytes, directory: Path | None = None) -> None:
        """Put ``manifest.json`` and ``set-aside.csv`` of the whole job, which replace those of an earlier run.

        Args:
            manifest: of the whole job, with paths in the store.
            set_aside: the content of the list.
            directory: local, with the file of balances of a job in shards; None where that is in the store.
        """
        with self._storage_errors():
            if directory is not None and manifest.balances is not None:
                self._obstore.put(self._store, manifest.balances.file, directory / manifest.balances.file)
            self._obstore.put(self._store, SET_ASIDE, set_aside)
            self._obstore.put(self._store, MANIFEST, _encode(manifest))

    def read_manifest(self) -> Manifest:
        """Return the manifest of the whole job.

        Raises:
            StorageError: there is none, or the store fails.
        """
        with self._storage_errors():
            return self._read(MANIFEST)

    def read_set_aside(self, name: str) -> bytes:
        """Return the list of customers that a commit has set aside; empty where there is none."""
        try:
            return self._get(f"data/{name}/{SET_ASIDE}")
        except FileNotFoundError:
            return b""
        except self._errors.BaseError as error:
            raise StorageError(f"the object store cannot be used ({type(error).__name__})") from None

    def _latest(self, name: str) -> int | None:
        prefix = f"commits/{name}/"
        paths = [meta["path"] for chunk in self._obstore.list(self._store, prefix) for meta in chunk]
        return max((int(Path(path).stem) for path in paths), default=None)

    def _read(self, path: str) -> Manifest:
        return msgspec.json.decode(self._get(path), type=Manifest)

    def read(self, path: str) -> bytes:
        """Return an object.

        Raises:
            StorageError: it is not there, or the store fails.
        """
        with self._storage_errors():
            return self._get(path)

    def _get(self, path: str) -> bytes:
        return bytes(self._obstore.get(self._store, path).bytes())

    def _create(self, path: str, body: bytes) -> bool:
        """Put an object that must not exist; return whether it did not."""
        try:
            self._obstore.put(self._store, path, body, mode="overwrite" if self.single_writer else "create")
        except (self._errors.AlreadyExistsError, self._errors.PreconditionError):
            return False
        return True

    @contextmanager
    def _storage_errors(self) -> Iterator[None]:
        try:
            yield
        except (self._errors.BaseError, OSError) as error:
            raise StorageError(f"the object store cannot be used ({type(error).__name__})") from None


def _pointer(name: str, number: int) -> str:
    return f"commits/{name}/{number:05}.json"


def _encode(manifest: Manifest) -> bytes:
    body: Any = asdict(manifest)
    return msgspec.json.format(msgspec.json.encode(body), indent=2) + b"\n"


def _has_news(known: Manifest, manifest: Manifest) -> bool:
    """Return whether a manifest has customers that a finished one does not have, or fewer that failed."""
    return (manifest.customers, manifest.done) > (known.customers, known.done)
