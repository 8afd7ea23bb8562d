"""What ``sync`` prints of a run: one line, what needs attention, and the exit code."""

from datetime import timedelta
from typing import TYPE_CHECKING

from capledger.cli.exit_codes import INTERRUPTED, SET_ASIDE, print_message
from capledger.cli.progress import format_duration
from capledger.cli.tables import format_count

if TYPE_CHECKING:
    from capledger.backfill import Manifest, RunRecord


def format_run(run: "RunRecord") -> str:
    """Return what a run has done as one line."""
    entries = format_count(run.entries, "new entry", "new entries")
    changes = [f"{entries} of {format_count(run.changed, 'customer')}" if run.entries else "no new entries"]
    counts = {"late": run.late, "vanished": run.vanished, "amended": run.amended}
    changes += [f"{count:,} {name}" for name, count in counts.items() if count]
    proven = f"{format_count(run.proven, 'customer')} proven in {format_count(run.requests, 'request')}"
    others = {"not proven": run.unproven, "set aside": run.set_aside, "not asked": run.not_asked}
    rest = [proven, *(f"{count:,} {name}" for name, count in others.items() if count)]
    return f"{', '.join(changes)}; {', '.join(rest)}\n"


def sync_exit_code(manifest: "Manifest", overlap: timedelta, *, stopped: bool) -> int:
    """Return the exit code of a run, and print what needs attention."""
    run = manifest.runs[-1]
    if run.unproven:
        back = format_duration(overlap.total_seconds())
        print_message(
            f"{format_count(run.unproven, 'ledger')} not proven complete, since the service's totals do not count the "
            f"entries or events are pending: read back {back}, and kept"
        )
    if run.vanished:
        entries = format_count(run.vanished, "entry", "entries")
        print_message(f"{entries} vanished at the service: kept, and listed in DIR/vanished.csv")
    if run.amended:
        entries = format_count(run.amended, "entry", "entries")
        print_message(f"{entries} changed at the service: kept as before, and listed in DIR/amended.csv")
    if not manifest.finished and stopped:
        done = run.proven + run.unproven + run.set_aside
        customers = format_count(run.customers, "customer")
        print_message(f"stopped with {done:,} of {customers} done; the same command goes on from here")
        return INTERRUPTED
    return SET_ASIDE if run.set_aside + run.unproven + run.vanished else 0
