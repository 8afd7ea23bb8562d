"""The service of the recipe for FastAPI, against a sandbox in a thread."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.examples import ROOT

from capledger import LedgerEntry, WalkReport
from capledger.sandbox import Rules, Sandbox, faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.testclient import TestClient

#: Starlette warns of httpx, and older ones use a name of anyio that newer ones warn of.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Using `httpx`"),
    pytest.mark.filterwarnings("ignore:The anyio.abc.BlockingPortal alias"),
]

QUIET = 910_000_002
BUSY = 910_000_001


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture
def client(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setenv("CAPLEDGER_BASE_URL", box.url)
    monkeypatch.setenv("CAPLEDGER_TIMEZONE", "UTC")
    monkeypatch.setenv("CAPLEDGER_USERNAME", "store.server")
    monkeypatch.setenv("CAPLEDGER_PASSWORD", "server123")
    from fastapi.testclient import TestClient  # noqa: PLC0415 - warns when it is imported

    from examples.fastapi_service import app  # noqa: PLC0415 - on the path from here on

    with TestClient(app) as client:
        yield client


def lines_of(body: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.splitlines()]


def test_entries_are_returned_with_every_digit(client: TestClient) -> None:
    """The newest first, as many as asked for; each is an entry again."""
    entries = client.get(f"/customers/{QUIET}/entries", params={"limit": 5}).json()

    dates = [LedgerEntry.from_dict(entry).ledger_created_date for entry in entries]
    assert len(dates) == 5
    assert dates == sorted(dates, reverse=True)
    assert all(isinstance(entry["net_points_on_event"], str) for entry in entries)


def test_the_schema_shows_the_fields(client: TestClient) -> None:
    """OpenAPI has the models of a response."""
    schemas = client.get("/openapi.json").json()["components"]["schemas"]

    assert "net_points_on_event" in schemas["LedgerEntry"]["properties"]


def test_an_export_streams_a_whole_ledger(client: TestClient, box: Sandbox) -> None:
    """A line for each entry, and the report last; more than one page."""
    response = client.get(f"/customers/{BUSY}/export", params={"start": "2026-01-01", "end": "2026-07-01"})

    *entries, report = lines_of(response.text)
    assert WalkReport.from_dict(report).complete
    assert len(entries) == report["rows_yielded"] > 100
    assert len(box.requests) > 2


def test_an_error_within_an_export_is_its_last_but_one_line(client: TestClient, box: Sandbox) -> None:
    """The status is sent already, so the lines say that the ledger is not complete, and where to go on."""
    box.faults = faults.when(lambda request: request.number > 3, faults.always(faults.status(403)))

    response = client.get(f"/customers/{BUSY}/export", params={"start": "2023-07-01", "end": "2026-07-01"})

    *_, error, report = lines_of(response.text)
    assert response.status_code == 200
    assert error["type"] == "PermissionDeniedError"
    assert error["cursor"]
    assert not report["complete"]


@pytest.mark.parametrize(
    ("customer", "script", "expected"),
    [
        (404, None, (404, "CustomerNotFoundError")),
        (QUIET, faults.status(403), (502, "PermissionDeniedError")),
        (QUIET, faults.status(401), (500, "AuthenticationError")),
    ],
    ids=["unknown", "forbidden", "credentials"],
)
def test_errors_are_statuses(
    client: TestClient, box: Sandbox, customer: int, script: Any, expected: tuple[int, str]
) -> None:
    """Each class of errors has its status, and a body without the identifier."""
    box.faults = script and faults.always(script)

    for path in ("entries", "export?start=2026-01-01"):
        response = client.get(f"/customers/{customer}/{path}")
        assert (response.status_code, response.json()["type"]) == expected
        assert str(QUIET) not in response.text


def test_a_busy_limit_is_an_error_with_the_time_to_wait(client: TestClient, box: Sandbox) -> None:
    """The service does not let its callers wait for minutes."""
    box.rules = Rules(requests_per_minute=1, retry_after="300")
    client.get(f"/customers/{QUIET}/entries")

    response = client.get(f"/customers/{QUIET}/entries")

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"


def test_wrong_parameters_are_refused_before_any_request(client: TestClient, box: Sandbox) -> None:
    """By FastAPI, and by the query."""
    assert client.get(f"/customers/{QUIET}/entries", params={"limit": 0}).status_code == 422
    assert (
        client.get(f"/customers/{QUIET}/export", params={"start": "2026-07-01", "end": "2026-01-01"}).status_code == 422
    )
    assert box.requests == []
