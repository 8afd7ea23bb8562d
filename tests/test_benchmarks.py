"""The benchmarks run, with tiny sizes; what they measure is never asserted."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from benchmarks import decode, imports, latency, many, memory, profile, report, requests_sent, walk
from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.measure import Table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

measured_requests = cache(requests_sent.measure)


@pytest.mark.parametrize(
    ("measure", "rows"),
    [
        pytest.param(lambda: decode.measure(1, 1), 5, id="decode"),
        pytest.param(lambda: walk.measure(1, 300), 4, id="walk"),
        pytest.param(lambda: latency.measure(1, 2, (1, 8)), 2, id="latency"),
        pytest.param(lambda: memory.measure(1, (100, 300)), 2, id="memory"),
        pytest.param(lambda: many.measure(5, 1), 4, id="many"),
        pytest.param(lambda: many.measure_memory((5,)), 1, id="many-memory"),
        pytest.param(measured_requests, 3, id="requests"),
        pytest.param(lambda: imports.measure(1), 4, id="import"),
    ],
)
def test_a_table_has_a_row_for_each_candidate(measure: Callable[[], Table], rows: int) -> None:
    """Each benchmark runs to its end and has a row for each candidate, as wide as its head."""
    table = measure()

    assert len(table.rows) == rows
    assert {len(row) for row in table.rows} == {len(table.head)}
    assert all(row[0] in table.render() for row in table.rows)


def test_a_walk_is_profiled(capsys: pytest.CaptureFixture[str]) -> None:
    """The profile names functions of the walk."""
    profile.main(entries=3_000)

    assert "capledger/" in capsys.readouterr().out


def test_a_walk_never_sends_more_requests_than_its_alternatives() -> None:
    """A walk sends at most as many requests as windows alone or the whole history alone."""
    for title, walked, windows, history in measured_requests().rows:
        assert int(walked) <= min(int(windows), int(history)), title


def test_results_are_written_and_drawn(tmp_path: Path) -> None:
    """The page keeps its introduction and gets the tables; the picture shows those that have figures."""
    (tmp_path / "README.md").write_text("# Ours\n\n<!-- results -->\nold", encoding="utf-8")
    drawn = Table("Speed, in turns", ("", "us"), [("capledger", "1"), ("other", "2")], {"capledger": 1.0, "other": 2.0})
    undrawn = Table("Memory", ("", "MiB"), [("capledger", "3")])

    report.write({"decode": drawn, "memory": undrawn}, tmp_path)

    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert page.startswith("# Ours")
    assert "old" not in page
    assert drawn.render() in page
    assert undrawn.render() in page
    picture = (tmp_path / "results.svg").read_text(encoding="utf-8")
    assert picture.startswith("<svg ")
    assert "capledger</text>" in picture
    assert "currentColor" in picture


def test_names_of_benchmarks_are_checked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown benchmark is a usage error that names it; a known one is run and printed."""
    monkeypatch.setitem(BENCHMARKS, "decode", lambda: Table("a table", ("",), []))
    monkeypatch.setattr("sys.argv", ["benchmarks", "decode"])
    main()
    assert "a table" in capsys.readouterr().out

    monkeypatch.setattr("sys.argv", ["benchmarks", "speed"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "there is no benchmark speed" in capsys.readouterr().err
