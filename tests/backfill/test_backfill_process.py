from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from attrs import frozen
from support.jobs import entries_in, expected, manifest_of, mobile, sandbox, set_aside

import capledger
from capledger.sandbox import LoggedRequest, Rules, Sandbox, faults

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(capledger.__file__).parent.parent
WITHOUT = "import sys; sys.modules['{name}'] = None; from capledger.cli import main; main()"


@frozen
class Ended:
    code: int
    out: str
    err: str


def write(path: Path, numbers: Iterable[int]) -> Path:
    path.write_text("identifier_name,identifier_value\n" + "".join(f"mobile,{mobile(number)}\n" for number in numbers))
    return path


async def start(
    box: Sandbox, *arguments: str | Path, program: tuple[str, ...] = ("-m", "capledger"), **variables: str
) -> asyncio.subprocess.Process:
    environment = {
        "CAPLEDGER_BASE_URL": box.url,
        "CAPLEDGER_TIMEZONE": "UTC",
        "CAPLEDGER_USERNAME": "store.server",
        "CAPLEDGER_PASSWORD": "server123",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "80",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *program,
        "backfill",
        *map(str, arguments),
        env={**os.environ, **environment, **variables},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def finish(process: asyncio.subprocess.Process, text: bytes | None = None) -> Ended:
    out, err = await process.communicate(text)
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def run(box: Sandbox, *arguments: str | Path, **options: Any) -> Ended:
    return await finish(await start(box, *arguments, **options))


@pytest.mark.parametrize("kind", ["parquet", "duckdb"])
async def test_kills_lose_and_double_nothing(kind: str, tmp_path: Path) -> None:
    """Killed at random and started again, among faults, it writes every entry once and repeats few requests."""
    random = Random(7)
    sizes = [random.choice((0, 3, 60, 130)) for _ in range(150)]
    calm = sum(max(1, -(-size // 100)) for size in sizes)
    script = faults.random_faults(7, 0.2, [faults.status(503), faults.cut_body(), faults.reset()])
    command = (write(tmp_path / "c.csv", range(150)), "--out", tmp_path / "out", "--format", kind)
    async with sandbox(sizes, faults=script, rules=Rules(latency=0.01)) as box:
        kills = 0
        while kills < 3:
            arrived, seen = asyncio.Event(), len(box.requests) + random.randrange(1, 70)
            box.on_request = lambda box, _, seen=seen, arrived=arrived: (
                arrived.set() if len(box.requests) > seen else None
            )
            process = await start(box, *command)
            ended = asyncio.create_task(process.wait())
            await asyncio.wait([ended, asyncio.create_task(arrived.wait())], return_when=asyncio.FIRST_COMPLETED)
            if process.returncode is None:
                process.kill()
            await finish(process)
            kills += 1
        last = await run(box, *command)

    assert last.code == 0
    assert entries_in(tmp_path / "out") == expected(sizes)
    assert manifest_of(tmp_path / "out")["complete"]
    played = sum(logged.fault is not None for logged in box.requests)
    assert len(box.requests) - played - calm <= 3 * 10


async def test_unknown_customers_end_with_3(tmp_path: Path) -> None:
    """Customers set aside mean exit 3; --retry-set-aside fetches only those; no identifier is printed."""
    command = (write(tmp_path / "c.csv", range(100)), "--out", tmp_path / "out", "--format", "csv")
    async with sandbox([5] * 97) as box:
        first = await run(box, *command, "--json")
        sent = len(box.requests)
        second = await run(box, *command, "--retry-set-aside")

    assert (first.code, second.code) == (3, 3)
    assert msgspec.json.decode(first.out)["states"]["set_aside"] == 3
    [(error, count)] = msgspec.json.decode(first.out)["errors"].items()
    assert (count, error[:23]) == (3, "CustomerNotFoundError: ")
    assert f"capledger: 3 set aside with {error}; see {tmp_path / 'out' / 'set-aside.csv'}\n" in first.err
    assert "485 entries of 97 customers in 1 file" in second.out
    assert len(box.requests) - sent == 3
    assert [row["identifier_value"] for row in set_aside(tmp_path / "out")] == [mobile(n) for n in (97, 98, 99)]
    assert entries_in(tmp_path / "out") == expected([5] * 97)
    assert "9170000" not in first.out + first.err + second.out + second.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_in_order(number: signal.Signals, tmp_path: Path) -> None:
    """The first signal writes what was fetched and says how to continue; the same command then finishes."""
    reached = asyncio.Event()

    def look(box: Sandbox, _: LoggedRequest) -> None:
        if len(box.requests) >= 20:
            reached.set()

    command = (write(tmp_path / "c.csv", range(60)), "--out", tmp_path / "out", "--format", "jsonl")
    async with sandbox([90] * 60, on_request=look, rules=Rules(latency=0.02)) as box:
        process = await start(box, *command)
        await reached.wait()
        process.send_signal(number)
        first = await finish(process)
        second = await run(box, *command)

    assert first.code == 130
    [done] = re.findall(r"stopped with (\d+) of 60 customers done; the same command goes on from here", first.err)
    entries, _, left = re.match(  # type: ignore[union-attr]  # it matches
        rf"([\d,]+) entries of {done} customers (in|fetched: ).*\n"
        r"0 customers without entries, 0 set aside, (\d+) to be fetched\n",
        first.out,
    ).groups()
    assert (int(entries.replace(",", "")), int(left)) == (90 * int(done), 60 - int(done))
    assert second.code == 0
    assert entries_in(tmp_path / "out") == expected([90] * 60)
    assert len(box.requests) <= 60 + 8


async def test_a_second_signal_ends_at_once(tmp_path: Path) -> None:
    """A second signal does not wait for anything, and nothing is lost."""
    hold = asyncio.Event()

    async def hang(box: Sandbox, _: LoggedRequest) -> None:
        if len(box.requests) > 5:
            hold.set()
            await asyncio.Event().wait()

    command = (write(tmp_path / "c.csv", range(30)), "--out", tmp_path / "out", "--format", "jsonl")
    async with sandbox([9] * 30, on_request=hang) as box:
        process = await start(box, *command)
        await hold.wait()
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGTERM)
        first = await finish(process)
        box.on_request = None
        second = await run(box, *command)

    assert (first.code, second.code) == (130, 0)
    assert entries_in(tmp_path / "out") == expected([9] * 30)


async def test_customers_from_stdin(tmp_path: Path) -> None:
    """``-`` is standard input, as JSON lines or as CSV."""
    lines = b"".join(b'{"identifier_name":"mobile","identifier_value":"%s"}\n' % mobile(n).encode() for n in range(3))
    async with sandbox([5] * 3) as box:
        process = await start(box, "-", "--out", tmp_path / "out", "--format", "jsonl")
        ended = await finish(process, lines)

    assert ended.code == 0
    assert entries_in(tmp_path / "out") == expected([5] * 3)


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("identifier_name,identifier_value\nmobile,91\nmobile\n", (), "line 3 of the customers: it has 1 field,"),
        (
            "identifier_name,identifier_value\nmobile,91\n",
            ("--from", "2025-02-01", "--to", "2025-01-01"),
            "--to is before --from",
        ),
        ("identifier_name,identifier_value\nmobile,91\n", ("--rate", "0"), "--rate"),
    ],
)
async def test_usage_errors_send_nothing(text: str, arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """An error in the customers or the options is one line and exit 2, before any request."""
    (tmp_path / "c.csv").write_text(text)
    async with sandbox([5]) as box:
        ended = await run(box, tmp_path / "c.csv", "--out", tmp_path / "out", *arguments)

    assert (ended.code, ended.out, box.requests) == (2, "", [])
    assert said in ended.err


@pytest.mark.parametrize(("name", "kind", "extra"), [("pyarrow", "parquet", "parquet"), ("duckdb", "duckdb", "duckdb")])
async def test_missing_extras_are_one_line(name: str, kind: str, extra: str, tmp_path: Path) -> None:
    """A missing extra is named, and the directory can still be used for another format."""
    command = (write(tmp_path / "c.csv", [0]), "--out", tmp_path / "out")
    async with sandbox([5]) as box:
        program = ("-c", WITHOUT.format(name=name))
        ended = await run(box, *command, "--format", kind, program=program)
        other = await run(box, *command, "--format", "csv", program=program)

    assert ended.code == 2
    assert ended.err == f"capledger: {name} is not installed: pip install 'capledger[{extra}]'\n"
    assert other.code == 0


async def test_a_wrong_password_can_be_corrected(tmp_path: Path) -> None:
    """Refused credentials mean exit 1 and one line, and the same command continues."""
    command = (
        write(tmp_path / "c.csv", range(20)),
        "--out",
        tmp_path / "out",
        "--format",
        "csv",
        "--progress-interval",
        "0",
    )
    async with sandbox([5] * 20) as box:
        first = await run(box, *command, CAPLEDGER_PASSWORD="wrong")
        second = await run(box, *command)

    assert (first.code, second.code) == (1, 0)
    assert first.err.count("\n") == 1
    assert first.err.endswith("the same command goes on where this one stopped\n")
    assert "wrong" not in first.err


async def test_plan_prints_what_it_takes(tmp_path: Path) -> None:
    """--plan samples, prints customers, requests, entries and time, and makes no directory."""
    command = (write(tmp_path / "c.csv", range(500)), "--out", tmp_path / "out", "--rate", "6000", "--plan")
    async with sandbox([130] * 500) as box:
        shown = await run(box, *command)

    assert shown.code == 0
    assert "500 customers" in shown.out
    assert "about 1,000 requests for 65,000 entries" in shown.out
    assert "about 10 s at 6,000 requests a minute" in shown.out
    assert len(box.requests) <= 50
    assert not (tmp_path / "out").exists()
