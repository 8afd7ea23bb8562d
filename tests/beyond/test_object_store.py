from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from attrs import evolve
from support.dask_jobs import connect
from support.fake_stores import fake_store
from support.jobs import backfill, expected, mobile, queries, rows_of, sandbox
from support.object_stores import BUCKET, make_bucket, moto_server, settings
from support.shell import run as run_command

from capledger import ConfigurationError
from capledger.backfill import ObjectStore, Shard, StorageError, run_shard

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from pathlib import Path

    from capledger.backfill import Manifest

SIZES = [3, 0, 7, 120]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with moto_server() as running:
        asyncio.run(make_bucket(running))
        yield running


@pytest.fixture
def url(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in settings(endpoint).items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid4().hex}"


def download(store: ObjectStore, manifest: Manifest, folder: Path) -> Counter[tuple[str, int]]:
    """Return the entries of the files that a manifest names, as a reader gets them from the store."""
    from collections import Counter  # noqa: PLC0415 - shadowed by the type above

    found: Counter[tuple[str, int]] = Counter()
    for number, file in enumerate(manifest.files):
        path = folder / f"{number}-{file.file.rpartition('/')[2]}"
        path.write_bytes(store._get(file.file))
        found.update((row["identifier_value"], int(row["event_log_id"])) for row in rows_of(path))
    return found


@pytest.mark.parametrize("scheme", ["s3", "gs", "az", "file"])
async def test_a_shard_is_committed_once(
    url: str, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its data is in the store; a worker elsewhere finds the commit and sends nothing, and a second one is refused."""
    url = {"s3": url, "file": f"file://{tmp_path}/store"}.get(scheme, f"{scheme}://ledgers/some/prefix")
    async with sandbox(SIZES) as box, fake_store(tmp_path) as variables:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        store = ObjectStore(url)
        shard = Shard(
            number=1,
            queries=tuple(queries(4)),
            out=str(tmp_path / "here"),
            connect=partial(connect, box.url),
            format="jsonl",
            store=url,
        )
        await asyncio.to_thread(store.check)
        manifest = await asyncio.to_thread(run_shard, shard)
        sent = len(box.requests)
        elsewhere = await asyncio.to_thread(run_shard, evolve(shard, out=str(tmp_path / "there")))
        found = [await asyncio.to_thread(store.find, f"shard-{number:05}") for number in (1, 2)]
        again = await asyncio.to_thread(store._create, "commits/shard-00001/00001.json", b"")
        entries = await asyncio.to_thread(download, store, manifest, tmp_path)

    assert entries == expected(SIZES)
    assert found == [manifest, None]
    assert (elsewhere, again, len(box.requests)) == (manifest, False, sent)


async def test_of_several_writers_one_wins(url: str, tmp_path: Path) -> None:
    """Sixteen writers of one commit agree on the files of one of them, and the entries are there once."""
    async with sandbox(SIZES) as box:
        local = await backfill(box, queries(4), tmp_path / "out")

    with ThreadPoolExecutor(16) as threads:
        commit = partial(ObjectStore(url).commit, "job", local, tmp_path / "out")
        committed = list(threads.map(lambda _: commit(), range(16)))

    assert len({manifest.files for manifest in committed}) == 1
    assert download(ObjectStore(url), committed[0], tmp_path) == expected(SIZES)


async def test_a_later_run_adds_what_is_new(url: str, tmp_path: Path) -> None:
    """A second commit keeps the files of the first and puts those that are new."""
    store, out = ObjectStore(url), tmp_path / "out"
    async with sandbox(SIZES) as box:
        first = store.commit("job", await backfill(box, queries(2), out), out)
        second = store.commit("job", await backfill(box, queries(4), out), out)

    assert set(first.files) < set(second.files)
    assert store.find("job") == second
    assert download(store, second, tmp_path) == expected(SIZES)


def test_a_store_that_ignores_the_condition_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that overwrites where it should refuse is found at the start, unless there is one writer alone."""
    for single_writer in (False, True):
        store = ObjectStore(url, single_writer=single_writer)
        put = store._obstore.put

        def put_always(*arguments: Any, mode: str = "overwrite", put: Any = put) -> Any:
            return put(*arguments)

        monkeypatch.setattr(store._obstore, "put", put_always)
        if single_writer:
            store.check()
        else:
            with pytest.raises(ConfigurationError, match="ignores the condition of a put"):
                store.check()
        monkeypatch.undo()


def test_failures_name_no_secret(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that cannot be used is one error of ours, and what was wrong with the URL is said."""
    assert url.startswith("s3://")
    for wrong in ("ftp://host/x", "ledgers", "s3://"):
        with pytest.raises(ConfigurationError, match="URL of"):
            ObjectStore(wrong)
    with pytest.raises(StorageError, match=r"the object store cannot be used \(\w+\)"):
        ObjectStore("s3://no-such-bucket/x").read_manifest()


async def test_the_command_puts_its_data_into_the_store(url: str, tmp_path: Path) -> None:
    """With a URL the state stays here, the data is there, and the same command sends nothing and puts nothing."""
    file = tmp_path / "customers.csv"
    file.write_text("mobile\n" + "".join(f"{mobile(number)}\n" for number in range(5)), encoding="utf-8")
    state = str(tmp_path / "state")
    command = ("backfill", str(file), "--out", url, "--state", state, "--format", "jsonl", "--balances")
    async with sandbox(SIZES) as box:
        first = await run_command(box, *command)
        sent = len(box.requests)
        again = await run_command(box, *command)

    store = ObjectStore(url)
    manifest = store.read_manifest()
    assert (first.code, again.code, first.out) == (3, 3, again.out)
    assert f"{url}/manifest.json has the result" in first.err
    assert len(box.requests) == sent
    assert download(store, manifest, tmp_path) == expected(SIZES)
    assert manifest.balances is not None
    assert store._get(manifest.balances.file)
    assert mobile(4).encode() in store._get("set-aside.csv")
    assert store._latest("job") == 1
