"""One exchange with the service over aiohttp: a complete response, or an error of ours; never a retry."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypedDict

import aiohttp

from capledger._sansio.response import Response
from capledger._transport.arguments import to_seconds
from capledger._transport.failures import LOST, is_reset, mapped_error
from capledger._transport.limiter import closed_error
from capledger._transport.pool import ConnectionPool
from capledger._transport.proxies import check_context, find_certificates, find_proxy
from capledger._transport.retry import StaleConnectionError
from capledger._transport.time_limit import TimeLimit
from capledger.errors import (
    AnswerTooLargeError,
    CapledgerError,
    ConfigurationError,
    ConnectionFailedError,
    RequestTimeoutError,
)

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from datetime import timedelta
    from ssl import SSLContext

    from yarl import URL

    from capledger._sansio.params import Params
    from capledger._sansio.requests import Request

#: Maximum size of a response's body in bytes, after decompression.
MAX_RESPONSE_BYTES = 64 * 1024 * 1024

#: The transport sets the time limit itself, since aiohttp's would count the wait for a connection.
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


#: Headers of the caller's that would break a request or replace its credentials.
_OWN_HEADERS = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "cookie", "expect"}
    | {"host", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade"}
    | {"x-cap-api-oauth-token", "data-scope", "data-scope-org"}
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: Values of parameters that need no percent-encoding.
_PLAIN = re.compile(r"[0-9A-Za-z:,@._-]*")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\ud7ff\ue000-\uffff]*")


class HttpOptions(TypedDict, total=False):
    """Keywords of :class:`HttpClient`."""

    timeout: float | timedelta
    http: aiohttp.ClientSession | None
    trace_configs: Sequence[aiohttp.TraceConfig]
    headers: Mapping[str, str] | None
    proxy: str | URL | None
    ssl: SSLContext | None


class HttpClient:
    """Sends requests over an aiohttp session of its own, or over one that the caller lends and closes.

    Args:
        base_url: as :func:`check_base_url` returned it.
        timeout: Maximum time for one exchange, from connecting to the last byte of the body; seconds or a timedelta.
        http: the caller's session, or None for one of our own.
        trace_configs: for a session of our own; aiohttp hands their hooks the whole URL, with its query.
        headers: sent with every request; ``User-Agent`` is appended to our own.
        proxy: URL of an HTTP proxy, for a session of our own; None for that of the environment.
        ssl: TLS context, for a session of our own; None for the environment's certificates or the default ones.

    Raises:
        ConfigurationError: an argument cannot work.
    """

    def __init__(
        self,
        base_url: URL,
        *,
        timeout: float | timedelta = 30.0,
        http: aiohttp.ClientSession | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
        headers: Mapping[str, str] | None = None,
        proxy: str | URL | None = None,
        ssl: SSLContext | None = None,
    ) -> None:
        if http is not None:
            if not callable(getattr(http, "request", None)):  # doubles of a session are welcome
                raise ConfigurationError(f"http must be an aiohttp.ClientSession or None, not {type(http).__name__}")
            if proxy is not None or ssl is not None:
                raise ConfigurationError("proxy and ssl cannot be used with http: configure that aiohttp.ClientSession")
        self._base_url = base_url
        self._urls: dict[str, URL] = {}
        self.timeout = to_seconds(timeout)
        if not self.timeout:
            raise ConfigurationError("timeout must be longer than zero")
        self._proxy = None if http is not None else find_proxy(base_url, proxy)
        check_context(ssl)
        certificates = None if http is not None or base_url.scheme == "http" else find_certificates(ssl)
        common = common_headers(headers or {})
        if self._proxy is not None and base_url.scheme == "http":  # no tunnel: the proxy reads the request itself
            common |= self._proxy.headers
        # as an aiohttp session's own they take 6,000 instructions less, but aiohttp sends those to a proxy as well
        of_session = common if http is None and self._proxy is None else {}
        self._headers = {} if of_session else common
        self._pool = ConnectionPool(http, _checked(trace_configs), certificates, of_session)
        self._time_limit = TimeLimit(self.timeout)

    @property
    def is_leaking(self) -> bool:
        """Whether a session of our own was not closed."""
        return self._pool.is_leaking

    def open(self) -> None:
        """Create a session unless one was lent; must be called in the event loop that uses it."""
        self._pool.open()

    async def close(self) -> None:
        """End exchanges under way, and close a session of our own."""
        self._time_limit.end_all()
        await self._pool.close()

    def abandon(self) -> None:
        """Detach a session of our own that nobody closed; its connections are closed when it is collected."""
        self._pool.abandon()

    async def send(self, request: Request[Any], headers: Mapping[str, str]) -> Response | CapledgerError:
        """Send a request and read the response, within the time limit.

        An error is returned rather than raised, so that no traceback or context of it leads back to the URL.
        """
        connections = self._pool.current
        if connections is None or connections.session.closed:
            return closed_error()
        reused = connections.checkout()
        outcome: Response | CapledgerError | None = None
        try:
            with self._time_limit:
                outcome = await _receive(self._exchange(connections.session, request, headers))
        except CapledgerError as error:
            outcome = type(error)(error.message)
        except TimeoutError:
            outcome = RequestTimeoutError(f"no complete response within {self.timeout:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            outcome = mapped_error(error)
        finally:
            connections.release(alive=isinstance(outcome, Response))
            if self._pool.has_retired:
                await self._pool.close_retired()
        if isinstance(outcome, StaleConnectionError):
            if not reused:
                return ConnectionFailedError(outcome.message)
            await self._pool.renew(connections)
        return outcome

    def _exchange(
        self, session: aiohttp.ClientSession, request: Request[Any], headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return session.request(
            request.method,
            self._url(request),
            headers={**self._headers, **dict(request.headers), **headers},
            data=request.body,
            allow_redirects=False,
            auto_decompress=True,
            raise_for_status=False,
            timeout=_NO_TIMEOUT,
            middlewares=(_send_without_retry,),
            proxy=None if self._proxy is None else self._proxy.url,
            proxy_headers=None if self._proxy is None else self._proxy.headers,
        )

    def _url(self, request: Request[Any]) -> URL:
        url = self._urls.get(request.path)
        if url is None:  # few paths, very many requests
            url = self._base_url.with_path(self._base_url.path.rstrip("/") + request.path)
            self._urls[request.path] = url
        return with_params(url, request.params)


def with_params(url: URL, params: Params) -> URL:
    """Return a URL with query parameters.

    Most values are the same percent-encoded; then it takes half the time to pass them as one string.
    """
    if not params:
        return url
    if _PLAIN.fullmatch("".join(params.values())) is None:
        return url.with_query(params)
    return url.with_query("&".join(map("=".join, params.items())))


def common_headers(extra: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of every request: our own and those of the caller.

    Raises:
        ConfigurationError: a header of the caller's is invalid, or one that only the session itself can set.
    """
    if not isinstance(extra, Mapping):
        raise ConfigurationError('headers must be a mapping of strings, such as {"User-Agent": "app/1.2"}')
    for name, value in extra.items():
        if not _matches(_HEADER_NAME, name) or name.lower() in _OWN_HEADERS:
            raise ConfigurationError("headers contains a name that is invalid or that the session sets itself")
        if not _matches(_HEADER_VALUE, value):
            raise ConfigurationError(f"headers contains an invalid value for {name}: pass a string without line ends")
    agent = [f"capledger/{_version()}", f"aiohttp/{aiohttp.__version__}"]
    others = {name: value for name, value in extra.items() if name.lower() != "user-agent"}
    agent += [value for name, value in extra.items() if name.lower() == "user-agent"]
    return {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": " ".join(agent), **others}


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


@cache
def _version() -> str:
    from importlib import metadata  # noqa: PLC0415 - a tenth of the import time of this package

    try:
        return metadata.version("capledger")
    except metadata.PackageNotFoundError:  # run from a checkout
        return "0"


def _checked(trace_configs: Sequence[aiohttp.TraceConfig]) -> Sequence[aiohttp.TraceConfig]:
    if not _are_trace_configs(trace_configs):
        raise ConfigurationError("trace_configs must be a sequence of aiohttp.TraceConfig")
    return trace_configs


def _are_trace_configs(value: object) -> bool:
    return isinstance(value, Sequence) and all(isinstance(config, aiohttp.TraceConfig) for config in value)


async def _receive(exchange: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> Response:
    """Return the whole response of an exchange, and release its connection."""
    if isinstance(exchange, Awaitable):  # of aiohttp, whose context takes a thirtieth of the exchange to be left
        response: aiohttp.ClientResponse = await exchange
        try:
            return Response(response.status, response.headers, await _read(response))
        finally:
            response.release()
    async with exchange as received:
        return Response(received.status, received.headers, await _read(received))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return the body; stop at the maximum size, whether it is stated, arrives in chunks or is decompressed."""
    size, chunks = response.content_length or 0, []
    if size <= MAX_RESPONSE_BYTES:
        size = 0
        while size <= MAX_RESPONSE_BYTES and (chunk := await response.content.readany()):
            size += len(chunk)
            chunks.append(chunk)
    if size > MAX_RESPONSE_BYTES:
        raise AnswerTooLargeError(
            f"the response is larger than {MAX_RESPONSE_BYTES >> 20} MiB; use a smaller page_size"
        )
    return b"".join(chunks)


async def _send_without_retry(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send a request once: aiohttp retries after a lost connection by itself, without the rate limit."""
    try:
        return await send(request)
    except LOST as error:
        failure = mapped_error(error)
        if is_reset(error):
            failure = StaleConnectionError(failure.message)
    raise failure
