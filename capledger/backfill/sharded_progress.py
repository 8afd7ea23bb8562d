"""The progress of a job, summed over its shards."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from capledger.backfill.progress import JobProgress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from capledger.backfill.shard import ShardResult

_STATES: Final = ("done", "empty", "unproven", "incomplete", "set_aside")
_MINUTE: Final = 60.0


class ProgressSum:
    """Sums up what shards have reported, those that are finished and those under way."""

    def __init__(self, customers: int) -> None:
        self._customers = customers
        self._started = time.monotonic()
        self._requests = deque([(0.0, 0)])
        """Requests at earlier moments, back to a minute ago."""

    def of(self, results: Mapping[int, ShardResult], reports: Mapping[int, Mapping[str, Any]]) -> JobProgress:
        """Return the progress at this moment.

        Args:
            results: of finished shards.
            reports: fields of a :class:`JobProgress` of each shard under way.
        """
        under_way = [report for number, report in reports.items() if number not in results]
        over = list(results.values())
        states = {
            name: sum(result.manifest.states[name] for result in over) + sum(report[name] for report in under_way)
            for name in _STATES
        }
        elapsed, finished = time.monotonic() - self._started, sum(states.values())
        requests = sum(result.requests for result in over) + sum(report["requests"] for report in under_way)
        return JobProgress(
            customers=self._customers,
            finished=finished,
            **states,
            duplicates=0,
            entries=sum(result.manifest.entries for result in over) + sum(report["entries"] for report in under_way),
            requests=requests,
            retries=sum(result.retries for result in over) + sum(report["retries"] for report in under_way),
            requests_per_minute=self._in_last_minute(elapsed, requests),
            elapsed=elapsed,
            seconds_left=(self._customers - finished) * elapsed / finished if finished and requests else None,
            **_last_failure(under_way),
        )

    def _in_last_minute(self, elapsed: float, requests: int) -> int:
        self._requests.append((elapsed, requests))
        while len(self._requests) > 1 and self._requests[1][0] <= elapsed - _MINUTE:
            self._requests.popleft()
        return requests - self._requests[0][1]


def _last_failure(reports: list[Mapping[str, Any]]) -> dict[str, Any]:
    failed = [report for report in reports if report["seconds_since_failure"] is not None]
    latest: Mapping[str, Any] = min(failed, key=lambda report: report["seconds_since_failure"], default={})
    return {name: latest.get(name) for name in ("last_failure", "seconds_since_failure")}
