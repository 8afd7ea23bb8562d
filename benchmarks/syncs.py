"""Keep a data set of many customers up to date, kill the processes, and check entries and requests after each night.

``python -m benchmarks.syncs``: the sandbox runs in this process, the command line in its own. One customer in a hundred
moves every night, with an entry that is new, late, or both; a run may cost 1.02 requests a customer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

import msgspec
from attrs import define, field

from benchmarks.kills import FORMATS, START, Key, nth_request, write_customers, written
from capledger.sandbox import Sandbox, SandboxCustomer, make_row

#: Requests that a run may cost for each customer, where one in a hundred has moved and no process was killed.
ALLOWED: Final = 1.02


@define
class Service:
    """The customers of a sandbox, whose ledgers grow."""

    count: int
    random: Random
    sizes: list[int] = field(init=False)
    added: set[Key] = field(factory=set)

    def __attrs_post_init__(self) -> None:
        self.sizes = [self.random.choice((0, 3, 12, 40, 90)) for _ in range(self.count)]

    def customers(self) -> list[SandboxCustomer]:
        """Return the customers."""
        return [
            SandboxCustomer(mobile(number), self._rows(number, size), customer_id=number + 1)
            for number, size in enumerate(self.sizes)
        ]

    def _rows(self, number: int, size: int) -> list[dict[str, Any]]:
        return [make_row(10_000 * (number + 1) + rank, START + timedelta(hours=rank)) for rank in range(size)]

    def move(self, box: Sandbox, night: int) -> int:
        """Add an entry to one ledger in a hundred, at any date; return how many were added."""
        moved = self.random.sample(range(self.count), self.count // 100)
        for number in moved:
            id_ = 10_000 * (number + 1) + 5_000 + night
            date = START + timedelta(
                hours=self.random.choice((self.random.randrange(90), 1_000 + night)), minutes=night
            )
            box.append(mobile(number), make_row(id_, date))
            self.added.add((mobile(number), id_))
        return len(moved)

    def keys(self) -> set[Key]:
        """Return the keys of all entries."""
        first = {
            (mobile(number), 10_000 * (number + 1) + rank)
            for number, size in enumerate(self.sizes)
            for rank in range(size)
        }
        return first | self.added


def mobile(number: int) -> str:
    """Return the number of a customer."""
    return str(917_000_000_000 + number)


async def run(box: Sandbox, file: Path, out: Path, kind: str, kills: list[float]) -> int:
    """Run the command until it finishes, after killing it once for each number of seconds; return the requests."""
    before, code = len(box.requests), 0
    environment = {
        "CAPLEDGER_BASE_URL": box.url,
        "CAPLEDGER_TIMEZONE": "UTC",
        "CAPLEDGER_USERNAME": "store.server",
        "CAPLEDGER_PASSWORD": "server123",
    }
    command = ("-m", "capledger", "sync", str(file), "--out", str(out), "--format", kind, "--progress-interval", "0")
    for seconds in [*kills, None]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, env=os.environ | environment, stdout=asyncio.subprocess.DEVNULL
        )
        await nth_request(box, process, len(box.requests) + 1)
        try:
            code = await asyncio.wait_for(process.wait(), seconds)
            break
        except TimeoutError:
            process.kill()
            await process.wait()
    if code:
        raise SystemExit(f"a run exited with {code}")
    return len(box.requests) - before


def verify(out: Path, kind: str, service: Service) -> dict[str, Any]:
    """Exit unless the data set has every entry of the service once; return the last run."""
    counts = Counter(written(out / "entries", kind))
    wrong = {key: count for key, count in counts.items() if count != 1}
    missing = service.keys() - counts.keys()
    if wrong or missing or len(counts) != len(service.keys()):
        raise SystemExit(f"{kind}: {len(wrong)} entries more than once, {len(missing)} missing")
    manifest: dict[str, Any] = msgspec.json.decode((out / "manifest.json").read_bytes())
    last: dict[str, Any] = manifest["runs"][-1]
    if not (manifest["complete"] and last["complete"]):
        raise SystemExit(f"{kind}: the run does not say that it is complete")
    return last


async def compare(options: argparse.Namespace) -> None:
    """Print what each night costs, in each format."""
    print(f"{'format':10} {'night':>6} {'requests':>9} {'each':>7} {'new':>5} {'late':>5}")
    for kind in options.formats:
        random = Random(options.seed)
        service = Service(options.customers, random)
        with TemporaryDirectory() as folder:
            file, out = Path(folder) / "customers.csv", Path(folder) / "out"
            write_customers(file, options.customers)
            async with Sandbox(service.customers()) as box:
                for night in range(options.nights):
                    if night:
                        service.move(box, night)
                    killed = night % 2 == 0
                    kills = [random.uniform(0.0, options.longest) for _ in range(options.kills if killed else 0)]
                    requests = await run(box, file, out, kind, kills)
                    last = verify(out, kind, service)
                    each = requests / options.customers
                    numbers = f"{requests:9,} {each:7.3f} {last['entries']:5,} {last['late']:5,}"
                    print(f"{kind:10} {night:6} {numbers}{' killed' if killed else ''}", flush=True)
                    if night and not killed and each > ALLOWED:
                        raise SystemExit(f"more than {ALLOWED} requests a customer")


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.syncs", description="Keep a data set up to date.")
    parser.add_argument("--customers", type=int, default=3_000, help="(%(default)s)")
    parser.add_argument("--nights", type=int, default=4, help="in each format (%(default)s)")
    parser.add_argument("--kills", type=int, default=8, help="in every other night (%(default)s)")
    parser.add_argument("--longest", type=float, default=1.5, help="seconds of fetching before a kill (%(default)s)")
    parser.add_argument("--formats", nargs="*", default=FORMATS, choices=FORMATS)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(compare(parser.parse_args()))


if __name__ == "__main__":
    main()
