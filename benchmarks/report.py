"""Write results to a page (``benchmarks/README.md``) and a picture (``benchmarks/results.svg``)."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from matplotlib import rc_context
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmarks.measure import Table

FOLDER: Final = Path(__file__).parent
_MARK: Final = "<!-- results -->"
_PACKAGES: Final = ("aiohttp", "attrs", "cattrs", "httpx", "msgspec", "orjson", "pydantic")
#: Numbers from here on are shown without a fraction.
_LARGE: Final = 100
_OURS, _OTHERS = "#1a9e83", "#8a97a3"
#: Color of letters, which the picture replaces by that of the text around it.
_INK: Final = "#24292f"
_STYLE: Final = f"<style>svg{{color:{_INK}}}@media(prefers-color-scheme:dark){{svg{{color:#e6edf3}}}}</style>"
_WITHOUT_METADATA: Final = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def write(tables: dict[str, Table], folder: Path = FOLDER) -> None:
    """Replace the results on the page and in the picture; benchmarks that were not run are lost."""
    page = folder / "README.md"
    introduction = page.read_text(encoding="utf-8").partition(_MARK)[0]
    blocks = [f"```text\n{table.render()}\n```" for table in tables.values()]
    page.write_text("\n\n".join([introduction + _MARK, _environment(), *blocks]) + "\n", encoding="utf-8")
    if with_figures := [table for table in tables.values() if table.figures]:
        draw(with_figures, folder / "results.svg")


def _environment() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    today = datetime.now(UTC).date()
    return f"{today}, {os.cpu_count()} cores ({_processor()}), CPython {platform.python_version()}, {packages}."


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def draw(tables: list[Table], path: Path) -> None:
    """Draw the figures of each table as bars, capledger in its own color, legible on light and dark pages."""
    figure = Figure(figsize=(8, 1.9 * len(tables) + 0.3), layout="constrained")
    axes = figure.subplots(len(tables), 1, squeeze=False)[:, 0]
    for each, table in zip(axes, tables, strict=True):
        _draw_bars(each, table)
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "capledger"}):
        figure.savefig(path, transparent=True, metadata=_WITHOUT_METADATA)
    _, tag, svg = path.read_text(encoding="utf-8").partition("<svg ")
    head, end, body = svg.replace(_INK, "currentColor").partition(">")
    path.write_text(f"{tag}{head}{end}{_STYLE}{body}", encoding="utf-8")


def _draw_bars(axes: Axes, table: Table) -> None:
    names, values = list(table.figures)[::-1], list(table.figures.values())[::-1]
    bars = axes.barh(names, values, color=[_OURS if name == "capledger" else _OTHERS for name in names])
    labels = [f"{value:,.0f}" if value >= _LARGE else f"{value:.1f}" for value in values]
    axes.bar_label(bars, labels, padding=3, fontsize=8, color=_INK)
    axes.set_title(f"{table.title.partition(', ')[0]}: {table.unit}", fontsize=9, loc="left", color=_INK)
    axes.tick_params(labelsize=8, length=0, labelcolor=_INK)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.margins(x=0.15)
