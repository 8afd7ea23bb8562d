"""The sandbox: a real HTTP server on loopback that answers as the points-ledger service does."""

from __future__ import annotations

import time
from asyncio import get_running_loop, sleep
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import UTC, tzinfo
from inspect import isawaitable
from typing import TYPE_CHECKING, Final, Self

import msgspec
from aiohttp import web

from capledger.sandbox.accounts import Directory
from capledger.sandbox.auth import AuthGate
from capledger.sandbox.customers import STORES, SandboxCustomer, SandboxGroup, Store
from capledger.sandbox.demo import demo_holders
from capledger.sandbox.events_endpoint import events_page
from capledger.sandbox.ledger_endpoint import Asked, ledger_page
from capledger.sandbox.params import subject
from capledger.sandbox.rate_limiter import Meter
from capledger.sandbox.request_log import LoggedRequest
from capledger.sandbox.responses import Refusal
from capledger.sandbox.rows import ORG_ID, Row
from capledger.sandbox.rules import Rules
from capledger.sandbox.stores import Places
from capledger.sandbox.turns import FaultScript, Turn

if TYPE_CHECKING:
    from types import TracebackType

_TOKEN_PATH: Final = "/v3/oauth/token/generate"  # noqa: S105  # a path
#: Seconds that answers under way have to finish when the sandbox is closed; 0 would be for ever.
_GRACE: Final = 0.01
#: What answers at each path, and whether it knows scopes.
_ENDPOINTS: Final = {
    f"/{version}/pointsLedger/{resource}": (answer, scoped)
    for version, scoped in (("v2", False), ("v2.1", True))
    for resource, answer in (("getCustomerLedgerInfo", ledger_page), ("getLedgerExplodeInfo", events_page))
}

#: Called with the sandbox and each request before it is answered; may add rows, and may be a coroutine function.
Watcher = Callable[["Sandbox", LoggedRequest], Awaitable[None] | None]


