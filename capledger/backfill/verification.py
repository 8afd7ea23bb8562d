"""``verify``: whether the data files of a job are as they were written; needs no service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from capledger.backfill.errors import FileProblem

if TYPE_CHECKING:
    from os import PathLike


@frozen(kw_only=True)
class Verification:
    """The result of :func:`verify`."""

    files: int
    """Number of data files of the job."""
    entries: int
    """Number of entries in them, according to the job."""
    problems: tuple[FileProblem, ...]
    """The files that are missing or were changed."""

    @property
    def ok(self) -> bool:
        """Whether every file is as it was written."""
        return not self.problems


def verify(directory: str | PathLike[str]) -> Verification:
    """Compare the size and SHA-256 of every data file with those recorded when it was written.

    Args:
        directory: of the job; a copy with ``manifest.json`` and the data files is enough.

    Raises:
        InvalidQueryError: no job was started in the directory.
        DirectoryInUseError: a run uses the directory.
        StorageError: ``job.sqlite`` or a file cannot be read.
    """
    raise NotImplementedError(Path(directory))
