"""Backfills: the ledgers of many customers into files that a warehouse loads, exact after any crash."""

from __future__ import annotations

from capledger.backfill.arrow import arrow_batches, arrow_schema
from capledger.backfill.backfill import Backfill
from capledger.backfill.customers import CustomersError, read_customers
from capledger.backfill.estimate import Estimate, estimate
from capledger.backfill.manifest import DataFile, Manifest
from capledger.backfill.progress import JobProgress
from capledger.backfill.schema import MisfitError, Row
from capledger.backfill.shard import Shard, cut_shards, run_shard
from capledger.backfill.sinks import Chunks, Sink
from capledger.backfill.workers import JobStoppedError

__all__ = [
    "Backfill",
    "Chunks",
    "CustomersError",
    "DataFile",
    "Estimate",
    "JobProgress",
    "JobStoppedError",
    "Manifest",
    "MisfitError",
    "Row",
    "Shard",
    "Sink",
    "arrow_batches",
    "arrow_schema",
    "cut_shards",
    "estimate",
    "read_customers",
    "run_shard",
]
