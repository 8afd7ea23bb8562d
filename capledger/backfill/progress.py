"""How far a job is."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from attrs import define, field, frozen

from capledger.backfill.plan import noted_identity
from capledger.walk import LedgerWalk

if TYPE_CHECKING:
    from capledger.backfill.database import Store

_MINUTE: Final = 60.0


@frozen(kw_only=True)
class Progress:
    """One moment of a job; no identifier is in it."""

    #: Customers of the job, each once.
    customers: int
    #: Of these, the ones of whom everything is known: done, empty, incomplete and set aside together.
    finished: int
    #: With entries, all of them fetched.
    done: int
    #: Without entries.
    empty: int
    #: Whose ledger the service could not give whole.
    incomplete: int
    #: Who failed for good.
    set_aside: int
    #: Repeats that were left out of the plan.
    duplicates: int
    #: Entries of customers who are done, in files or staged, and of those being read.
    entries: int
    #: Sent by this run, retries included.
    requests: int
    retries: int
    #: Requests sent in the last minute.
    requests_per_minute: float
    #: Seconds since this run began.
    elapsed: float
    #: Seconds that the rest takes at the rate of this run; None while that is not known.
    seconds_left: float | None


@define
class Tally:
    """Counts of a job, brought up to date as it goes."""

    customers: int = 0
    duplicates: int = 0
    states: dict[str, int] = field(factory=dict)
    entries: int = 0
    requests: int = 0
    retries: int = 0
    #: Customers finished by this run.
    finished_now: int = 0
    #: To be finished by this run.
    wanted: int = 0
    began: float = 0.0
    walks: set[LedgerWalk] = field(factory=set)
    _sent: deque[tuple[float, int]] = field(factory=deque)

    def walk_over(self, walk: LedgerWalk) -> None:
        """Count a walk that is under way no more."""
        self.walks.discard(walk)
        self.requests += walk.report.requests
        self.retries += walk.report.retries

    def ended(self, state: str, rows: int) -> None:
        """Count a customer of whom everything is known."""
        self.states[state] = self.states.get(state, 0) + 1
        self.finished_now += 1
        if state == "done":
            self.entries += rows

    def moment(self, now: float) -> Progress:
        """Give how far it is; *now* is in seconds of the clock that ``began`` is by."""
        done, empty, incomplete, aside = (
            self.states.get(name, 0) for name in ("done", "empty", "incomplete", "set_aside")
        )
        requests = self.requests + sum(walk.report.requests for walk in self.walks)
        return Progress(
            customers=self.customers,
            finished=done + empty + incomplete + aside,
            done=done,
            empty=empty,
            incomplete=incomplete,
            set_aside=aside,
            duplicates=self.duplicates,
            entries=self.entries + sum(walk.report.rows_yielded for walk in self.walks),
            requests=requests,
            retries=self.retries + sum(walk.report.retries for walk in self.walks),
            requests_per_minute=self._rate(now, requests),
            elapsed=now - self.began,
            seconds_left=self._seconds_left(now),
        )

    def _rate(self, now: float, requests: int) -> float:
        self._sent.append((now, requests))
        while len(self._sent) > 1 and self._sent[0][0] < now - _MINUTE:
            self._sent.popleft()
        since, sent = self._sent[0] if now - self._sent[0][0] > 1 else (self.began, 0)
        return (requests - sent) / max(now - since, 0.001) * _MINUTE

    def _seconds_left(self, now: float) -> float | None:
        if not self.finished_now:
            return None
        return max(0, self.wanted - self.finished_now) * (now - self.began) / self.finished_now


def read_tally(store: Store, *, retried_alone: bool) -> Tally:
    """Give the counts of a job as it stands."""
    states = dict(store.ask("SELECT state, count(*) FROM customers GROUP BY state"))
    wanted = "SELECT count(*) FROM customers WHERE state = 'planned' AND retry >= ?"
    customers = sum(states.values())
    return Tally(
        customers=customers,
        duplicates=noted_identity(store).customers - customers,
        states=states,
        entries=store.number("SELECT sum(rows) FROM customers WHERE state = 'done'"),
        wanted=store.number(wanted, int(retried_alone)),
    )
