"""``--out`` as the URL of an object store: the job's state stays in a local directory."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from attrs import frozen

from capledger.cli.exit_codes import print_message
from capledger.cli.options import parse_directory

if TYPE_CHECKING:
    from capledger.backfill import Manifest

_PANEL: Final = "Object storage"
#: The name of the commits of a job without shards.
_NAME: Final = "job"


def parse_out(text: str) -> Path | str:
    """Return the URL of an object store as it is, anything else as a directory."""
    return text if "://" in text else parse_directory(text)


OutOrStore = Annotated[
    Any,
    typer.Option(
        "--out",
        parser=parse_out,
        metavar="DIR",
        help="Directory of the data and the job's state, or s3://BUCKET/PREFIX.",
    ),
]
State = Annotated[
    Path,
    typer.Option(
        "--state",
        parser=lambda text: parse_directory(str(text)),  # the default is passed through it too
        metavar="DIR",
        rich_help_panel=_PANEL,
        help="Local directory of the job's state where --out is a URL.",
    ),
]
SingleWriter = Annotated[
    bool,
    typer.Option(
        "--single-writer", rich_help_panel=_PANEL, help="Accept a store that cannot refuse a second run of the job."
    ),
]
#: Below the working directory, so that the same command finds it.
STATE: Final = Path(".capledger")


@frozen
class StoreOptions:
    """Where the data of a job is put."""

    url: str
    single_writer: bool

    def check(self) -> None:
        """Refuse a store that cannot be used, before the first request."""
        from capledger.backfill import ObjectStore  # noqa: PLC0415 - help does not need it

        ObjectStore(self.url, single_writer=self.single_writer).check()

    async def commit(self, manifest: Manifest, directory: Path) -> Manifest:
        """Put the data of a directory into the store; return the manifest with paths in the store."""
        from capledger.backfill import ObjectStore  # noqa: PLC0415 - help does not need it

        store = ObjectStore(self.url, single_writer=self.single_writer)
        committed = await asyncio.to_thread(store.commit, _NAME, manifest, directory)
        await asyncio.to_thread(store.write_results, committed, (directory / "set-aside.csv").read_bytes())
        print_message(f"{self.url.rstrip('/')}/manifest.json has the result")
        return committed


def locate(out: Path | str, state: Path, *, single_writer: bool) -> tuple[Path, StoreOptions | None]:
    """Return the local directory of a job, and where its data is put; None for that directory."""
    if isinstance(out, Path):
        return out, None
    return state / re.sub(r"[^A-Za-z0-9._-]+", "-", out).strip("-"), StoreOptions(out, single_writer)


def destination(directory: Path, store: StoreOptions | None) -> dict[str, Any]:
    """Return the arguments of ``run_backfill`` that say where the data goes."""
    if store is None:
        return {"out": directory}
    return {"out": store.url, "state": directory, "single_writer": store.single_writer}
