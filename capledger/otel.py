"""Spans and metrics of OpenTelemetry for walks (extra ``otel``), without identifiers.

``async for entry in otel.traced(session.entries(query))`` makes a span ``capledger.walk`` around the requests of a
walk, and counts them::

    capledger.walk.requests   {request}   attempts sent, retries included
    capledger.walk.retries    {request}   attempts that repeated a failed one
    capledger.walk.wait       s           time spent waiting for the rate limit or before retries
    capledger.walk.rows       {row}       entries or events yielded

Names and units follow OpenTelemetry's semantic conventions; ``error.type`` is the class of the error. Spans of the
attempts themselves are those of ``opentelemetry-instrumentation-aiohttp-client``, as children.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, Status, StatusCode

from capledger.errors import CapledgerError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider
    from yarl import URL

    from capledger.events import EventWalk
    from capledger.models import WalkReport
    from capledger.walk import LedgerWalk

T = TypeVar("T")

__all__ = ["WalkInstruments", "traced", "without_query"]

_NAME = "capledger"


def without_query(url: URL) -> str:
    """Return a URL without its query, which holds the identifier: ``instrument(url_filter=otel.without_query)``."""
    return str(url.with_query(None))


class WalkInstruments:
    """The tracer and the counters of walks.

    Args:
        tracer_provider: None for the global one.
        meter_provider: None for the global one.
    """

    def __init__(
        self, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._tracer = trace.get_tracer(_NAME, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_NAME, meter_provider=meter_provider)
        self._requests = meter.create_counter("capledger.walk.requests", "{request}", "Attempts sent")
        self._retries = meter.create_counter(
            "capledger.walk.retries", "{request}", "Attempts that repeated a failed one"
        )
        self._wait = meter.create_histogram("capledger.walk.wait", "s", "Time spent waiting")
        self._rows = meter.create_counter("capledger.walk.rows", "{row}", "Entries or events yielded")

    async def traced(self, walk: LedgerWalk | EventWalk) -> AsyncIterator[Any]:
        """Yield what a walk yields, within a span ``capledger.walk``; record its counters at the end."""
        span = self._tracer.start_span("capledger.walk", kind=SpanKind.INTERNAL)
        items, error = aiter(walk), None
        try:
            while True:
                with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                    try:
                        item = await anext(items)
                    except StopAsyncIteration:
                        return
                yield item
        except CapledgerError as caught:
            error = type(caught).__name__
            raise
        finally:
            await walk.aclose()
            self.record(walk.report, error, span)

    def record(self, report: WalkReport, error: str | None = None, span: Span | None = None) -> None:
        """Record the counters of a walk that is over, such as ``outcome.report`` of ``fetch_many``.

        Args:
            report: the walk's.
            error: class of the error that ended it.
            span: ended with the counters as attributes.
        """
        attributes = {} if error is None else {"error.type": error}
        self._requests.add(report.requests, attributes)
        self._retries.add(report.retries, attributes)
        self._wait.record(report.waited, attributes)
        self._rows.add(report.rows_yielded, attributes)
        if span is None:
            return
        span.set_attributes(
            {
                "capledger.walk.requests": report.requests,
                "capledger.walk.retries": report.retries,
                "capledger.walk.wait": report.waited,
                "capledger.walk.rows": report.rows_yielded,
                "capledger.walk.complete": report.complete,
                **attributes,
            }
        )
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, error))
        span.end()


def traced(walk: LedgerWalk | EventWalk) -> AsyncIterator[Any]:
    """Yield what a walk yields, within a span of the global tracer provider; see :class:`WalkInstruments`."""
    return WalkInstruments().traced(walk)
