"""The results as a page (``benchmarks/README.md``) and a picture (``benchmarks/results.svg``)."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmarks.measure import Table

FOLDER: Final = Path(__file__).parent
_MARK: Final = "<!-- results -->"
_PEERS: Final = ("aiohttp", "attrs", "cattrs", "httpx", "msgspec", "orjson", "pydantic")
#: Numbers from here on are shown without a fraction.
_LARGE: Final = 100
_OURS, _OTHERS = "#1f6f8b", "#b8c4c9"


def write(found: dict[str, Table | str], folder: Path = FOLDER) -> None:
    """Write what was found below the page's own text; tables of benchmarks that were not run are lost."""
    page = folder / "README.md"
    text = page.read_text(encoding="utf-8").partition(_MARK)[0]
    tables = [f"```text\n{table if isinstance(table, str) else table.text()}\n```" for table in found.values()]
    page.write_text("\n\n".join([text + _MARK, _machine(), *tables]) + "\n", encoding="utf-8")
    pictured = {name: table for name, table in found.items() if not isinstance(table, str) and table.figures}
    if pictured:
        draw(pictured, folder / "results.svg")


def _machine() -> str:
    peers = ", ".join(f"{name} {version(name)}" for name in _PEERS)
    today = datetime.now(UTC).date()
    return f"{today}, {os.cpu_count()} cores ({_processor()}), CPython {platform.python_version()}, {peers}."


def _processor() -> str:
    """The processor's name where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def draw(tables: dict[str, Table], to: Path) -> None:
    """Draw the figures of each table as bars, ours in a colour of its own."""
    figure = Figure(figsize=(8, 1.9 * len(tables) + 0.3), layout="constrained")
    axes = figure.subplots(len(tables), 1, squeeze=False)[:, 0]
    for each, table in zip(axes, tables.values(), strict=True):
        _bars(each, table)
    figure.savefig(to, metadata={"Date": None})


def _bars(axes: Axes, table: Table) -> None:
    names, values = list(table.figures)[::-1], list(table.figures.values())[::-1]
    bars = axes.barh(names, values, color=[_OURS if name == "capledger" else _OTHERS for name in names])
    labels = [f"{value:,.0f}" if value >= _LARGE else f"{value:.1f}" for value in values]
    axes.bar_label(bars, labels, padding=3, fontsize=8)
    axes.set_title(f"{table.title.partition(', ')[0]}: {table.unit}", fontsize=9, loc="left")
    axes.tick_params(labelsize=8, length=0)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.margins(x=0.15)
