"""The fixtures that pytest offers to users, in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent

OPTIONS = ("-p", "no:capledger", "-p", "capledger.pytest_plugin", "-p", "no:cacheprovider", "-W", "error")

ASYNCHRONOUS = """
import pytest
from capledger import CustomerLedgerQuery
from capledger.sandbox import DEMO_MOBILE, faults

@pytest.mark.asyncio
async def test_entries(capledger_sandbox, capledger_session):
    capledger_sandbox.faults = faults.nth(1, faults.status(503))
    entries = await capledger_session.entries(CustomerLedgerQuery.mobile(DEMO_MOBILE)).collect()
    assert len(entries) > 3_000
    assert capledger_sandbox.requests[0].status == 503
"""

SYNCHRONOUS = """
from datetime import datetime
import pytest
from capledger import CustomerLedgerQuery
from capledger.sandbox import SandboxCustomer, make_row

@pytest.fixture
def capledger_customers():
    return [SandboxCustomer("910000000001", [make_row(1, datetime(2026, 1, 1), points="20000.00")])]

def test_entries(capledger_sync_session):
    [entry] = capledger_sync_session.entries(CustomerLedgerQuery.mobile("910000000001"))
    assert str(entry.net_points_on_event) == "20000.00"

def test_command(capledger_environment, monkeypatch):
    from typer.testing import CliRunner
    from capledger.cli.app import app
    result = CliRunner().invoke(app, ["entries", "mobile", "910000000001", "--json"])
    assert result.exit_code == 0
    assert '"20000.00"' in result.stdout
"""

WITHOUT_PYTEST_ASYNCIO = """
import sys
sys.modules["pytest_asyncio"] = None
pytest_plugins = ["capledger.pytest_plugin"]
"""

ANYIO = """
import pytest
from capledger import CustomerLedgerQuery

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_entries(anyio_backend, capledger_session):
    assert len(await capledger_session.entries(CustomerLedgerQuery.mobile("910000000002")).collect()) == 21
"""


@pytest.fixture(autouse=True)
def _strict(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_mode = strict\nasyncio_default_fixture_loop_scope = function\n")


def test_fixtures(pytester: pytest.Pytester) -> None:
    """A test gets a sandbox and a session, in strict mode, without a warning, whether it is asynchronous or not."""
    pytester.makepyfile(test_asynchronous=ASYNCHRONOUS, test_synchronous=SYNCHRONOUS)

    pytester.runpytest_subprocess(*OPTIONS).assert_outcomes(passed=3)


def test_fixtures_with_anyio(pytester: pytest.Pytester) -> None:
    """Without pytest-asyncio, anyio runs them."""
    pytester.makepyfile(ANYIO)
    pytester.makeini("[pytest]\n")
    pytester.makeconftest(
        "import sys\nsys.modules['pytest_asyncio'] = None\npytest_plugins = ['capledger.pytest_plugin']"
    )

    options = ("-p", "no:capledger", "-p", "no:asyncio", "-p", "no:cacheprovider", "-W", "error")
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=1)


def test_pytest_finds_the_plugin() -> None:
    """The entry point is declared; ``make dist`` loads it from the wheel."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["entry-points"]["pytest11"] == {"capledger": "capledger.pytest_plugin"}


def test_the_plugin_is_light() -> None:
    """Every pytest of an environment loads it, so it imports neither aiohttp nor the sandbox."""
    code = "import sys, pytest, capledger.pytest_plugin; print(*({'aiohttp', 'capledger.sandbox'} & {*sys.modules}))"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - ours

    assert printed.stdout.split() == []
