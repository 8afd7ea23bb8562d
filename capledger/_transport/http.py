"""One exchange with the service over aiohttp: a complete response, or an error of ours; never a retry."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
from functools import cache
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from capledger._sansio.response import Response
from capledger.errors import (
    AnswerTooLargeError,
    CapledgerError,
    ConfigurationError,
    ConnectionFailedError,
    RequestTimeoutError,
    SessionClosedError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from capledger._sansio.requests import Request

#: Maximum size of a response's body in bytes, after decompression.
MAX_RESPONSE_BYTES = 64 * 1024 * 1024

#: The transport sets the time limit itself, since aiohttp's would count the wait for a connection.
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


def closed_error() -> SessionClosedError:
    """Return the error for the use of a closed session."""
    return SessionClosedError("the session is closed")


def check_base_url(base_url: str | URL, *, allow_plain_http: bool) -> URL:
    """Return the URL of the service.

    Raises:
        ConfigurationError: it is no https URL (or http to this machine), or holds more than host, port and path.
    """
    try:
        url = URL(base_url)
        loopback = _is_loopback(url.host or "")
    except (TypeError, ValueError):
        url, loopback = URL(), False
    if url.scheme not in {"http", "https"} or not url.host:
        raise ConfigurationError("base_url must look like https://host or https://host/path")
    if url.user or url.password or url.query_string or url.fragment:
        raise ConfigurationError("base_url must hold neither credentials nor a query nor a fragment")
    if url.scheme == "http" and not (loopback or allow_plain_http):
        raise ConfigurationError("base_url must be https; plain http exposes the credentials to the network")
    return url


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class HttpClient:
    """Sends requests over an aiohttp session of its own, or over one that the caller lends and closes.

    Args:
        base_url: as :func:`check_base_url` returned it.
        timeout: Maximum time in seconds for one exchange, from connecting to the last byte of the body.
        http: the caller's session, or None for one of our own.
        trace_configs: for a session of our own; aiohttp hands their hooks the whole URL, with its query.
    """

    def __init__(
        self,
        base_url: URL,
        *,
        timeout: float,
        http: aiohttp.ClientSession | None = None,
        trace_configs: Sequence[aiohttp.TraceConfig] = (),
    ) -> None:
        if http is not None and not callable(getattr(http, "request", None)):  # doubles of a session are welcome
            raise ConfigurationError(f"http must be an aiohttp.ClientSession or None, not {type(http).__name__}")
        if isinstance(trace_configs, aiohttp.TraceConfig) or not all(
            isinstance(config, aiohttp.TraceConfig) for config in trace_configs
        ):
            raise ConfigurationError("trace_configs must be a sequence of aiohttp.TraceConfig")
        self._base_url = base_url
        self._urls: dict[str, URL] = {}
        self._timeout = timeout
        self._borrowed = http is not None
        self._http = http
        self._trace_configs = trace_configs
        self._under_way: set[asyncio.Timeout] = set()

    @property
    def is_leaking(self) -> bool:
        """Whether a session of our own was not closed."""
        return not self._borrowed and self._http is not None

    def open(self) -> None:
        """Create a session unless one was lent; must be called in the event loop that uses it."""
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                trace_configs=list(self._trace_configs),
            )

    async def close(self) -> None:
        """End exchanges under way, and close a session of our own."""
        for timer in self._under_way:
            timer.reschedule(0.0)
        http, self._http = self._http, None
        if http is not None and not self._borrowed:
            await http.close()

    def abandon(self) -> None:
        """Detach a session of our own that nobody closed; its connections are closed when it is collected."""
        http, self._http = self._http, None
        if http is not None:
            http.detach()

    async def send(self, request: Request[Any], headers: Mapping[str, str]) -> Response | CapledgerError:
        """Send a request and read the response, within the time limit.

        An error is returned rather than raised, so that no traceback or context of it leads back to the URL.
        """
        try:
            async with asyncio.timeout(self._timeout) as timer:
                self._under_way.add(timer)
                try:
                    return await self._exchange(request, headers)
                finally:
                    self._under_way.discard(timer)
        except CapledgerError as error:
            return type(error)(error.message)
        except TimeoutError:
            return RequestTimeoutError(f"no complete response within {self._timeout:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _mapped_error(error)

    async def _exchange(self, request: Request[Any], headers: Mapping[str, str]) -> Response:
        if self._http is None or self._http.closed:
            raise closed_error()
        async with self._http.request(
            request.method,
            self._url(request),
            headers={**_common_headers(), **dict(request.headers), **headers},
            data=request.body,
            allow_redirects=False,
            auto_decompress=True,
            raise_for_status=False,
            timeout=_NO_TIMEOUT,
            middlewares=(_send_without_retry,),
        ) as response:
            return Response(response.status, response.headers, await _read(response))

    def _url(self, request: Request[Any]) -> URL:
        url = self._urls.get(request.path)
        if url is None:  # few paths, very many requests
            url = self._base_url.with_path(self._base_url.path.rstrip("/") + request.path)
            self._urls[request.path] = url
        return url.with_query(request.params) if request.params else url


@cache
def _common_headers() -> dict[str, str]:
    return {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "User-Agent": f"capledger/{_version()}",
    }


def _version() -> str:
    from importlib import metadata  # noqa: PLC0415 - a tenth of the import time of this package

    try:
        return metadata.version("capledger")
    except metadata.PackageNotFoundError:  # run from a checkout
        return "0"


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
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        failure = _mapped_error(error)
    raise failure


def _mapped_error(error: Exception) -> CapledgerError:
    """Map an error by its class alone: messages of aiohttp's errors can hold the URL."""
    kind = type(error).__name__
    if isinstance(error, TimeoutError):
        return RequestTimeoutError(f"no connection in time ({kind})")
    if isinstance(error, aiohttp.ClientPayloadError):
        return ConnectionFailedError(f"the response was cut off or corrupted ({kind})")
    if isinstance(error, aiohttp.ClientSSLError):
        return ConnectionFailedError(f"no secure connection to the service ({kind})")
    if isinstance(error, aiohttp.ClientError | OSError) and not isinstance(error, aiohttp.InvalidURL):
        return ConnectionFailedError(f"the connection to the service failed ({_reason(error) or kind})")
    return ConfigurationError(f"the HTTP session cannot send this request ({kind})")


def _reason(error: Exception) -> str | None:
    """Return the operating system's name of the error, e.g. ``ECONNREFUSED``."""
    number = error.errno if isinstance(error, OSError) else None
    return None if number is None else errno.errorcode.get(number)
