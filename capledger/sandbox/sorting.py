"""The order in which rows are listed, as the rules have it."""

from __future__ import annotations

from datetime import tzinfo
from hashlib import blake2b
from itertools import groupby
from typing import TYPE_CHECKING

from attrs import frozen

from capledger.sandbox.ledger import Ledger
from capledger.sandbox.rules import Order, Rules
from capledger.sandbox.zones import converted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


@frozen
class Sorting:
    """The order of the rows in the response to one request."""

    ledger: Ledger
    order: Order
    rules: Rules
    zone: tzinfo
    """The zone of the dates in rows."""
    request_number: int
    """Number of the ledger request, from 1; random orders depend on it."""

    @property
    def replica(self) -> int:
        """Number of the replica that serves the request, from 0."""
        return (self.request_number - 1) % self.rules.replicas

    def page(self, ranks: Sequence[int], first: int, limit: int) -> Sequence[int]:
        """Return a slice of the ranks, which are ascending, in the order of the response."""
        if self.order in {"SHUFFLED", "RANDOM"}:
            return self._shuffled(ranks, each_request=self.order == "RANDOM")[first : first + limit]
        if self.rules.sort_by == "local":
            ranks = sorted(ranks, key=self._sort_date)
        count = len(ranks)
        if self.order == "ASC":
            return self._slice(ranks, first, min(first + limit, count))
        return self._slice(ranks, max(0, count - first - limit), count - first)[::-1]

    def _slice(self, ranks: Sequence[int], start: int, end: int) -> Sequence[int]:
        """Return the ranks between two positions in ascending order, with ties sorted by the rules."""
        if self.rules.sort_precision == "full" and self.rules.tie_order == "same":
            return ranks[start : max(start, end)]
        if start >= end:
            return ()
        low, high = self._start_of_ties(ranks, start), self._end_of_ties(ranks, end)
        groups = (self._sorted_ties(list(group)) for _, group in groupby(ranks[low:high], key=self._sort_date))
        return [rank for group in groups for rank in group][start - low : end - low]

    def _start_of_ties(self, ranks: Sequence[int], position: int) -> int:
        date = self._sort_date(ranks[position])
        while position > 0 and self._sort_date(ranks[position - 1]) == date:
            position -= 1
        return position

    def _end_of_ties(self, ranks: Sequence[int], position: int) -> int:
        date = self._sort_date(ranks[position - 1])
        while position < len(ranks) and self._sort_date(ranks[position]) == date:
            position += 1
        return position

    def _sort_date(self, rank: int) -> datetime:
        created = self.ledger.created(rank)
        if self.rules.sort_by == "local" and self.rules.response_zone is not None:
            created = converted(created, self.zone, self.rules.response_zone).replace(fold=0)
        return created if self.rules.sort_precision == "full" else created.replace(microsecond=0)

    def _sorted_ties(self, ranks: list[int]) -> list[int]:
        """Return ranks of equal dates in the order for ascending dates; it is reversed for descending ones."""
        tie_order = self.rules.tie_order
        if tie_order in {"random", "replica"}:
            return self._shuffled(ranks, each_request=tie_order == "random")
        descending = self.order == "DESC"
        reverse = {"same": False, "opposite": True, "ascending": descending, "descending": not descending}[tie_order]
        return sorted(ranks, key=lambda rank: (self.ledger.event_log_id(rank), rank), reverse=reverse)

    def _shuffled(self, ranks: Sequence[int], *, each_request: bool) -> list[int]:
        """Return the ranks in an order that depends on the ids and on the request, or on the replica only."""
        salt = f"{self.rules.seed}:{self.request_number if each_request else self.replica}"

        def number(rank: int) -> bytes:
            key = f"{salt}:{self.ledger.event_log_id(rank)}:{rank if each_request else 0}"
            return blake2b(key.encode(), digest_size=8).digest()

        return sorted(ranks, key=number)
