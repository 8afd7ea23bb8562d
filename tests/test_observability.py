"""What the page on observability says can be seen, can be seen."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from support.clock import LoopClock, virtual_time

from capledger import CustomerLedgerQuery, LedgerSession, OAuthClientCredentials
from capledger.sandbox import DEMO_MOBILE, Sandbox, faults

if TYPE_CHECKING:
    from types import SimpleNamespace

    from yarl import URL

PAGE = (Path(__file__).parents[1] / "docs" / "observability.md").read_text()


def without_query(url: URL) -> str:
    return str(url.with_query(None))


@virtual_time
async def test_a_trace_config_sees_every_attempt_and_can_leave_the_identifier_out() -> None:
    """Token requests and retries have spans of their own; the filtered URL tells the endpoint and no identifier."""
    spans: list[str] = []

    async def on_request_end(
        client: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestEndParams
    ) -> None:
        spans.append(f"{params.method} {without_query(params.url)} {params.response.status}")

    trace_config = aiohttp.TraceConfig()
    trace_config.on_request_end.append(on_request_end)
    script = faults.on_ledgers(faults.first(1, faults.status(503)))
    async with Sandbox(faults=script, clock=asyncio.get_running_loop().time) as box:
        auth = OAuthClientCredentials("sandbox-key", "sandbox-secret")
        options = {"timezone": UTC, "clock": LoopClock(), "trace_configs": [trace_config]}
        async with LedgerSession(box.url, auth, **options) as session:  # type: ignore[arg-type]  # each has its type
            walk = session.entries(CustomerLedgerQuery.mobile(DEMO_MOBILE))
            await walk.__anext__()
            await walk.aclose()

    ledger = f"GET {box_url(spans)}/v2/pointsLedger/getCustomerLedgerInfo"
    assert spans[:3] == [f"POST {box_url(spans)}/v3/oauth/token/generate 200", f"{ledger} 503", f"{ledger} 200"]
    assert not [span for span in spans if DEMO_MOBILE in span]
    assert walk.report.retries == 1


def box_url(spans: list[str]) -> str:
    return spans[0].split()[1].removesuffix("/v3/oauth/token/generate")


def sentry_events(*arguments: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return the transaction and the error that Sentry gets, and both as they are sent."""
    command = [sys.executable, "-m", "support.sentry_events", *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    sent = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own code
    transaction, error = json.loads(sent)
    return transaction, error, sent


def test_sentry_records_no_identifier(tmp_path: Path) -> None:
    """Of a session's own client as it is, of a borrowed one with the hooks of the page."""
    (hooks,) = re.findall(r"```python\n(def before_send_transaction.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "hooks.py"
    path.write_text(hooks)
    for arguments in ((), ("--borrowed", "--hooks", str(path))):
        transaction, error, sent = sentry_events(*arguments)

        spans = [span["data"] for span in transaction["spans"] if span["op"] == "http.client"]
        assert {span.get("http.response.status_code") for span in spans} >= {200, 503}
        assert error["exception"]["values"][-1]["type"] == "CustomerNotFoundError"
        assert error["breadcrumbs"]["values"][-1]["data"]["url"].endswith("/v2/pointsLedger/getCustomerLedgerInfo")
        assert DEMO_MOBILE not in sent
        assert "910000000999" not in sent
