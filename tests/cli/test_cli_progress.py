from __future__ import annotations

import itertools
import time

import pytest
from attrs import evolve

from capledger.backfill import JobProgress
from capledger.cli.backfill import default_concurrency
from capledger.cli.progress import ProgressDisplay, format_duration, format_progress

PROGRESS = JobProgress(
    customers=2_000,
    finished=1_234,
    done=1_200,
    empty=30,
    incomplete=1,
    set_aside=3,
    duplicates=0,
    entries=165_852,
    requests=3_000,
    retries=518,
    requests_per_minute=1_190.4,
    elapsed=100.0,
    seconds_left=754.0,
)
LINE = "1,234 of 2,000 customers, 165,852 entries, 1,190 of 1,200 requests/min, 4 set aside, 518 retries, 12 min left"


@pytest.mark.parametrize(
    ("progress", "limit", "line"),
    [
        (PROGRESS, " of 1,200", LINE),
        (
            evolve(PROGRESS, set_aside=0, incomplete=0, retries=0, seconds_left=None),
            "",
            "1,234 of 2,000 customers, 165,852 entries, 1,190 requests/min",
        ),
    ],
)
def test_progress_is_one_line(progress: JobProgress, limit: str, line: str) -> None:
    """Progress is one line: customers, entries, rate and limit, and failures, retries and time left if any."""
    assert format_progress(progress, limit) == line


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0 s"), (119, "119 s"), (120, "2 min"), (3_599, "59 min"), (3_700, "1 h 01 min"), (187_300, "2 d 4 h")],
)
def test_durations(seconds: float, text: str) -> None:
    """A duration has the precision that is useful."""
    assert format_duration(seconds) == text


def test_lines_once_a_minute(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal, one line a minute is printed."""
    seconds = itertools.count(time.monotonic())
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    with ProgressDisplay(1_200) as display:
        for _ in range(150):
            display.show(PROGRESS)

    assert capsys.readouterr().err.splitlines() == [f"capledger: {LINE}"] * 2


def test_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 80 columns shows all counts."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    with ProgressDisplay(1_200) as display:
        display.show(PROGRESS)

    out, err = capsys.readouterr()
    assert out == ""
    assert "12 min left" in err
    assert "165,852 entries" in err


@pytest.mark.parametrize(("rate", "customers"), [(None, 6), (60, 6), (600, 20), (1_200, 32), (60_000, 32)])
def test_default_concurrency_follows_the_rate(rate: int | None, customers: int) -> None:
    """The default concurrency is what the rate needs with responses of two seconds, and at most 32."""
    assert default_concurrency(rate) == customers