class Sandbox:
    """
    A points-ledger service of your own, for tests and for trying things out.

    ::

        async with Sandbox() as box:
            ...  # ask box.url, with user "store.server" and password "server123"

    Without customers it has the demo's. It keeps its rows in memory, and forgets them when it is closed.
    """

    def __init__(
        self,
        customers: Iterable[SandboxCustomer] = (),
        *,
        groups: Iterable[SandboxGroup] = (),
        rules: Rules | None = None,
        users: Mapping[str, str] | None = None,
        clients: Mapping[str, str] | None = None,
        denied: Collection[str] = (),
        faults: FaultScript | None = None,
        on_request: Watcher | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        timezone: tzinfo = UTC,
        org_id: int = ORG_ID,
        connected_orgs: Iterable[int] | None = None,
        stores: Iterable[Store] = STORES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        ``users`` are plain passwords by name, ``clients`` OAuth secrets by key, ``denied`` those who get a 403.

        ``timezone`` is the zone of every naive date; ``connected_orgs`` are those of the customers if not given;
        ``clock`` (seconds) rules the tokens, the rate limit and the times in the log.
        """
        given: list[SandboxCustomer | SandboxGroup] = [*customers, *groups]
        holders = given or demo_holders()
        #: May be exchanged at any time; the next request goes by it.
        self.rules = rules or Rules()
        #: Which requests go wrong and how; may be exchanged at any time.
        self.faults = faults
        #: Called before each answer.
        self.on_request = on_request
        #: Every request so far, in order of arrival.
        self.requests: list[LoggedRequest] = []
        #: The most requests that were being answered at once.
        self.max_in_flight = 0
        #: The credentials and tokens.
        self.gate = AuthGate(
            users={"store.server": "server123"} if users is None else users,
            clients={"sandbox-key": "sandbox-secret"} if clients is None else clients,
            denied=denied,
            clock=clock,
        )
        self._directory = Directory(holders, org_id=org_id, connected=connected_orgs)
        self._places = Places(stores)
        self._zone = timezone
        self._clock = clock
        self._meter = Meter(clock)
        self._address = host, port
        self._in_flight = 0
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen; ``url`` is known from here on."""
        server = web.Server(self._handle, access_log=None, handler_cancellation=True)
        self._runner = web.ServerRunner(server, shutdown_timeout=_GRACE)
        await self._runner.setup()
        await web.TCPSite(self._runner, *self._address).start()

    async def close(self) -> None:
        """Stop listening, and drop what is still being answered."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def running(self) -> bool:
        """True between ``start`` and ``close``."""
        return self._runner is not None and bool(self._runner.addresses)

    @property
    def url(self) -> str:
        """The base URL, such as ``http://127.0.0.1:40123``."""
        if self._runner is None:
            raise RuntimeError("the sandbox is not running; use it with `async with`")
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    def append(self, identifier_value: str, row: Row) -> None:
        """Write one more entry into the ledger of a customer or group, wherever its date puts it."""
        self._directory.by_value(identifier_value).append(row)

    def add(self, holder: SandboxCustomer | SandboxGroup) -> None:
        """Make one more customer or group known."""
        self._directory.add(holder)

    def expire_tokens(self) -> None:
        """Every token handed out so far is answered with 498."""
        self.gate.expire_tokens()

    def revoke_tokens(self) -> None:
        """Every token handed out so far is answered with 401."""
        self.gate.revoke_tokens()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        logged = self._log(request)
        try:
            answer = await self._answer(request, logged)
            cut = request.transport is None or request.transport.is_closing()
            logged.status = None if cut else answer.status
            return answer
        finally:
            logged.finished = self._clock()
            self._in_flight -= 1

    def _log(self, request: web.BaseRequest) -> LoggedRequest:
        logged = LoggedRequest(
            method=request.method,
            path=request.path,
            query=dict(request.rel_url.query),
            url=request.path_qs,
            headers={name.lower(): value for name, value in request.headers.items()},
            started=self._clock(),
            in_flight=self._in_flight,
        )
        self.requests.append(logged)
        return logged

    async def _answer(self, request: web.BaseRequest, logged: LoggedRequest) -> web.StreamResponse:
        """The limit first, then the watcher, and a fault or the honest answer, sent when the latency is over."""
        due = get_running_loop().time() + self.rules.latency
        refusal = None if request.path == _TOKEN_PATH else self._meter.refusal(self.rules)
        if refusal is not None:
            return refusal
        if self.on_request is not None:
            called = self.on_request(self, logged)
            if isawaitable(called):
                await called
        fault = None if self.faults is None else self.faults(logged)
        if fault is None:
            answer = await self._honest(request, {})
            await _until(due)
            return answer
        logged.fault = fault.name
        await _until(due)
        return await fault.play(Turn(request, logged, self._honest))

    async def _honest(self, request: web.BaseRequest, changed: Mapping[str, str]) -> web.Response:
        """The answer without any fault; ``changed`` parameters stand in for those that were sent."""
        try:
            if request.path == _TOKEN_PATH:
                return await self._token(request)
            return self._resource(request, {**request.rel_url.query, **changed})
        except Refusal as refusal:
            return refusal.answer()

    async def _token(self, request: web.BaseRequest) -> web.Response:
        _only(request, "POST")
        try:
            body = msgspec.json.decode(await request.read())
        except msgspec.DecodeError:
            body = None
        return self.gate.token(body, self.rules)

    def _resource(self, request: web.BaseRequest, query: Mapping[str, str]) -> web.Response:
        answer, scoped = _ENDPOINTS.get(request.path, (None, False))
        if answer is None:
            raise Refusal(404, "Not found", status=404)
        _only(request, "GET")
        self.gate.admit(request.headers, self.rules)
        about = subject(query, scoped=scoped)
        orgs = self._directory.scope(request.headers) if scoped else self._directory.own()
        asked = Asked(query, about, self.rules, self._places, self._zone, scoped)
        return answer(self._directory.find(about, orgs), asked)


async def _until(due: float) -> None:
    """Wait for a moment of the event loop's time, as what an answer takes to be made is part of its latency."""
    left = due - get_running_loop().time()
    if left > 0:
        await sleep(left)


def _only(request: web.BaseRequest, method: str) -> None:
    if request.method != method:
        raise Refusal(405, "Method not allowed", status=405)
