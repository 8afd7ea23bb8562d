"""Walks over a modelled service through the public session, in virtual time, and what came of them."""

from __future__ import annotations

import asyncio
import random
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from attrs import define, field, frozen

from capledger import BasicAuth, CapledgerError, CustomerLedgerQuery, IncompleteLedgerError, LedgerSession
from support.clock import LoopClock, VirtualTimeLoop
from support.services.model import Service
from support.services.owed import Asked, Key, Oracle, Owed, key_of, window_count

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType, TracebackType

    from yarl import URL


Outcome = Literal["right", "error", "honest", "refused", "wrong", "unproven", "hang", "foreign", "excused"]

#: Outcomes that the product must not have at all.
FAILURES: tuple[Outcome, ...] = ("wrong", "unproven", "hang", "foreign")

#: Seconds of virtual time after which a walk that waits is one that waits for ever.
_FOR_EVER = 1e7
#: Days for which a walk without a start looks where deep pages are refused.
_DAYS_SINCE_2000 = 9_800
#: Seconds of real time after which a walk is one that spins.
_TOO_LONG = 20.0


class ModelHttp:
    """Stands in for the ``aiohttp.ClientSession`` that a caller lends to a session."""

    closed = False

    def __init__(self, service: Service) -> None:
        self._service = service

    def request(self, method: str, url: URL, **_: Any) -> _Exchange:
        return _Exchange(self._service, dict(url.query))


@define(eq=False)
class _Exchange:
    """One request under way, and then its response."""

    service: Service
    params: dict[str, str]
    status: int = 0
    headers: dict[str, str] = field(factory=dict)
    body: bytes = b""

    async def __aenter__(self) -> Self:
        self.status, self.body = self.service.respond(self.params)
        await asyncio.sleep(self.service.latency)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return

    @property
    def content_length(self) -> int:
        return len(self.body)

    @property
    def content(self) -> Self:
        return self

    async def readany(self) -> bytes:
        body, self.body = self.body, b""
        return body

    async def read(self) -> bytes:
        return await self.readany()


@frozen(kw_only=True)
class Plan:
    """How a walk is gone: where it stops and is resumed, and with which options."""

    stops: tuple[int, ...] = ()
    """Entries to take before each stop."""
    page_sizes: tuple[int, ...] = ()
    """Page sizes after each stop; the query's own where there are none."""
    prefetch: int = 4
    on_incomplete: Literal["raise", "warn"] = "raise"


@define
class Came:
    """What a walk gave until it ended."""

    keys: list[Key] = field(factory=list)
    error: BaseException | None = None
    complete: bool = False
    requests: int = 0
    last: int = 0
    """Entries since the last stop."""
    warnings: list[str] = field(factory=list)
    owed: Owed = field(init=False)
    outcome: Outcome = field(init=False)
    problem: str | None = None


def walk_of(service: Service, asked: Asked, plan: Plan | None = None, *, seed: int = 0) -> Came:
    """Walk through a service in virtual time, and judge what came."""
    plan = plan or Plan()
    random.seed(seed)
    came = Came()
    with asyncio.Runner(debug=False, loop_factory=VirtualTimeLoop) as runner:
        try:
            with _alarm():
                runner.run(asyncio.wait_for(_walk(service, asked, plan, came), _FOR_EVER))
        except _SpinningError:
            came.error = TimeoutError("spins without a request")
        except Exception as error:  # noqa: BLE001 - what is not ours is what is looked for
            came.error = error
    came.requests = len(service.requests)
    came.owed = Oracle(service, asked).owed()
    came.outcome, came.problem = _judge(service, asked, plan, came)
    return came


class _SpinningError(BaseException):
    pass


