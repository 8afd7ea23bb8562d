"""The protocol of sinks. Write one of your own for ``Backfill(sink=...)``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from capledger.frames.schema import Row

if TYPE_CHECKING:
    from pathlib import Path

#: Rows in lists of about a thousand, so that no more are in memory.
Chunks = Iterable[Sequence[Row]]


class Sink(Protocol):
    """The destination of the rows of finished customers, in numbered batches of about a million rows.

    A batch is complete or absent. When the process ends after ``write`` and before the job's state is updated, the next
    process calls ``find``; a batch that is not found is written again, with the same rows.
    The methods are called from one thread, one at a time.
    """

    format: str
    """Its name; a directory is refused to a job with another one."""
    one_file: bool
    """Whether all batches go into the same file."""

    def open(self, directory: Path) -> None:
        """Prepare to write, into ``DIR/entries`` or anywhere else; remove what is partly written."""

    def find(self, number: int) -> str | None:
        """Return the name of the file that holds this batch completely; None if there is none."""

    def write(self, number: int, chunks: Chunks) -> str:
        """Write a batch, which must be on the disk when this returns; return the file's name below the directory."""

    def close(self) -> None:
        """Leave everything in a state that others can read."""
