"""Files that are whole or not there: written aside, forced to the disk, and given their name last.

They hold personal data, so what is made here is readable by its owner alone.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Ends the name of a file that is being written.
PART: Final = ".part"
_PRIVATE_FILE, _PRIVATE_DIRECTORY = 0o600, 0o700


def make_directory(path: Path) -> None:
    """Make a directory that its owner alone can enter; one that is there stays as it is."""
    path.mkdir(mode=_PRIVATE_DIRECTORY, parents=True, exist_ok=True)


def make_private(path: Path) -> None:
    """Make an empty file that its owner alone can read; of one that is there, take everybody else's rights."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, _PRIVATE_FILE))
    path.chmod(_PRIVATE_FILE)


@contextmanager
def written_aside(path: Path) -> Iterator[IO[bytes]]:
    """Write a file as ``<name>.part``; it gets its name when all of it is on the disk, and never otherwise."""
    part = path.with_name(path.name + PART)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, _PRIVATE_FILE), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Force a directory's names to the disk."""
    if os.name == "nt":  # directories cannot be opened there; renames are journalled
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_parts(directory: Path) -> None:
    """Remove what was being written when a process ended."""
    for part in directory.glob(f"*{PART}"):
        part.unlink()


def digest(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
