"""``capledger verify``: whether the data files of a job are as they were written; needs no service."""

import sys
from typing import TYPE_CHECKING

import msgspec
from attrs import asdict

from capledger.cli import options
from capledger.cli.exit_codes import FAILED, LOCKED, exit_on_error, exit_with, writing_to_stdout
from capledger.cli.tables import StdoutConsole, StreamingTable, TableColumn, format_count

if TYPE_CHECKING:
    from capledger.backfill import FileProblem, Verification

EPILOG = options.epilog(
    "capledger verify ledgers",
    "capledger verify ledgers --json | jq .problems",
    connected=False,
    codes={LOCKED: "another process uses DIR"},
)


def verify(*, directory: options.JobDirectory, as_json: options.JsonResult = False) -> None:
    """Compare every data file of a backfill in DIR with what was written.

    Names the files that are missing or were changed. The backfill's command
    with --repair fetches their customers again.
    """
    from capledger.backfill import DirectoryInUseError  # noqa: PLC0415 - help does not need it
    from capledger.backfill import verify as verify_files  # noqa: PLC0415 - help does not need it

    with exit_on_error():
        try:
            result = verify_files(directory)
        except DirectoryInUseError as error:
            exit_with(LOCKED, str(error))
        with writing_to_stdout():
            _print(result, as_json=as_json)
        if result.problems:
            damaged = f"{len(result.problems):,} of {format_count(result.files, 'file')} missing or changed"
            exit_with(FAILED, damaged, "the backfill's command with --repair fetches their customers again")


def _print(result: "Verification", *, as_json: bool) -> None:
    if as_json:
        content = {"ok": not result.problems, **asdict(result)}
        sys.stdout.write(msgspec.json.encode(content).decode() + "\n")
    elif result.problems:
        StreamingTable(StdoutConsole(), _columns()).add(result.problems)
    else:
        files, entries = format_count(result.files, "file"), format_count(result.entries, "entry", "entries")
        sys.stdout.write(f"{files} with {entries}, all as they were written\n")
    sys.stdout.flush()


def _columns() -> "list[TableColumn[FileProblem]]":
    return [
        TableColumn(title="File", cell=lambda problem: problem.file),
        TableColumn(title="Problem", cell=lambda problem: problem.reason),
        TableColumn(title="Customers", cell=lambda problem: f"{problem.customers:,}", justify="right"),
    ]
