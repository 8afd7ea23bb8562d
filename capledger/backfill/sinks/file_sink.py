"""What the sinks of one file a batch share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import IO, TYPE_CHECKING

from capledger.backfill.files import remove_parts, written_aside

if TYPE_CHECKING:
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
        """Clear away what is half written."""
        self._directory = directory
        remove_parts(directory)

    def find(self, number: int) -> str | None:
        """A file has its name only when it is whole."""
        path = self._path(number)
        return path.name if path.exists() else None

    def write(self, number: int, chunks: Chunks) -> str:
        """Write a file aside and give it its name."""
        path = self._path(number)
        with written_aside(path) as file:
            self.write_to(file, chunks)
        return path.name

    @abstractmethod
    def write_to(self, file: IO[bytes], chunks: Chunks) -> None:
        """Write the rows into an open file."""

    def close(self) -> None:
        """Let go of the directory; every file in it is whole."""
        self._directory = None

    def _path(self, number: int) -> Path:
        if self._directory is None:
            raise RuntimeError("the sink has not been opened")
        return self._directory / f"entries-{number:05}{self.suffix}"
