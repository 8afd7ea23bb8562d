"""Backfills on a Dask cluster (extra ``dask``), with one rate limit for all workers.

The scheduler needs capledger too: the book of each limit lives there. ``run_backfill`` installs it; a scheduler that is
restarted by somebody else can have it from its start, by ``dask scheduler --preload capledger.dask``.
"""

from __future__ import annotations

from capledger.dask.leases import SchedulerLeases
from capledger.dask.run import BackfillJob, JobResult, run_backfill, run_backfills
from capledger.dask.scheduler import dask_setup

__all__ = ["BackfillJob", "JobResult", "SchedulerLeases", "dask_setup", "run_backfill", "run_backfills"]
