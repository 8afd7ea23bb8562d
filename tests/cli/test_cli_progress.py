"""The progress display: what it shows, on which width, and how often."""

from __future__ import annotations

import itertools
import re
import time

import pytest
from attrs import evolve

from capledger.backfill import JobProgress
from capledger.cli.jobs import default_concurrency
from capledger.cli.progress import ProgressDisplay, filled_lines, format_duration, progress_parts, short_reason

PROGRESS = JobProgress(
    customers=2_000,
    finished=1_234,
    done=1_200,
    empty=30,
    unproven=0,
    incomplete=1,
    set_aside=3,
    duplicates=0,
    entries=165_852,
    requests=3_000,
    retries=518,
    requests_per_minute=1_190,
    elapsed=100.0,
    seconds_left=754.0,
    last_failure="ConnectionFailedError: the connection to the service failed: connection refused (ECONNREFUSED)",
    seconds_since_failure=12.4,
)
FIRST = evolve(
    PROGRESS,
    customers=1,
    finished=0,
    unproven=2,
    incomplete=0,
    set_aside=0,
    entries=1,
    requests=1,
    retries=0,
    requests_per_minute=1,
    seconds_left=None,
    last_failure=None,
)
LINE = (
    "1,234 of 2,000 customers, 12 min left, 165,852 entries, 1,190 of 1,200 requests in the last minute, "
    "4 set aside, 518 retries, last failure: connection refused, 12 s ago"
)


@pytest.mark.parametrize(
    ("progress", "limit", "line"),
    [
        (PROGRESS, 1_200, LINE),
        (
            evolve(PROGRESS, set_aside=0, incomplete=0, retries=1, seconds_left=None, last_failure=None),
            None,
            "1,234 of 2,000 customers, 165,852 entries, 1,190 requests in the last minute, 1 retry",
        ),
        (
            evolve(FIRST, requests=0, requests_per_minute=0, unproven=0),
            1_200,
            "0 of 1 customer, 1 entry",
        ),
        (FIRST, None, "0 of 1 customer, 1 entry, 1 request in the last minute, 2 not proven complete"),
    ],
)
def test_progress_has_what_counts(progress: JobProgress, limit: int | None, line: str) -> None:
    """Progress has customers, time left, entries, requests and limit; failures, retries and the last reason if any."""
    assert ", ".join(progress_parts(progress, limit)) == line


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (
            "ConnectionFailedError: the connection to the service failed: connection refused (ECONNREFUSED)",
            "connection refused",
        ),
        ("ServerError: the service failed (HTTP 503)", "the service failed (HTTP 503)"),
        ("RequestTimeoutError: no complete response within 30 s", "no complete response within 30 s"),
    ],
)
def test_reasons_are_short(failure: str, reason: str) -> None:
    """A reason is the message of an error, and of a failed connection the words of the operating system alone."""
    assert short_reason(failure) == reason


@pytest.mark.parametrize(("width", "count"), [(140, 2), (80, 3), (60, 3), (40, 6)], ids=["140", "80", "60", "40"])
def test_lines_fit_every_width(width: int, count: int) -> None:
    """On any width each part is shown in full, on as few lines as it takes."""
    parts = progress_parts(PROGRESS, 1_200)
    lines = filled_lines(parts, width - 1)

    assert len(lines) == count
    assert max(map(len, lines)) < width
    assert " ".join(lines).split() == " ".join(parts).split()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (119, "119 s"), (120, "2 min"), (3_599, "59 min"), (3_700, "1 h 01 min"), (187_300, "2 d 4 h")],
)
def test_durations(seconds: float, text: str) -> None:
    """A duration has the precision that is useful."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize(("interval", "lines"), [(60.0, 3), (0.0, 0), (50.0, 4)])
def test_lines_without_a_terminal(
    interval: float, lines: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal, the first line is printed at once and then one in each interval, with a time; 0 is none."""
    seconds = itertools.count(time.monotonic())
    monkeypatch.setattr("capledger.cli.progress.time.monotonic", lambda: next(seconds))
    monkeypatch.setenv("FORCE_COLOR", "1")
    with ProgressDisplay(1_200, interval=interval) as display:
        for _ in range(151):
            display.show(PROGRESS)

    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == lines
    assert all(
        re.match(r"capledger: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d 1,234 of 2,000 customers, ", one) for one in printed
    )


@pytest.mark.parametrize(("rate", "customers"), [(None, 6), (60, 6), (600, 20), (1_200, 32), (60_000, 32)])
def test_default_concurrency_follows_the_rate(rate: int | None, customers: int) -> None:
    """The default concurrency is what the rate needs with responses of two seconds, and at most 32."""
    assert default_concurrency(rate) == customers
