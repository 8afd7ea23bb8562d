"""What a sink has to do. Write one of your own for ``Backfill(sink=...)``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from capledger.backfill.schema import Row

if TYPE_CHECKING:
    from pathlib import Path

#: Rows in lists of some thousands, so that no more has to be in memory.
Chunks = Iterable[Sequence[Row]]


class Sink(Protocol):
    """Where the rows of finished customers go, in numbered batches of a million rows or so.

    A batch is whole or not there at all. When the process ends between ``write`` and the job's own note of it, the
    next one asks ``find``; what that does not find is written again, with the same rows.
    The methods are called from a thread, one at a time.
    """

    #: Its name; a directory is refused to a job with another.
    format: str
    #: Whether all batches go into one and the same file.
    one_file: bool

    def open(self, directory: Path) -> None:
        """Make ready to write, into ``DIR/entries`` or anywhere else; clear away what is half written."""

    def find(self, number: int) -> str | None:
        """Give the file that holds this batch, whole; None if there is none."""

    def write(self, number: int, chunks: Chunks) -> str:
        """Write a batch; it has to be on the disk when this returns. Give the file's name below the directory."""

    def close(self) -> None:
        """Leave everything in a state that others can read."""
