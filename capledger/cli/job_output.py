"""What ``backfill`` prints of a job: what is unusual about it, its result, and how to go on."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from capledger.cli.exit_codes import INTERRUPTED, SET_ASIDE, print_message
from capledger.cli.progress import format_duration
from capledger.cli.tables import format_count, printable

if TYPE_CHECKING:
    from capledger.backfill import CustomersReport, Estimate, Manifest, PlanSummary

#: Share of repeated customers from which a list is suspicious.
_MANY_REPEATS: Final = 0.1


def print_customers(report: "CustomersReport") -> None:
    """Print what was found in the file of customers, if it is worth knowing."""
    if report.ignored_columns:
        print_message(f"ignored columns: {', '.join(map(printable, report.ignored_columns))}")
    if report.reformatted:
        print_message(f"{format_count(report.reformatted, 'mobile number')} brought to digits alone")


def print_plan(summary: "PlanSummary", *, retry: bool) -> None:
    """Print what the job is going to do, if it is not what one expects."""
    print_repeats(summary.duplicates, summary.queries)
    if summary.continued and summary.added:
        print_message(f"{format_count(summary.added, 'new customer')} added to the job")
    if summary.continued and summary.missing:
        print_message(
            f"{format_count(summary.missing, 'customer')} of the job not in the list any more: kept in the job"
        )
    if retry and not summary.to_fetch:
        print_message("no customer is set aside: nothing to retry")


def print_repeats(repeats: int, lines: int) -> None:
    """Print how many lines of the list repeat an earlier one, if there are many."""
    if repeats > lines * _MANY_REPEATS:
        print_message(
            f"WARNING: {repeats:,} of {lines:,} lines ({repeats / lines:.0%}) repeat an earlier customer; "
            "is it the right file? Each customer is fetched once"
        )


def print_failures_of_sample(result: "Estimate") -> None:
    """Print why customers of a sample failed, if any did."""
    if result.failed:
        print_message(f"{result.failed:,} of the sample failed{_reason(result.errors, result.failed)}")


def _reason(errors: dict[str, int], total: int) -> str:
    """Return the most frequent error, and how many have it."""
    for error, count in errors.items():
        return f" with {error}" if count == total else f", {count:,} of them with {error}"
    return ""


def is_finished_before(summary: "PlanSummary", manifest: "Manifest", *, retry: bool) -> bool:
    """Return whether the job was finished before the run, so that nothing was left to fetch."""
    return summary.continued and not (summary.to_fetch or retry) and manifest.finished


def print_finished_before(manifest: "Manifest") -> None:
    """Print to which end a finished job has fetched, and what fetches later entries."""
    ends = {item.end for item in manifest.ranges}
    end = f" to {max(ends):%Y-%m-%d %H:%M:%S %Z}" if ends else ""
    print_message(
        f"this job was finished before, with the entries{end}; capledger sync CUSTOMERS --out DIR adds later ones"
    )


def exit_code(manifest: "Manifest", out: Path, *, stopped: bool) -> int:
    """Return the exit code of a job, and print how to go on with one that is not finished."""
    failed = manifest.set_aside + manifest.incomplete
    if failed:
        print_message(f"{failed:,} set aside{_reason(manifest.errors, failed)}; see {out / 'set-aside.csv'}")
    if manifest.unproven:
        ledgers = format_count(manifest.unproven, "ledger")
        print_message(f"{ledgers} not proven complete: kept, with the state unproven in the table of customers")
    if not manifest.finished and stopped:
        done = manifest.done + manifest.empty + manifest.unproven
        customers = format_count(manifest.customers, "customer")
        print_message(f"stopped with {done:,} of {customers} done; the same command goes on from here")
        return INTERRUPTED
    if not manifest.finished:
        customers = format_count(manifest.planned, "customer")
        print_message(f"{customers} still to be fetched: run the command without --retry-set-aside")
    return SET_ASIDE if failed + manifest.unproven else 0


def format_manifest(manifest: "Manifest") -> str:
    """Return the results of a job in a few lines."""
    failed = manifest.set_aside + manifest.incomplete
    left = "" if manifest.finished else f", {manifest.planned:,} to be fetched"
    lines = [
        _format_entries(manifest),
        f"{format_count(manifest.empty, 'customer')} without entries, {failed:,} set aside{left}",
        f"{format_count(manifest.requests, 'request')}, {manifest.retries:,} of them retries",
    ]
    if manifest.balances is not None:
        lines.append(f"{format_count(manifest.balances.rows, 'row')} of balances in {manifest.balances.file}")
    if manifest.duplicates:
        lines.append(f"{format_count(manifest.duplicates, 'repeat')} among the customers, fetched once")
    return "".join(f"{line}\n" for line in lines)


def _format_entries(manifest: "Manifest") -> str:
    """Return where the entries are; those of a job that was stopped may be in no file yet."""
    customers = format_count(manifest.done + manifest.unproven, "customer")
    files = format_count(len(manifest.files), "file")
    if not (manifest.finished or manifest.entries + manifest.staged):
        return "no entries yet"
    if not manifest.staged:
        return f"{format_count(manifest.entries, 'entry', 'entries')} of {customers} in {files}"
    fetched = f"{format_count(manifest.entries + manifest.staged, 'entry', 'entries')} of {customers} fetched"
    written = f"{manifest.entries:,} in {files}, " if manifest.files else ""
    return f"{fetched}: {written}{manifest.staged:,} for the next file, kept in job.sqlite"


def format_estimate(result: "Estimate") -> str:
    """Return what a job will take in a few lines."""
    rate = f"{format_count(round(result.requests_per_minute), 'request')} a minute"
    reason = "the limit" if result.limited else "as fast as the service responds"
    repeats, sampled = format_count(result.duplicates, "repeat"), format_count(result.sampled, "customer")
    customers = f"{format_count(result.customers, 'customer')} ({repeats} left out)"
    if not result.left:
        return f"{customers}, none to be fetched\n"
    lines = [
        f"{customers}, {result.left:,} to be fetched",
        (
            f"about {format_count(result.requests, 'request')}{_for_balances(result)} for "
            f"{format_count(result.entries, 'entry', 'entries')}"
        ),
        f"about {format_duration(result.seconds)} at {rate} ({reason})",
        (
            f"from a sample of {sampled}, {result.failed:,} of whom failed: "
            f"{format_count(result.sample_requests, 'request')}"
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


def _for_balances(result: "Estimate") -> str:
    return f" ({result.balance_requests:,} of them for balances)" if result.balance_requests else ""
