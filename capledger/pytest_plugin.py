"""Fixtures for tests of code that uses capledger; pytest loads them wherever the extra ``test`` is installed."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pytest

try:
    from pytest_asyncio import fixture as async_fixture
except ModuleNotFoundError:  # anyio runs asynchronous fixtures of pytest itself
    async_fixture = pytest.fixture  # type: ignore[assignment]  # the same call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from capledger import LedgerSession
    from capledger.blocking import BlockingSession
    from capledger.sandbox import Sandbox, SandboxCustomer

#: What every sandbox accepts that was not told otherwise.
_USERNAME, _PASSWORD = "store.server", "server123"


@pytest.fixture
def capledger_customers() -> Iterable[SandboxCustomer]:
    """Return the customers of ``capledger_sandbox``; override it with your own. None are those of the demo."""
    return ()


@pytest.fixture
def capledger_sandbox(capledger_customers: Iterable[SandboxCustomer]) -> Iterator[Sandbox]:
    """Run a sandbox in a thread of its own, for one test."""
    from capledger.sandbox import Sandbox  # noqa: PLC0415 - pytest loads the plugin whether a test needs it or not

    with Sandbox(capledger_customers) as box:
        yield box


@pytest.fixture
def capledger_environment(capledger_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set the variables that the command line reads to the sandbox, for one test, and return them."""
    variables = {
        "CAPLEDGER_BASE_URL": capledger_sandbox.url,
        "CAPLEDGER_TIMEZONE": "UTC",
        "CAPLEDGER_USERNAME": _USERNAME,
        "CAPLEDGER_PASSWORD": _PASSWORD,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name in ("CAPLEDGER_CLIENT_KEY", "CAPLEDGER_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    return variables


@async_fixture
async def capledger_session(capledger_sandbox: Sandbox) -> AsyncIterator[LedgerSession]:
    """Open a session to the sandbox, for one asynchronous test."""
    from capledger import BasicAuth, LedgerSession  # noqa: PLC0415 - as above

    async with LedgerSession(capledger_sandbox.url, BasicAuth(_USERNAME, _PASSWORD), timezone=UTC) as session:
        yield session


@pytest.fixture
def capledger_sync_session(capledger_sandbox: Sandbox) -> Iterator[BlockingSession]:
    """Open a session without ``async`` to the sandbox, for one test."""
    from capledger import BasicAuth, LedgerSession  # noqa: PLC0415 - as above

    with LedgerSession.sync(capledger_sandbox.url, BasicAuth(_USERNAME, _PASSWORD), timezone=UTC) as session:
        yield session
