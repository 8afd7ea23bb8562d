"""Files that are complete or absent: written under a temporary name, forced to the disk, and renamed last.

They contain personal data, so only their owner can read them.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final

from capledger.backfill.errors import StorageError
from capledger.errors import CapledgerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Ends the name of a file that is being written.
TEMPORARY_SUFFIX: Final = ".part"
_PRIVATE_FILE, _PRIVATE_DIRECTORY = 0o600, 0o700


def make_directory(path: Path) -> None:
    """Make a directory that only its owner can enter; leave an existing one as it is."""
    path.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)


@contextmanager
def made_directory(path: Path) -> Iterator[None]:
    """Make a directory with its parents, and remove those at the end that were made here and are empty."""
    with storage_errors(f"the directory {path}"):
        made = [each for each in (path, *path.parents) if not each.exists()]
    try:
        with storage_errors(f"the directory {path}", resumable=False):  # there is no job yet
            make_directory(path)
        yield
    finally:
        with suppress(OSError):  # one that is not empty ends it
            for each in made:
                each.rmdir()


def make_private(path: Path) -> None:
    """Make an empty file that only its owner can read; take the rights of others from an existing one."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, _PRIVATE_FILE))
    path.chmod(_PRIVATE_FILE)


@contextmanager
def storage_errors(what: str, *, resumable: bool = True) -> Iterator[None]:
    """Turn errors of the operating system into ours; *what* cannot be used."""
    try:
        yield
    except CapledgerError:
        raise
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise StorageError(f"{what} cannot be used: {reason}", resumable=resumable) from error


@contextmanager
def temporary_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file as ``<name>.part``; rename it once all of it is on the disk, and never otherwise."""
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    with os.fdopen(os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, _PRIVATE_FILE), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Force the names in a directory to the disk."""
    if os.name == "nt":  # directories cannot be opened there; renames are journalled
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_temporary_files(directory: Path) -> None:
    """Remove what was being written when a process ended."""
    for temporary in directory.glob(f"*{TEMPORARY_SUFFIX}"):
        temporary.unlink()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
