"""The connection from the environment, and the secrecy of its credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.shell import ENTRIES, MOBILE, PASSWORD, SECRET, invoke, process_environment, run, sandbox

from capledger.sandbox import faults

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"BASE_URL": None}, "CAPLEDGER_BASE_URL is not set"),
        ({"BASE_URL": ""}, "CAPLEDGER_BASE_URL is not set"),
        ({"BASE_URL": "ftp://somewhere"}, "CAPLEDGER_BASE_URL must look like https://host"),
        ({"BASE_URL": "http://somewhere.example"}, "CAPLEDGER_BASE_URL must be https"),
        ({"BASE_URL": "https://["}, "CAPLEDGER_BASE_URL must look like https://host"),
        ({"BASE_URL": "https://[", "TIMEZONE": None}, "CAPLEDGER_BASE_URL must look like https://host"),
        ({"TIMEZONE": None}, "CAPLEDGER_TIMEZONE is not set"),
        ({"TIMEZONE": "Mars/Olympus"}, "CAPLEDGER_TIMEZONE is not a zone"),
        ({"TIMEZONE": "/etc/passwd"}, "CAPLEDGER_TIMEZONE is not a zone"),
        ({"USERNAME": None}, "CAPLEDGER_USERNAME is not set"),
        ({"PASSWORD": None}, "CAPLEDGER_PASSWORD is not set"),
        ({"USERNAME": None, "PASSWORD": None}, "CAPLEDGER_CLIENT_KEY and CAPLEDGER_CLIENT_SECRET"),
        ({"USERNAME": None, "PASSWORD": None, "CLIENT_KEY": "k"}, "CAPLEDGER_CLIENT_SECRET is not set"),
        ({"CLIENT_KEY": "k", "CLIENT_SECRET": SECRET}, "two ways to authenticate"),
    ],
    ids=str,
)
@pytest.mark.parametrize("command", [ENTRIES, ("events", "mobile", MOBILE, "--id", "1")], ids=["entries", "events"])
async def test_missing_variables_are_named(
    command: tuple[str, ...], changes: dict[str, str | None], named: str
) -> None:
    """A missing or invalid variable is a usage error of one line that names it and holds no secret."""
    result = await run(None, *command, **changes)

    assert (result.code, result.out) == (2, "")
    assert named in result.err
    assert result.err.startswith("capledger: ")
    assert result.err.count("\n") == 1
    assert PASSWORD not in result.err
    assert SECRET not in result.err


async def test_documented_clusters_need_no_timezone() -> None:
    """A cluster with a documented zone needs no CAPLEDGER_TIMEZONE."""
    result = await run(None, *ENTRIES, BASE_URL="https://eu.api.capillarytech.com", TIMEZONE=None, PASSWORD=None)

    assert result.err == "capledger: CAPLEDGER_PASSWORD is not set\n"


async def test_client_credentials_authenticate() -> None:
    """A client key and secret obtain a token, and the token the entries."""
    changes = {"USERNAME": None, "PASSWORD": None, "CLIENT_KEY": "sandbox-key", "CLIENT_SECRET": SECRET}
    async with sandbox(3) as box:
        result = await run(box, *ENTRIES, "--json", **changes)

    assert (result.code, len(result.lines)) == (0, 3)
    assert "x-cap-api-oauth-token" in box.requests[-1].headers


@pytest.mark.parametrize(
    "changes",
    [
        {"PASSWORD": "wrong-password"},
        {"USERNAME": None, "PASSWORD": None, "CLIENT_KEY": "sandbox-key", "CLIENT_SECRET": "wrong-secret"},
    ],
    ids=["basic", "client"],
)
async def test_refused_credentials_are_not_repeated(changes: dict[str, str | None]) -> None:
    """Refused credentials exit with 1 and one line, without the credentials or the identifier."""
    async with sandbox(3) as box:
        result = await run(box, *ENTRIES, **changes)

    assert (result.code, result.out, result.err.count("\n")) == (1, "", 1)
    assert not any(secret in result.err for secret in ("wrong-password", "wrong-secret", MOBILE))


async def test_a_wrong_address_is_told_of_the_variable() -> None:
    """A server without the API's paths is exit code 1, and the line names the variable."""
    async with sandbox(3, faults=faults.always(faults.status(404))) as box:
        result = await run(box, *ENTRIES)

    expected = "capledger: the service has no such path (HTTP 404): check CAPLEDGER_BASE_URL\n"
    assert (result.code, result.err) == (1, expected)


async def test_a_path_of_the_address_that_is_wrong_sets_nobody_aside(tmp_path: Path) -> None:
    """A server that has the API elsewhere is no answer about customers: exit code 1 or 2, and nobody is set aside."""
    (tmp_path / "c.csv").write_text(f"mobile\n{MOBILE}\n")
    job = ("backfill", tmp_path / "c.csv", "--out", tmp_path / "out", "--format", "csv", "--progress-interval", "0")
    async with sandbox(3) as box:
        wrong = await invoke(job, process_environment(BASE_URL=f"{box.url}/v3"), hurried=True)
        right = await run(box, *job)

    assert (wrong.code, right.code) == (1, 0)
    assert "the service has no such path (HTTP 404): check CAPLEDGER_BASE_URL" in wrong.err
    assert right.lines[0] == "3 entries of 1 customer in 1 file"


async def test_a_name_that_is_not_known_is_told(tmp_path: Path) -> None:
    """Every command that cannot find the host says so of its name, with exit code 1; a job can be continued."""
    (tmp_path / "c.csv").write_text(f"mobile\n{MOBILE}\n")
    job = ("backfill", tmp_path / "c.csv", "--progress-interval", "0", "--format", "csv", "--out")
    commands = [("check",), ENTRIES, (*job, tmp_path / "plan", "--plan"), (*job, tmp_path / "job")]
    variables = process_environment(BASE_URL="https://no-such-host.invalid")
    results = [await invoke(command, variables, hurried=True) for command in commands]

    reason = "the host name no-such-host.invalid cannot be resolved: check its spelling, and this machine's network"
    check, entries, plan, backfill = results
    assert [result.code for result in results] == [1] * 4
    assert check.err == "capledger: the check failed: service\n"
    assert reason in " ".join(check.out.split())
    assert entries.err == plan.err == f"capledger: {reason}\n"
    assert backfill.err == (
        f"capledger: 1 customer was not fetched, since the service fails: {reason}; "
        "the same command goes on where this one stopped\n"
    )


async def test_rate_is_the_limit() -> None:
    """--rate is the session's limit, and a usage error when it is not a number."""
    async with sandbox(3) as box:
        result = await run(box, *ENTRIES, "--rate", "600", "--json")
        refused = await run(box, *ENTRIES, "--rate", "many")

    assert (result.code, len(result.lines), refused.code) == (0, 3, 2)
