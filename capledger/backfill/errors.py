"""The errors of backfills, beside those of every session.

::

    CapledgerError
    ├── InvalidQueryError
    │   └── CustomersError          the file of customers cannot be used; nothing was sent
    ├── ConfigurationError
    │   └── DirectoryInUseError     another process uses the directory
    ├── JobStoppedError             the service fails; nobody was set aside, and the same call continues
    ├── StorageError                the directory, its job.sqlite or a data file cannot be read or written
    ├── DamagedFilesError           data files of the job are missing or were changed
    └── MisfitError                 a value does not fit its column; only the customer is set aside
"""

from __future__ import annotations

from typing import Literal

from attrs import define, frozen

from capledger.errors import CapledgerError, ConfigurationError, InvalidQueryError

Reason = Literal["missing", "changed"]


@frozen(kw_only=True)
class FileProblem:
    """A data file that is not as it was written."""

    file: str
    """Path relative to the directory of the job."""
    reason: Reason
    """Whether the file is absent, or its size, SHA-256 or content differs."""
    customers: int
    """Number of customers whose entries are in the file."""


class CustomersError(InvalidQueryError):
    """A file of customers cannot be used.

    The message has the number of the line and what to do, and nothing of the line's content.
    """


class DirectoryInUseError(ConfigurationError):
    """Another process uses the directory: wait until it ends, or stop it."""


@define(slots=False)
class JobStoppedError(CapledgerError):
    """The service fails for everybody, so the run was stopped; the same call continues the job."""

    left: int = 0
    """Number of customers still to be fetched."""


@define(slots=False)
class StorageError(CapledgerError):
    """The directory of a job, its ``job.sqlite`` or a data file cannot be read or written."""

    resumable: bool = True
    """Whether the same call continues the job once the cause is removed."""


@define(slots=False)
class DamagedFilesError(CapledgerError):
    """Data files of the job are missing or were changed; ``Backfill(repair=True)`` fetches their customers again."""

    problems: tuple[FileProblem, ...] = ()
