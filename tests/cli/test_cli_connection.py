"""Where the connection comes from, and that its secrets go nowhere else."""

from __future__ import annotations

import pytest
from support.shell import ABOUT, MOBILE, PASSWORD, SECRET, run, sandbox


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
@pytest.mark.parametrize("command", [ABOUT, ("events", "mobile", MOBILE, "--id", "1")], ids=["entries", "events"])
async def test_what_is_missing_is_named(command: tuple[str, ...], changes: dict[str, str | None], named: str) -> None:
    """Each variable that is missing or cannot be is a usage error of one line that names it, and no secret."""
    shown = await run(None, *command, **changes)

    assert (shown.code, shown.out) == (2, "")
    assert named in shown.err
    assert shown.err.startswith("capledger: ")
    assert shown.err.count("\n") == 1
    assert PASSWORD not in shown.err
    assert SECRET not in shown.err


async def test_documented_clusters_need_no_timezone() -> None:
    """For a cluster whose zone is documented, the next thing that is missing is named."""
    shown = await run(None, *ABOUT, BASE_URL="https://eu.api.capillarytech.com", TIMEZONE=None, PASSWORD=None)

    assert shown.err == "capledger: CAPLEDGER_PASSWORD is not set\n"


async def test_client_credentials_authenticate() -> None:
    """A key and a secret get a token, and with it the entries."""
    changes = {"USERNAME": None, "PASSWORD": None, "CLIENT_KEY": "sandbox-key", "CLIENT_SECRET": SECRET}
    async with sandbox(3) as box:
        shown = await run(box, *ABOUT, "--json", **changes)

    assert (shown.code, len(shown.lines)) == (0, 3)
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
    """Refused credentials end with 1 and one line, in which neither they nor the identifier are."""
    async with sandbox(3) as box:
        shown = await run(box, *ABOUT, **changes)

    assert (shown.code, shown.out, shown.err.count("\n")) == (1, "", 1)
    assert not any(secret in shown.err for secret in ("wrong-password", "wrong-secret", MOBILE))


async def test_rate_is_kept() -> None:
    """--rate is the session's limit, which ends the command when it is no number."""
    async with sandbox(3) as box:
        shown = await run(box, *ABOUT, "--rate", "600", "--json")
        refused = await run(box, *ABOUT, "--rate", "many")

    assert (shown.code, len(shown.lines), refused.code) == (0, 3, 2)
