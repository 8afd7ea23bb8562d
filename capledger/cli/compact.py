"""``capledger compact``: merges the data files of a directory; needs no service."""

import sys

import msgspec
from attrs import asdict

from capledger.cli import options
from capledger.cli.exit_codes import FAILED, LOCKED, exit_on_error, exit_with, writing_to_stdout
from capledger.cli.tables import format_count

EPILOG = options.epilog(
    "capledger compact ledgers",
    "capledger compact ledgers --json | jq .files",
    connected=False,
    codes={LOCKED: "another process uses DIR"},
)


def compact(*, directory: options.JobDirectory, as_json: options.JsonResult = False) -> None:
    """Merge the data files of a backfill or a sync in DIR, up to a million entries each.

    Readers that go by DIR/manifest.json are not disturbed until it changes. After
    a crash the same command, or the next run, goes on.
    """
    from capledger.backfill import DamagedFilesError, DirectoryInUseError  # noqa: PLC0415 - help does not need it
    from capledger.backfill import compact as merge_files  # noqa: PLC0415 - help does not need it

    with exit_on_error():
        try:
            result = merge_files(directory)
        except DirectoryInUseError as error:
            exit_with(LOCKED, str(error))
        except DamagedFilesError as error:
            exit_with(FAILED, f"{error}; --repair fetches their customers again")
        before, after = format_count(result.files_before, "file"), f"{result.files:,}"
        text = f"{before} before, {after} now, with {format_count(result.entries, 'entry', 'entries')}\n"
        with writing_to_stdout():
            sys.stdout.write(msgspec.json.encode(asdict(result)).decode() + "\n" if as_json else text)
            sys.stdout.flush()
