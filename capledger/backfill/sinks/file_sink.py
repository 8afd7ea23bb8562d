"""The base of sinks that write a file for each batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import IO, TYPE_CHECKING

from capledger.backfill.files import remove_temporary_files, temporary_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from capledger.backfill.sinks.protocol import Chunks


class FileSink(ABC):
    """Writes each batch as a file ``entries-00001.<suffix>``."""

    format: str
    suffix: str
    one_file = False

    def __init__(self) -> None:
        self._directory: Path | None = None

    def open(self, directory: Path) -> None:
        """Remove temporary files of an earlier process."""
        self._directory = directory
        remove_temporary_files(directory)

    def find(self, number: int) -> str | None:
        """Return the file if it exists: it gets its name only when it is complete."""
        path = self._path(number)
        return path.name if path.exists() else None

    def write(self, number: int, chunks: Chunks) -> str:
        """Write a temporary file and rename it."""
        path = self._path(number)
        with temporary_file(path) as file:
            self.write_to(file, chunks)
        return path.name

    @abstractmethod
    def write_to(self, file: IO[bytes], chunks: Chunks) -> None:
        """Write the rows into an open file."""

    def merge(self, number: int, paths: Sequence[Path]) -> str:
        """Write the rows of files of this format into another one; return its name."""
        path = self._path(number)
        with temporary_file(path) as file:
            self.copy_to(file, paths)
        return path.name

    @abstractmethod
    def copy_to(self, file: IO[bytes], paths: Sequence[Path]) -> None:
        """Copy the rows of files of this format into an open file."""

    def close(self) -> None:
        """Forget the directory; every file in it is complete."""
        self._directory = None

    def _path(self, number: int) -> Path:
        if self._directory is None:
            raise RuntimeError("the sink has not been opened")
        return self._directory / f"entries-{number:05}{self.suffix}"
