"""Backfills and syncs on a Dask cluster (extra ``dask``), with one rate limit for all workers.

The scheduler needs capledger too: the book of each limit lives there. ``run_backfill`` and ``run_sync`` install it; a
scheduler that is restarted by somebody else can have it from its start, by ``dask scheduler --preload capledger.dask``.
"""

from __future__ import annotations

from capledger.dask.jobs import BackfillJob, JobResult, SyncJob
from capledger.dask.leases import SchedulerLeases
from capledger.dask.run import run_backfill, run_jobs, run_sync
from capledger.dask.scheduler import dask_setup

__all__ = [
    "BackfillJob",
    "JobResult",
    "SchedulerLeases",
    "SyncJob",
    "dask_setup",
    "run_backfill",
    "run_jobs",
    "run_sync",
]
