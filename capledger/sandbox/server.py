"""The sandbox: an HTTP server on loopback that responds as the points-ledger service does."""

from __future__ import annotations

import time
from asyncio import get_running_loop, sleep
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from datetime import UTC, tzinfo
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web
from attrs import evolve

from capledger.sandbox.accounts import Accounts
from capledger.sandbox.auth import CredentialStore
from capledger.sandbox.balances_endpoint import balances_page
from capledger.sandbox.connections import Connections, reset_connection
from capledger.sandbox.demo import demo_holders
from capledger.sandbox.events_endpoint import events_page
from capledger.sandbox.faults.context import FaultContext, FaultScript
from capledger.sandbox.ledger_endpoint import EndpointRequest, ledger_page
from capledger.sandbox.loop_thread import LoopbackServer, stop_listening
from capledger.sandbox.params import selector
from capledger.sandbox.rate_limiter import ServerRateLimiter
from capledger.sandbox.request_log import LoggedRequest
from capledger.sandbox.responses import ErrorResponse
from capledger.sandbox.rows import ORG_ID, LedgerRow
from capledger.sandbox.rules import Rules
from capledger.sandbox.stores import STORES, Store, Stores

if TYPE_CHECKING:
    from asyncio import Server
    from ssl import SSLContext

    from capledger.sandbox.connections import ClientConnection
    from capledger.sandbox.customers import SandboxCustomer, SandboxGroup

_TOKEN_PATH: Final = "/v3/oauth/token/generate"  # noqa: S105 - a path
#: Seconds that requests in flight may take when the sandbox is closed; 0 would wait without limit.
_GRACE: Final = 0.01
#: The handler of each path, and whether it has scopes.
_ENDPOINTS: Final = {
    f"/{version}/pointsLedger/{resource}": (handler, scoped)
    for version, scoped in (("v2", False), ("v2.1", True))
    for resource, handler in (
        ("getCustomerLedgerInfo", ledger_page),
        ("getLedgerExplodeInfo", events_page),
        ("getCustomerLedgerBalance", balances_page),
    )
}

#: Called with the sandbox and each request before the response; may change rows, and may be a coroutine function.
RequestHook = Callable[["Sandbox", LoggedRequest], Awaitable[None] | None]