@contextmanager
def _alarm() -> Iterator[None]:
    """Interrupt what takes too long in real time."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise _SpinningError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, _TOO_LONG)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def request_bound(service: Service, asked: Asked, plan: Plan) -> int:
    """Return the requests beyond which a walk is said to spin."""
    page = max(1, min(asked.page_size, service.behaviour.limit_cap, *plan.page_sizes))
    rows = len(service.initial) + sum(len(write.adds) for write in service.writes)
    windows = window_count(asked, service.initial, service.behaviour.span_cap)
    if service.behaviour.deep_rows is not None and asked.start is None:  # windows from the year 2000 on
        windows += _DAYS_SINCE_2000 // max(1, service.behaviour.span_cap - 2)
    return (60 + 8 * (-(-rows // page) + windows)) * (1 + len(plan.stops))


async def _walk(service: Service, asked: Asked, plan: Plan, came: Came) -> None:
    cursor: str | None = None
    for number, stop in enumerate((*plan.stops, None)):
        page_size = (asked.page_size, *plan.page_sizes)[min(number, len(plan.page_sizes))]
        came.last = 0
        async with session_of(service) as session:
            walk = session.entries(
                CustomerLedgerQuery.mobile(
                    "917400000001", start=asked.start, end=asked.end, order=asked.order, page_size=page_size
                ),
                prefetch=plan.prefetch,
                resume_from=cursor,
                on_incomplete=plan.on_incomplete,
            )
            left = stop
            try:
                if left != 0:
                    async for entry in walk:
                        came.keys.append(key_of(entry))
                        came.last += 1
                        left = None if left is None else left - 1
                        if left == 0:
                            break
                    else:
                        left = None
            finally:
                cursor = walk.cursor
                came.complete = walk.report.complete
                came.warnings = [notice.message for notice in walk.report.warnings]
            await walk.aclose()
        if left is None:
            return
        service.stop(number)


def session_of(service: Service) -> LedgerSession:
    """Return a session that talks to a modelled service."""
    return LedgerSession(
        "https://eu.api.capillarytech.com",
        BasicAuth("store.server", "server123"),
        timezone=service.behaviour.zone,
        http=cast("Any", ModelHttp(service)),
        clock=LoopClock(),
    )


def _judge(service: Service, asked: Asked, plan: Plan, came: Came) -> tuple[Outcome, str | None]:
    owed, error = came.owed, came.error
    if service.overrun or isinstance(error, TimeoutError):
        return "hang", f"{came.requests} requests"
    if error is not None and not isinstance(error, CapledgerError):
        return "foreign", repr(error)
    problem = owed.problem(came.keys, order=asked.order, whole=error is None and came.complete)
    if problem is not None and (came.complete or not problem.startswith("misordered")):
        is_loss = problem.startswith("lost")
        return ("excused" if is_loss and not owed.detectable else "wrong"), problem
    if error is not None:
        return _judge_error(owed, asked, came, error), repr(error)
    return _judge_complete(owed, plan, came) if came.complete else _judge_incomplete(owed, asked, plan, came)


def _judge_complete(owed: Owed, plan: Plan, came: Came) -> tuple[Outcome, str | None]:
    """Judge a walk that says that it has everything, and has."""
    claims_too_much = (
        not owed.provable and owed.detectable and (not plan.stops or (not owed.lacks_rows and came.last > 0))
    )
    return ("unproven", "complete, which cannot be known") if claims_too_much else ("right", None)


def _judge_incomplete(owed: Owed, asked: Asked, plan: Plan, came: Came) -> tuple[Outcome, str | None]:
    """Judge a walk that goes on although rows and totals do not add up."""
    if plan.on_incomplete == "raise":
        return "wrong", "ended without an error and is not complete"
    lost = owed.problem(came.keys, order=asked.order, whole=True)
    if lost is None and (not owed.provable or IncompleteLedgerError in owed.errors):
        return "right", None
    return ("honest" if CapledgerError in owed.errors else "refused"), lost or "not complete"


def _judge_error(owed: Owed, asked: Asked, came: Came, error: CapledgerError) -> Outcome:
    if CapledgerError in owed.errors:
        return "error"
    if not isinstance(error, owed.errors):
        return "refused"
    if isinstance(error, IncompleteLedgerError) and not owed.lacks_rows:
        is_whole = owed.problem(came.keys, order=asked.order, whole=True) is None
        return "right" if is_whole else "error" if owed.provable else "refused"
    return "error"
