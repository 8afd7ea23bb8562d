from __future__ import annotations

import asyncio
import tracemalloc
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web as aiohttp_web
from hypothesis import given
from hypothesis import strategies as st
from support.clock import virtual_time
from support.service import BASIC, OAUTH, Service, new_context, new_transport, now, page_request, service
from yarl import URL

from capledger import ConfigurationError, ConnectionFailedError, RequestTimeoutError, ServerError, SessionClosedError
from capledger._sansio.requests import Request
from capledger._transport import http as http_module
from capledger._transport.arguments import check_base_url
from capledger._transport.http import HttpClient, with_params
from capledger._transport.retry import RetryPolicy
from capledger.auth import TOKEN_HEADER
from capledger.errors import AnswerTooLargeError
from capledger.sandbox import Fault, Sandbox, faults

if TYPE_CHECKING:
    from aioresponses import aioresponses as AioResponses  # noqa: N812 - a class that is named like a function

    from capledger._transport.authentication import Auth

ONCE = RetryPolicy(attempts=1)


def client(url: str = "https://ledger.example", **options: Any) -> HttpClient:
    return HttpClient(check_base_url(url, allow_plain_http=False), **{"timeout": 30.0, **options})


@pytest.mark.parametrize(
    "url",
    [
        "https://ledger.example",
        "https://ledger.example:8443/gateway/",
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "http://localhost:8080",
    ],
)
def test_these_addresses_will_do(url: str) -> None:
    """Anything over TLS, and plain HTTP to this machine."""
    assert check_base_url(url, allow_plain_http=False) == URL(url)


VALUES = st.text(st.characters(codec="utf-8")) | st.text("0123456789-:,.@_~ +&=%#?/;ABCz", min_size=1)


@given(st.dictionaries(st.sampled_from(["identifierValue", "source", "limit"]), VALUES))
def test_values_are_percent_encoded(params: dict[str, str]) -> None:
    """Whatever a value contains, the URL is the one that yarl makes, and has the value back."""
    url = URL("https://ledger.example:8443/gateway/v2")

    made = with_params(url, params)

    assert made == (url.with_query(params) if params else url)
    assert str(made) == str(url.with_query(params) if params else url)
    assert list(made.query.items()) == list(params.items())


@pytest.mark.parametrize(
    "url",
    [
        "http://ledger.example",
        "http://10.0.0.1",
        "http://127.0.0.1.evil.example",
        "ledger.example",
        "/v2",
        "",
        "ftp://ledger.example",
        "https://",
        "https://user:s3cret@ledger.example",
        "https://s3cret@ledger.example",
        "https://ledger.example/?token=s3cret",
        "https://ledger.example/#s3cret",
        "https://ledger.example:notaport",
        "https://[::1",
        None,
        17,
    ],
)
def test_these_addresses_will_not(url: Any) -> None:
    """What would show credentials, or is no address, is refused, and not repeated in the text."""
    with pytest.raises(ConfigurationError) as caught:
        check_base_url(url, allow_plain_http=False)

    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_plain_http_elsewhere_must_be_allowed() -> None:
    """A proxy inside a cluster, say."""
    assert check_base_url("http://ledger.internal", allow_plain_http=True) == URL("http://ledger.internal")


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "https://ledger.example/gateway/v2/x"),
        ({"a": "1.75", "b": "x y"}, "https://ledger.example/gateway/v2/x?a=1.75&b=x+y"),
        ({"mail": "ann+one@x.example"}, "https://ledger.example/gateway/v2/x?mail=ann%2Bone@x.example"),
        ({"a": "&=#%"}, "https://ledger.example/gateway/v2/x?a=%26%3D%23%25"),
        ({"d": "2026-01-05T10:00:00"}, "https://ledger.example/gateway/v2/x?d=2026-01-05T10:00:00"),
        ({"ids": "1,2"}, "https://ledger.example/gateway/v2/x?ids=1,2"),
        ({"a": "", "b": "2"}, "https://ledger.example/gateway/v2/x?a=&b=2"),
        ({"n": "Ünï"}, "https://ledger.example/gateway/v2/x?n=%C3%9Cn%C3%AF"),
    ],
)
def test_parameters_reach_the_address_exactly(params: dict[str, str], expected: str) -> None:
    """What would mean something in a query string is encoded, and the base's path is kept."""
    request = Request(path="/v2/x", response_type=dict, endpoint="x", params=params)

    assert str(client("https://ledger.example/gateway/")._url(request)) == expected


@pytest.mark.parametrize("auth", [BASIC, OAUTH], ids=["basic", "oauth"])
@virtual_time
async def test_a_redirect_is_not_followed(auth: Auth) -> None:
    """The second host receives nothing at all: no token, no Authorization, no identifier."""
    async with Sandbox() as elsewhere:
        script = faults.on_ledgers(faults.always(faults.redirect(f"{elsewhere.url}/v2/steal")))
        async with service(script, auth=auth) as it:
            with pytest.raises(ServerError, match="redirect"):
                await it.fetch()

            assert [TOKEN_HEADER.lower() in sent.headers for sent in it.box.requests][-1] is (auth is OAUTH)
        assert elsewhere.requests == []