class Sandbox(LoopbackServer):
    """
    A local points-ledger service, for tests and experiments.

    ::

        async with Sandbox() as box:
            ...  # send requests to box.url, with user "store.server" and password "server123"

    Code without an event loop uses it as ``with``; the server then runs in a thread of its own, where hooks are called.
    Without customers it has those of the demo. Rows are kept in memory.
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
        on_request: RequestHook | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        ssl: SSLContext | None = None,
        timezone: tzinfo = UTC,
        org_id: int = ORG_ID,
        connected_orgs: Iterable[int] | None = None,
        stores: Iterable[Store] = STORES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Create a sandbox; ``async with`` or ``with`` starts it.

        ``users`` are plain passwords by name, ``clients`` OAuth secrets by key; ``denied`` users and clients get a 403.
        ``ssl`` is the TLS context of the server, None for plain HTTP;
        ``timezone`` is the zone of every naive date; ``connected_orgs`` default to those of the customers; ``clock``
        returns seconds for the tokens, the rate limit and the log.
        """
        holders: list[SandboxCustomer | SandboxGroup] = [*customers, *groups]
        self.rules: Rules = rules or Rules()
        """The rules of the next requests; may be replaced at any time."""
        self.faults = faults
        """The script that selects a fault for each request; may be replaced at any time."""
        self.on_request = on_request
        """Called before each response."""
        self.requests: list[LoggedRequest] = []
        """Every request so far, in the order received."""
        self.max_in_flight: int = 0
        """The most requests that were in flight at once."""
        self.credentials: CredentialStore = CredentialStore(
            users={"store.server": "server123"} if users is None else users,
            clients={"sandbox-key": "sandbox-secret"} if clients is None else clients,
            denied=denied,
            clock=clock,
        )
        """The users, clients and tokens."""
        self._accounts = Accounts(holders or demo_holders(), org_id=org_id, connected=connected_orgs)
        self._stores = Stores(stores)
        self._zone = timezone
        self._clock = clock
        self._rate_limiter = ServerRateLimiter(clock)
        self._connections = Connections(clock)
        self._address = host, port
        self._ssl = ssl
        self._in_flight = 0
        self._numbers = Counter[str]()
        self._server: web.Server | None = None
        self._listener: Server | None = None

    async def start(self) -> None:
        """Start to listen; ``url`` is known afterwards."""
        self._server = web.Server(self._handle, access_log=None, handler_cancellation=True)
        loop = get_running_loop()
        self._listener = await loop.create_server(self._server, *self._address, ssl=self._ssl, backlog=128)

    async def close(self) -> None:
        """Stop listening, and drop the requests in flight."""
        listener, self._listener = self._listener, None
        if self._server is not None and listener is not None:
            await stop_listening(listener)
            self._server.pre_shutdown()
            await self._server.shutdown(_GRACE)

    @property
    def running(self) -> bool:
        """Whether the sandbox listens: True between ``start`` and ``close``."""
        return self._listener is not None

    @property
    def url(self) -> str:
        """Base URL, such as ``http://127.0.0.1:40123``."""
        if self._listener is None:
            raise RuntimeError("the sandbox is not running; start it with `async with` or `with`")
        host, port = self._listener.sockets[0].getsockname()[:2]
        return f"{'http' if self._ssl is None else 'https'}://{host}:{port}"

    def append(self, identifier_value: str, row: LedgerRow) -> None:
        """Add an entry to the ledger of a customer or group, at the position of its date."""
        self._change(lambda: self._accounts.by_value(identifier_value).append(row))

    def remove(self, identifier_value: str, event_log_id: int) -> int:
        """Remove the entries of an event from the ledger of a customer or group; return their number."""
        return self._change(lambda: self._accounts.by_value(identifier_value).remove(event_log_id))

    def add(self, holder: SandboxCustomer | SandboxGroup) -> None:
        """Add a customer or group."""
        self._change(lambda: self._accounts.add(holder))

    def expire_tokens(self) -> None:
        """Expire every token issued so far; requests with one get 498."""
        self.credentials.expire_tokens()

    def revoke_tokens(self) -> None:
        """Forget every token issued so far; requests with one get 401."""
        self.credentials.revoke_tokens()

    def expire_connections(self) -> None:
        """Reset every connection that is open now at its next use, as a NAT does that forgot them."""
        self._connections.expire()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        connection = self._connections.of(request.transport)
        logged = self._log(request, connection)
        stale = connection.is_stale(logged.started, self.rules.idle_timeout)
        connection.requests += 1
        try:
            response = _reset(request, logged) if stale else await self._response(request, logged)
            closed = request.transport is None or request.transport.is_closing()
            logged.status = None if closed else response.status
            return response
        finally:
            logged.finished = connection.last_used = self._clock()
            self._in_flight -= 1

    def _log(self, request: web.BaseRequest, connection: ClientConnection) -> LoggedRequest:
        self._numbers[request.path] += 1
        logged = LoggedRequest(
            method=request.method,
            path=request.path,
            query=dict(request.rel_url.query),
            url=request.path_qs,
            headers={name.lower(): value for name, value in request.headers.items()},
            started=self._clock(),
            number=self._numbers[request.path],
            connection=connection.number,
            reused=connection.requests > 0,
            in_flight=self._in_flight,
        )
        self.requests.append(logged)
        return logged

    async def _response(self, request: web.BaseRequest, logged: LoggedRequest) -> web.StreamResponse:
        """Return the response after the latency: 429, that of a fault, or the regular one."""
        due = get_running_loop().time() + self.rules.latency
        limited = None if request.path == _TOKEN_PATH else self._rate_limiter.check(self.rules)
        if limited is not None:
            return limited
        if self.on_request is not None:
            called = self.on_request(self, logged)
            if isawaitable(called):
                await called
        fault = None if self.faults is None else self.faults(logged)
        respond = partial(self._regular_response, request, logged)
        if fault is None:
            response = await respond({}, {})
            await _wait_until(due)
            return response
        logged.fault = fault.name
        await _wait_until(due)
        return await fault.respond(FaultContext(self, request, logged, respond))

    async def _regular_response(
        self,
        request: web.BaseRequest,
        logged: LoggedRequest,
        parameters: Mapping[str, str],
        rule_changes: Mapping[str, Any],
    ) -> web.Response:
        """Return the response without a fault, with these query parameters and fields of the rules changed."""
        rules = evolve(self.rules, **rule_changes) if rule_changes else self.rules
        try:
            if request.path == _TOKEN_PATH:
                return await self._token(request, rules)
            return self._resource(request, {**request.rel_url.query, **parameters}, rules, logged.number)
        except ErrorResponse as error:
            return error.response()

    async def _token(self, request: web.BaseRequest, rules: Rules) -> web.Response:
        _require_method(request, "POST")
        try:
            body = msgspec.json.decode(await request.read())
        except msgspec.DecodeError:
            body = None
        return self.credentials.token_response(body, rules)

    def _resource(self, request: web.BaseRequest, query: Mapping[str, str], rules: Rules, number: int) -> web.Response:
        handler, scoped = _ENDPOINTS.get(request.path, (None, False))
        if handler is None:
            raise ErrorResponse(404, "Not found", status=404)
        _require_method(request, "GET")
        self.credentials.authenticate(request.headers, rules)
        account = selector(query, scoped=scoped)
        orgs = self._accounts.scope(request.headers) if scoped else self._accounts.own()
        endpoint_request = EndpointRequest(
            query=query,
            selector=account,
            rules=rules,
            stores=self._stores,
            zone=self._zone,
            scoped=scoped,
            number=number,
        )
        return handler(self._accounts.find(account, orgs), endpoint_request)


def _reset(request: web.BaseRequest, logged: LoggedRequest) -> web.Response:
    logged.fault = "stale connection"
    reset_connection(request)
    return web.Response()


async def _wait_until(due: float) -> None:
    """Wait until a time of the event loop; the work for a response is part of its latency."""
    left = due - get_running_loop().time()
    if left > 0:
        await sleep(left)


def _require_method(request: web.BaseRequest, method: str) -> None:
    if request.method != method:
        raise ErrorResponse(405, "Method not allowed", status=405)
