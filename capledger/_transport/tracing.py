"""Trace configs that others add to every aiohttp session of the process, made quiet about customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import attr

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from types import SimpleNamespace

#: Events of aiohttp whose parameters have the URL.
_EVENTS_WITH_URL = (
    "on_request_start",
    "on_request_end",
    "on_request_exception",
    "on_request_redirect",
    "on_request_chunk_sent",
    "on_response_chunk_received",
    "on_request_headers_sent",
)


def redact_added(session: aiohttp.ClientSession, own: Sequence[aiohttp.TraceConfig]) -> None:
    """Hide the query of URLs from the trace configs of a session that are not the caller's own.

    Instrumentations of OpenTelemetry and Sentry patch ``aiohttp.ClientSession`` and record the whole URL, in which the
    query holds the customer's identifier.
    """
    configs = session.trace_configs
    configs[:] = [config if any(config is one for one in own) else _redacted(config) for config in configs]


def _redacted(config: aiohttp.TraceConfig) -> aiohttp.TraceConfig:
    def make_context(trace_request_ctx: Any = None) -> SimpleNamespace:  # noqa: ANN401 - aiohttp's signature
        return config.trace_config_ctx(trace_request_ctx=trace_request_ctx)

    redacted = aiohttp.TraceConfig(trace_config_ctx_factory=make_context)  # type: ignore[arg-type]  # a factory, not a type
    for name in _EVENTS_WITH_URL:
        getattr(redacted, name).extend(map(_without_query, getattr(config, name)))
    for name in dir(config):
        if name.startswith("on_") and name not in _EVENTS_WITH_URL:
            getattr(redacted, name).extend(getattr(config, name))
    redacted.freeze()
    return redacted


def _without_query(hook: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    def call(session: aiohttp.ClientSession, context: SimpleNamespace, params: Any) -> Awaitable[None]:  # noqa: ANN401 - one of many types
        return hook(session, context, attr.evolve(params, url=params.url.with_query(None)))

    return call
