"""Backfills: the ledgers of many customers into files that a warehouse loads, exact after any crash."""

from __future__ import annotations

from capledger.backfill.arrow import arrow_batches
from capledger.backfill.backfill import Backfill
from capledger.backfill.book_checks import CustomerDiscrepancy, DirectoryCheck, check_directory
from capledger.backfill.compaction import Compaction, compact
from capledger.backfill.customers import CustomerReader, CustomersReport, read_customers
from capledger.backfill.errors import (
    CustomersError,
    DamagedFilesError,
    DirectoryInUseError,
    FileProblem,
    JobStoppedError,
    StorageError,
)
from capledger.backfill.estimate import Estimate, estimate
from capledger.backfill.manifest import DataFile, DateRange, Manifest, is_sharded
from capledger.backfill.object_store import ObjectStore
from capledger.backfill.plan import PlanSummary
from capledger.backfill.progress import JobProgress
from capledger.backfill.publish import Publication, publish_delta, publish_iceberg
from capledger.backfill.runs import RunRecord
from capledger.backfill.shard import Shard, ShardResult, SyncShard, cut_shards, run_shard
from capledger.backfill.sharded_sync import ShardedSync
from capledger.backfill.sinks import Chunks, Sink
from capledger.backfill.sync import Sync
from capledger.backfill.verification import Verification, verify
from capledger.frames.arrow import arrow_schema
from capledger.frames.schema import MisfitError, Row

__all__ = [
    "Backfill",
    "Chunks",
    "Compaction",
    "CustomerDiscrepancy",
    "CustomerReader",
    "CustomersError",
    "CustomersReport",
    "DamagedFilesError",
    "DataFile",
    "DateRange",
    "DirectoryCheck",
    "DirectoryInUseError",
    "Estimate",
    "FileProblem",
    "JobProgress",
    "JobStoppedError",
    "Manifest",
    "MisfitError",
    "ObjectStore",
    "PlanSummary",
    "Publication",
    "Row",
    "RunRecord",
    "Shard",
    "ShardResult",
    "ShardedSync",
    "Sink",
    "StorageError",
    "Sync",
    "SyncShard",
    "Verification",
    "arrow_batches",
    "arrow_schema",
    "check_directory",
    "compact",
    "cut_shards",
    "estimate",
    "is_sharded",
    "publish_delta",
    "publish_iceberg",
    "read_customers",
    "run_shard",
    "verify",
]
