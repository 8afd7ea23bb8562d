from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

import pytest
import trustme
from distributed import LocalCluster
from distributed.security import Security
from support.dask_jobs import set_environment
from support.jobs import manifest_of, mobile, rows_of, sandbox
from support.shell import finish, process_environment, run, start

from capledger.sandbox import Rules

if TYPE_CHECKING:
    from pathlib import Path

    from distributed import Client

SIZES = [3, 0, 7] * 20


def write_customers(directory: Path) -> Path:
    file = directory / "customers.csv"
    file.write_text("mobile\n" + "".join(f"{mobile(number)}\n" for number in range(len(SIZES))), encoding="utf-8")
    return file


async def test_the_same_command_goes_on(client: Client, tmp_path: Path) -> None:
    """A signal ends the command in order with 130; the same command, here or elsewhere, ends it, each entry once."""
    file, out, reached = write_customers(tmp_path), tmp_path / "out", asyncio.Event()
    command = ("backfill", file, "--out", out, "--format", "jsonl")
    options = ("--dask", "--shard-size", "10", "--progress-interval", "0.1")
    elsewhere = ("--scheduler", client.scheduler.address)
    async with sandbox(SIZES, rules=Rules(latency=0.03)) as box:
        box.on_request = lambda *_: reached.set() if len(box.requests) > 12 else None
        process = await start(box, *command, *options, "--workers", "1")
        await reached.wait()
        process.send_signal(signal.SIGINT)
        stopped = await finish(process)
        await asyncio.to_thread(client.run, set_environment, process_environment(box))
        finished = await run(box, *command, *options, *elsewhere)

    manifest = manifest_of(out)
    assert stopped.code == 130
    assert "the same command goes on" in stopped.err
    assert (finished.code, manifest["complete"], manifest["entries"]) == (0, True, sum(SIZES))
    assert all("dashboard of the cluster: http://127.0.0.1:" in result.err for result in (stopped, finished))
    assert "60 customers" in finished.err
    assert f"{sum(SIZES)} entries of 40 customers" in finished.out
    assert sum(len(rows_of(out / item["file"])) for item in manifest["files"]) == sum(SIZES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--workers", "2"), "--workers needs --dask"),
        (("--scheduler", "tcp://127.0.0.1:1"), "--scheduler needs --dask"),
        (("--dask", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"), "exclude each other"),
        (("--dask", "--shard-size", "0"), "Invalid value for '--shard-size'"),
        (("--dask", "--plan"), "--plan and --dask exclude each other"),
        (("--dask", "--scheduler", "nonsense://1"), "no scheduler of Dask can be reached"),
    ],
)
async def test_options_are_checked(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    """What cannot work is refused before any request."""
    async with sandbox(SIZES) as box:
        result = await run(box, "backfill", str(write_customers(tmp_path)), "--out", str(tmp_path / "out"), *options)

    assert result.code == 2
    assert message in result.err
    assert box.requests == []


async def test_a_cluster_with_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the files of the driver named by its environment the command reaches a scheduler that demands TLS."""
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    blobs = {"ca": authority.cert_pem, "cert": certificate.cert_chain_pems[0], "key": certificate.private_key_pem}
    for name, blob in blobs.items():
        blob.write_to_path(str(tmp_path / name))
    ca, cert, key = (str(tmp_path / name) for name in blobs)
    of_roles = {f"tls_{role}_{name}": tmp_path / name for role in ("client", "scheduler", "worker") for name in blobs}
    files = {name: str(path) for name, path in of_roles.items() if path.name != "ca"}
    security = Security(tls_ca_file=ca, require_encryption=True, **files)
    variables = {"CA_FILE": ca, "CLIENT__CERT": cert, "CLIENT__KEY": key}
    here = {"n_workers": 1, "processes": False, "dashboard_address": ":0", "host": "127.0.0.1", "security": security}
    cluster = await asyncio.to_thread(LocalCluster, protocol="tls", **here)
    address = cluster.scheduler_address
    try:
        async with sandbox(SIZES) as box:
            options = ("--out", tmp_path / "out", "--format", "jsonl", "--dask", "--scheduler", address)
            settings = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": value for name, value in variables.items()}
            for name, value in (process_environment(box) | settings).items():  # the worker is this process
                monkeypatch.setenv(name, value)
            result = await finish(await start(box, "backfill", write_customers(tmp_path), *options))
    finally:
        await asyncio.to_thread(cluster.close)

    assert address.startswith("tls://")
    assert (result.code, manifest_of(tmp_path / "out")["entries"]) == (0, sum(SIZES))
