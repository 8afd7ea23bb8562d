"""Streams that cannot take output: full, closed or no terminal; and what a file gets."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest
from support.shell import ENTRIES, MOBILE, PASSWORD, finish, invoke, process_environment, run, sandbox, start

from capledger.cli.log import SlowFailureHandler, set_up_logging
from capledger.sandbox import faults

FULL = Path("/dev/full")
COLORS = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}
SPAN = ("--to", "2025-02-01", "--json")
CLOSED = ("sh", "-c", 'exec "$@" >&-', "sh")
#: Files of 64 blocks at the most, which fail as on a full disk.
SMALL_FILES = ("sh", "-c", 'ulimit -f 64 && exec "$@"', "sh")


@pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "arguments",
    [
        (*ENTRIES, "--json"),
        (*ENTRIES, "--csv"),
        ENTRIES,
        ("entries", "--help"),
        ("--version",),
        ("demo",),
        ("sandbox",),
    ],
    ids=" ".join,
)
async def test_full_stdout_is_one_line(arguments: tuple[str, ...]) -> None:
    """A standard output that takes nothing is exit code 1 and one line."""
    async with sandbox(3) as box:
        with FULL.open("wb") as full:  # noqa: ASYNC230 - handed to the process
            result = await invoke(arguments, process_environment(box), full)

    assert (result.code, result.err) == (1, "capledger: standard output cannot be written: No space left on device\n")


async def test_full_disk_prints_cursor(tmp_path: Path) -> None:
    """What a full disk took, without its last and partial line, and the entries from the cursor on are the ledger."""
    async with sandbox() as box:
        with (tmp_path / "out").open("wb") as file:
            first = await finish(await start(box, *ENTRIES, *SPAN, "--page-size", "9", within=SMALL_FILES, stdout=file))
        [(last, cursor)] = re.findall(r"remove what follows entry (\d+) .* go on with --resume (\S+)\n$", first.err)
        second = await run(box, *ENTRIES, *SPAN, "--page-size", "9", "--resume", cursor)

    numbers = re.findall(r'^{"event_log_id":(\d+)', (tmp_path / "out").read_text(), re.MULTILINE)
    kept = numbers[: numbers.index(last) + 1]
    assert (first.code, second.code) == (1, 0)
    assert first.err.startswith("capledger: standard output cannot be written: File too large; remove")
    assert [*kept, *(str(json.loads(line)["event_log_id"]) for line in second.lines)] == [*map(str, range(1, 251))]


async def test_closed_stdout_is_one_line() -> None:
    """A closed standard output is exit code 1 before any request."""
    async with sandbox(3) as box:
        result = await finish(await start(box, *ENTRIES, within=CLOSED))

    assert (result.code, box.requests) == (1, [])
    assert result.err == "capledger: standard output is closed: redirect it to a file, or to /dev/null\n"


@pytest.mark.parametrize("arguments", [ENTRIES, ("demo",), ("entries", "--help"), ("entries", "--oops")], ids=" ".join)
async def test_files_get_no_escape_codes(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """A file has no escape codes, even with FORCE_COLOR."""
    async with sandbox(3) as box:
        with (tmp_path / "out").open("wb") as file:
            result = await invoke(arguments, process_environment(box) | COLORS, file)

    assert b"\x1b" not in (tmp_path / "out").read_bytes()
    assert "\x1b" not in result.err


async def test_summary_follows_a_file_of_entries(tmp_path: Path) -> None:
    """After ``--json > file``, stderr states the number of entries and whether they are complete."""
    async with sandbox(1) as box:
        with (tmp_path / "out").open("wb") as file:
            result = await invoke([*ENTRIES, "--json"], process_environment(box), file)

    assert (result.code, result.err) == (0, "capledger: 1 entry, 1 request, 1 page, complete\n")


async def test_verbose_logs_failed_attempts() -> None:
    """-v logs retries on stderr as lines with a time, without the identifier; without it there are none."""
    async with sandbox(3, faults=faults.nth(1, faults.status(503))) as box:
        result = await run(box, *ENTRIES, "--json", "-v")
    async with sandbox(3, faults=faults.nth(1, faults.status(503))) as box:
        silent = await run(box, *ENTRIES, "--json")

    [line] = [line for line in result.err.splitlines() if "capledger.transport" in line]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d INFO capledger.transport: customer_ledger: attempt 1 ", line)
    assert line.endswith(": the service failed (HTTP 503)")
    assert silent.err == "capledger: 3 entries, 2 requests, 1 page, complete\n"


def test_slow_failure_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal the first failure after some seconds is a line, so that retries are no silence of minutes."""
    logger = logging.getLogger("capledger")
    logger.addHandler(SlowFailureHandler())
    for age in (200.0, 6_000.0, 7_000.0):
        data = {"levelno": logging.INFO, "reason": "no complete response within 30 s", "relativeCreated": age}
        logger.handle(logging.makeLogRecord(data))

    line = "no complete response within 30 s: trying again; -v shows each attempt, Ctrl-C ends"
    assert capsys.readouterr().err == f"capledger: {line}\n"


@pytest.mark.parametrize(
    "arguments",
    [("events", *ENTRIES[1:], "--id", "1"), (*ENTRIES, "--limit", "1"), ("demo",)],
    ids=" ".join,
)
async def test_log_json_for_every_command(arguments: tuple[str, ...]) -> None:
    """--log-json prints records as objects with their data, down to each response with -vv."""
    try:
        async with sandbox(3) as box:
            result = await run(box, *arguments, "-vv", "--log-json")
    finally:
        set_up_logging(0, as_json=False)

    records = [json.loads(line) for line in result.err.splitlines() if line.startswith("{")]
    assert result.code == 0
    assert records[0]["level"] == "DEBUG"
    assert records[0]["logger"] == "capledger.transport"
    assert records[0]["status"] == 200
    assert records[0]["time"].endswith("Z")
    assert MOBILE not in result.err
    assert PASSWORD not in result.err