@pytest.mark.parametrize(
    "fault",
    [
        faults.huge(4 << 20),
        faults.gzip_bomb(4 << 20),
        faults.status(200, b" " * (2 << 20)),
        faults.status(503, b" " * (2 << 20)),
    ],
    ids=["chunked", "gzip", "announced", "with an error status"],
)
@virtual_time
async def test_responses_that_are_too_large_are_refused(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it is announced, comes in pieces or unpacks, too much is an error at once, and is not asked for again."""
    monkeypatch.setattr(http_module, "MAX_RESPONSE_BYTES", 1 << 20)
    async with service(faults.always(fault)) as it:
        with pytest.raises(AnswerTooLargeError):
            await it.fetch()

        assert len(it.box.requests) == 1


@virtual_time
async def test_a_response_just_within_the_limit_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit itself is allowed."""
    monkeypatch.setattr(http_module, "MAX_RESPONSE_BYTES", 1 << 20)
    async with service(faults.always(faults.text_body(b"x" * (1 << 20))), retry=ONCE) as it:
        with pytest.raises(ServerError, match="not JSON"):
            await it.fetch()


@virtual_time
async def test_a_decompression_bomb_is_refused_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 32 MiB that a small response unpacks to, little more than the limit is ever held."""
    monkeypatch.setattr(http_module, "MAX_RESPONSE_BYTES", 1 << 20)
    async with service(faults.always(faults.gzip_bomb(32 << 20))) as it:
        await it.transport.open()
        tracemalloc.start()
        try:
            with pytest.raises(AnswerTooLargeError):
                await it.fetch()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert peak < 8 << 20


@virtual_time
async def test_the_time_limit_includes_the_body() -> None:
    """A body that drips is cut off when the time for one attempt is over, however steadily it comes."""
    async with service(faults.always(faults.drip(0.5)), retry=ONCE, timeout=10) as it:
        with pytest.raises(RequestTimeoutError, match="10 s"):
            await it.fetch()

        assert now() == pytest.approx(10, abs=0.1)


@virtual_time
async def test_a_lost_connection_is_not_repeated_by_aiohttp() -> None:
    """By itself aiohttp sends a GET again after a reset, and the budget would not know of it."""
    async with service(faults.first(1, faults.reset()), retry=ONCE) as it:
        await it.transport.open()
        with pytest.raises(ConnectionFailedError):
            await it.fetch()

        assert len(it.box.requests) == 1


@virtual_time
async def test_a_refused_connection_raises() -> None:
    """A refused connection names the reason, and no address with a query."""
    async with Sandbox() as box:
        url = box.url
    transport = new_transport(url, retry=ONCE)
    with pytest.raises(ConnectionFailedError, match="ECONNREFUSED") as caught:
        await transport.fetch(page_request(), new_context())
    await transport.close()

    assert "identifierValue" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "error_class"),
    [
        (aiohttp.ClientPayloadError("https://x/?identifierValue=77001"), ConnectionFailedError),
        (aiohttp.ServerDisconnectedError("77001"), ConnectionFailedError),
        (aiohttp.ClientOSError(104, "77001"), ConnectionFailedError),
        (aiohttp.ClientConnectionError("77001"), ConnectionFailedError),
        (aiohttp.ClientError("77001"), ConnectionFailedError),
        (ConnectionResetError("77001"), ConnectionFailedError),
        (OSError("77001"), ConnectionFailedError),
        (aiohttp.ServerTimeoutError("77001"), RequestTimeoutError),
        (aiohttp.ConnectionTimeoutError("77001"), RequestTimeoutError),
        (TimeoutError("77001"), RequestTimeoutError),
        (aiohttp.InvalidURL("https://x/?identifierValue=77001"), ConfigurationError),
        (ValueError("77001"), ConfigurationError),
    ],
    ids=lambda value: type(value).__name__,
)
@virtual_time
async def test_foreign_errors_become_ours(web: AioResponses, error: Exception, error_class: type[Exception]) -> None:
    """Every error of aiohttp and of the system is one of ours, without its text, which may hold the URL."""
    web.get("https://ledger.example/v2/x?identifierValue=77001", exception=error)
    sender = client()
    sender.open()

    request = Request(path="/v2/x", response_type=dict, endpoint="x", params={"identifierValue": "77001"})
    outcome = await sender.send(request, {})
    await sender.close()

    assert type(outcome) is error_class
    assert "77001" not in repr(outcome) + str(outcome)
    assert isinstance(outcome, Exception)
    assert outcome.__context__ is outcome.__cause__ is None


class Plain:
    """A server that says what came, and tries to leave a cookie."""

    def __init__(self) -> None:
        self.cookies: list[dict[str, str]] = []

    async def handle(self, request: aiohttp_web.BaseRequest) -> aiohttp_web.Response:
        self.cookies.append(dict(request.cookies))
        response = aiohttp_web.json_response({})
        response.set_cookie("_cfuvid", "tracked")
        return response


@virtual_time
async def test_cookies_are_not_kept() -> None:
    """What an edge server sets is not sent back."""
    plain = Plain()
    runner = aiohttp_web.ServerRunner(aiohttp_web.Server(plain.handle))
    await runner.setup()
    await aiohttp_web.TCPSite(runner, "localhost", 0).start()
    sender = client(f"http://localhost:{runner.addresses[0][1]}")
    sender.open()

    for _ in range(2):
        await sender.send(Request(path="/x", response_type=dict, endpoint="x"), {})
    await sender.close()
    await runner.cleanup()

    assert plain.cookies == [{}, {}]


@virtual_time
async def test_a_borrowed_session_is_used_and_left_open() -> None:
    """The caller's session sends, whatever its own time limit and redirects are, and stays the caller's."""
    strict = aiohttp.ClientTimeout(total=0.001)
    async with aiohttp.ClientSession(timeout=strict, raise_for_status=True, auto_decompress=False) as http:
        async with service(faults.nth(2, faults.status(503)), http=http) as it:
            for _ in range(2):
                assert len((await it.fetch()).entries) == 10

        assert not http.closed


@virtual_time
async def test_a_borrowed_session_that_is_closed_raises() -> None:
    """Not a lost connection: nothing to be retried."""
    http = aiohttp.ClientSession()
    async with service(http=http) as it:
        await http.close()
        with pytest.raises(SessionClosedError):
            await it.fetch()


@pytest.mark.filterwarnings("ignore:BasicAuth is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:The 'auth' parameter:DeprecationWarning")
@virtual_time
async def test_a_borrowed_session_with_its_own_credentials_raises() -> None:
    """Two kinds of credentials in one request are a mistake of set-up."""
    async with aiohttp.ClientSession(auth=aiohttp.BasicAuth("other", "s3cret")) as http, service(http=http) as it:
        with pytest.raises(ConfigurationError) as caught:
            await it.fetch()

    assert "s3cret" not in str(caught.value)


@virtual_time
async def test_traces_are_passed_to_aiohttp() -> None:
    """A trace config sees each request that is sent, retries as well."""
    seen: list[str] = []
    trace = aiohttp.TraceConfig()

    async def on_start(_: aiohttp.ClientSession, __: object, params: aiohttp.TraceRequestStartParams) -> None:
        seen.append(params.url.path)

    trace.on_request_start.append(on_start)
    async with service(faults.first(1, faults.status(503)), trace_configs=[trace]) as it:
        await it.fetch()

    assert seen == ["/v2/pointsLedger/getCustomerLedgerInfo"] * 2


async def connections(it: Service) -> int:
    """Return the connections that the sandbox has open, after it had a moment to notice."""
    await asyncio.sleep(0.01)
    server = it.box._server
    assert server is not None
    return len(server.connections)


@virtual_time
async def test_connections_are_used_again_and_closed_in_the_end() -> None:
    """Ten fetches need one connection, and closing leaves none."""
    async with service() as it:
        for _ in range(10):
            await it.fetch()
        assert await connections(it) == 1

        await it.transport.close()
        assert await connections(it) == 0


@pytest.mark.parametrize("borrowed", [False, True])
async def test_headers_go_with_every_request(*, borrowed: bool) -> None:
    """Also over a borrowed client with headers of its own; the agent of the application follows ours."""
    headers = {"X-CAP-API-ATTRIBUTION-ENTITY-CODE": "till.one", "User-Agent": "app/1.2 (ledgers)"}
    async with Sandbox() as box, aiohttp.ClientSession(headers={"User-Agent": "lent/1", "X-Lent": "yes"}) as http:
        options: dict[str, Any] = {"http": http} if borrowed else {}
        lent = client(box.url, headers=headers, **options)
        lent.open()
        await lent.send(page_request(), {})
        await lent.close()

        (sent,) = box.requests
        agents = sent.headers["user-agent"].split(" ", 2)
        assert [agent.partition("/")[0] for agent in agents[:2]] == ["capledger", "aiohttp"]
        assert agents[2] == "app/1.2 (ledgers)"
        assert sent.headers["x-cap-api-attribution-entity-code"] == "till.one"
        assert ("x-lent" in sent.headers) is borrowed


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic x"},
        {"x-cap-api-oauth-token": "x"},
        {"DATA-SCOPE": "ALL"},
        {"Host": "other.example"},
        {"X-One": "a\r\nX-Two: b"},
        {"X One": "a"},
        {"X-One": 1},
        {1: "a"},
        [("X-One", "a")],
        "X-One: a",
    ],
)
def test_headers_that_would_break_a_request_are_refused(headers: Any) -> None:
    """Those that the session sets itself, and what is no header; no value is shown."""
    with pytest.raises(ConfigurationError, match="headers"):
        client("https://ledger.example", headers=headers)
