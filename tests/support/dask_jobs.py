"""What the workers of a Dask cluster import in tests, and a driver in a process of its own."""

from __future__ import annotations

import os
import sys
from datetime import UTC
from functools import partial

from distributed import Client

from capledger import BasicAuth, LedgerSession
from capledger.dask import run_backfill, run_sync
from support.jobs import queries


def connect(url: str) -> LedgerSession:
    """Return a session as a worker makes it."""
    return LedgerSession(url, BasicAuth("store.server", "server123"), timezone=UTC)


def connect_with_pid(url: str) -> LedgerSession:
    """Return a session whose requests name the process of the worker."""
    auth = BasicAuth("store.server", "server123")
    return LedgerSession(url, auth, timezone=UTC, headers={"X-Process": str(os.getpid())})


def connect_by_environment() -> LedgerSession:
    """Return a session with a password that only the workers have."""
    auth = BasicAuth("store.server", os.environ["CAPLEDGER_PASSWORD"])
    return LedgerSession(os.environ["CAPLEDGER_BASE_URL"], auth, timezone=UTC)


def set_environment(values: dict[str, str]) -> None:
    """Set variables in the process that calls this."""
    os.environ.update(values)


def main(scheduler: str, out: str, url: str, job: str = "backfill") -> None:
    """Run a backfill of 48 customers, or a sync of 20."""
    with Client(scheduler) as client:
        if job == "sync":
            run_sync(client, queries(20), out=out, connect=partial(connect, url))
        else:
            run_backfill(client, queries(48), out=out, connect=partial(connect, url), shard_size=10, format="jsonl")


if __name__ == "__main__":
    main(*sys.argv[1:])
