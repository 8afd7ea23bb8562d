from __future__ import annotations

import asyncio
import os
import shlex
from typing import TYPE_CHECKING

from support.dask_jobs import connect_by_environment, set_environment
from support.examples import DOCS, Reader, examples_of
from support.jobs import mobile, queries, sandbox
from support.object_stores import make_bucket, moto_server, use_store_and_catalog
from support.redis_server import open_now, redis_server
from support.shell import environment, invoke

from capledger.redis import RedisLeases

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from distributed import Client

PAGE = DOCS / "beyond-one-machine.md"


async def test_examples_run(client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every program and command of the page runs, with addresses of this machine; what dies is tested elsewhere."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "customers.csv").write_text(f"mobile\n{mobile(0)}\n{mobile(1)}\n", encoding="utf-8")
    here = {
        "/shared/": f"{tmp_path}/",
        "tcp://scheduler:8786": client.scheduler.address,
        "--workers 4": f"--scheduler {client.scheduler.address}",
    }
    async with sandbox([3, 2, 4]) as box:
        with moto_server() as endpoint, redis_server() as redis:
            await make_bucket(endpoint, "lake")
            use_store_and_catalog(endpoint, tmp_path, monkeypatch)
            await open_now(RedisLeases(redis.url, name="org-1007", requests_per_minute=600))
            variables = {name: value for name, value in environment(box).items() if value}
            for name, value in (variables | {"REDIS_URL": redis.url}).items():
                monkeypatch.setenv(name, value)
            await asyncio.to_thread(client.run, set_environment, variables)
            reader = Reader(connect_by_environment(), box.url)
            reader.names.update(client=client, connect=connect_by_environment, queries=queries(3))
            for example in examples_of(PAGE):
                source = example.source
                for there, address in here.items():
                    source = source.replace(there, address)
                if example.language == "python":
                    printed = await reader.run(source, f"{PAGE}:{example.line}")
                    assert printed in {"", "True\n", "[None, None]\n"}, source
                    await use(reader)
                else:
                    await run_commands(source, tmp_path)

    assert (tmp_path / "parts" / "shard-00001" / "manifest.json").exists()


async def run_commands(source: str, directory: Path) -> None:
    for line in source.splitlines():
        _, *arguments = shlex.split(line, comments=True)
        (directory / "ledgers" / "shards" / "alive").unlink(missing_ok=True)  # else it waits for the minute of the last
        result = await invoke(arguments, os.environ)
        assert result.code == 0, result.err


async def use(reader: Reader) -> None:
    """Open a session of the page's ``connect``, whose module is none that workers could import."""
    session = reader.names["connect"]()
    async with session:
        pass
    reader.names["connect"] = connect_by_environment
