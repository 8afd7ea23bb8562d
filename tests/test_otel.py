"""OpenTelemetry sees requests and walks, and no identifier."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import aiohttp
import pytest
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from capledger import BasicAuth, CustomerLedgerQuery, CustomerNotFoundError, LedgerSession, otel
from capledger.sandbox import DEMO_MOBILE, Sandbox, faults

if TYPE_CHECKING:
    from collections.abc import Iterator

AUTH = BasicAuth("store.server", "server123")
QUERY = CustomerLedgerQuery.mobile(DEMO_MOBILE)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


@pytest.fixture
def _instrumented(provider: TracerProvider) -> Iterator[None]:
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield
    instrumentor.uninstrument()


def shown(exporter: InMemorySpanExporter) -> str:
    return "".join(span.to_json() for span in exporter.get_finished_spans())


@pytest.mark.usefixtures("_instrumented")
async def test_global_instrumentation_records_no_identifier(exporter: InMemorySpanExporter) -> None:
    """Of a session's own client, which every request passes: successes, retries and failures."""
    script = faults.numbered({1: faults.status(503), 2: faults.reset()})
    async with Sandbox(faults=script) as box, LedgerSession(box.url, AUTH, timezone=UTC) as session:
        assert await session.entries(QUERY).collect()
        with pytest.raises(CustomerNotFoundError):
            await session.entries(CustomerLedgerQuery.mobile("910000000999")).collect()

        spans = [span for span in exporter.get_finished_spans() if span.name == "GET"]
        assert len(spans) == len(box.requests) > 3
        assert {(span.attributes or {})["http.url"] for span in spans} == {
            f"{box.url}/v2/pointsLedger/getCustomerLedgerInfo"
        }
    assert DEMO_MOBILE not in shown(exporter)
    assert "910000000999" not in shown(exporter)


async def test_a_borrowed_client_is_quiet_with_the_filter(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    """Its instrumentation is its owner's: ``url_filter`` takes the query off."""
    instrumentor = AioHttpClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider, url_filter=otel.without_query)
    try:
        async with (
            Sandbox() as box,
            aiohttp.ClientSession() as http,
            LedgerSession(box.url, AUTH, timezone=UTC, http=http) as session,
        ):
            assert await session.entries(QUERY).collect()
    finally:
        instrumentor.uninstrument()

    assert exporter.get_finished_spans()
    assert DEMO_MOBILE not in shown(exporter)


@pytest.mark.usefixtures("_instrumented")
async def test_a_walk_has_a_span_and_its_attempts_are_children(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    """Counters of the report are attributes of the span and metrics."""
    reader = InMemoryMetricReader()
    instruments = otel.WalkInstruments(provider, MeterProvider([reader]))
    async with (
        Sandbox(faults=faults.first(1, faults.status(503))) as box,
        LedgerSession(box.url, AUTH, timezone=UTC) as session,
    ):
        walk = session.entries(QUERY)
        entries = [entry async for entry in instruments.traced(walk)]

    (span,) = [span for span in exporter.get_finished_spans() if span.name == "capledger.walk"]
    attempts = [child for child in exporter.get_finished_spans() if child.name == "GET"]
    attributes = dict(span.attributes or {})
    assert attributes["capledger.walk.requests"] == walk.report.requests == len(attempts) > 1
    assert attributes["capledger.walk.retries"] == 1
    assert attributes["capledger.walk.rows"] == len(entries)
    assert {child.parent and child.parent.span_id for child in attempts} == {span.context.span_id}
    data = reader.get_metrics_data()
    assert data is not None
    names = {metric.name for it in data.resource_metrics for scope in it.scope_metrics for metric in scope.metrics}
    assert names == {f"capledger.walk.{name}" for name in ("requests", "retries", "wait", "rows")}
    assert DEMO_MOBILE not in shown(exporter) + data.to_json()


async def test_a_walk_that_fails_or_is_left_ends_its_span(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    """The class of the error is ``error.type``; one that was left has none."""
    instruments = otel.WalkInstruments(provider, MeterProvider())
    async with Sandbox() as box, LedgerSession(box.url, AUTH, timezone=UTC) as session:
        with pytest.raises(CustomerNotFoundError):
            async for _ in instruments.traced(session.entries(CustomerLedgerQuery.mobile("910000000999"))):
                pass
        left = instruments.traced(session.entries(QUERY))
        await anext(left)
        await left.aclose()  # type: ignore[attr-defined]  # an async generator

    failed, left_span = exporter.get_finished_spans()
    assert (failed.attributes or {})["error.type"] == "CustomerNotFoundError"
    assert "error.type" not in (left_span.attributes or {})
    assert "910000000999" not in shown(exporter)
