"""Draw the pictures of the site: ``python docs/pictures.py`` writes them, ``--check`` fails where one is stale.

Lines and letters have the color of the text around them, and fills are see-through, so that a picture is legible on
light and dark pages.
"""

from __future__ import annotations

import sys
from html import escape
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("pictures")

GREEN, BLUE, AMBER, RED = "#1a9e83", "#3b82c4", "#c98a12", "#c8504f"
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:currentColor}"
    ".small{font-size:11px}.mono{font:11px ui-monospace,monospace}"
    ".line{stroke:currentColor;fill:none;stroke-width:1.2}.faint{opacity:.65}"
    "svg{color:#24292f}@media(prefers-color-scheme:dark){svg{color:#e6edf3}}"
)

_HEAD: Final = (
    """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" \
aria-labelledby="{name}-title {name}-text">
<title id="{name}-title">{title}</title>
<desc id="{name}-text">{text}</desc>
<style>"""
    + _STYLE.replace("{", "{{").replace("}", "}}")
    + """</style>
<defs><marker id="{name}-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0,0 L8,4 L0,8 z" fill="currentColor"/></marker></defs>"""
)


class Picture:
    """A picture under construction: boxes, words and arrows at positions in pixels."""

    def __init__(self, title: str, description: str, width: int, height: int) -> None:
        name = title.lower().replace(" ", "-")
        self._tip = f"url(#{name}-tip)"
        self._parts = [
            _HEAD.format(name=name, title=escape(title), text=escape(description), width=width, height=height)
        ]

    def box(  # noqa: PLR0917 - position, size, color and words read as a list
        self, x: float, y: float, width: float, height: float, color: str, words: str = "", *, dashed: bool = False
    ) -> None:
        """Draw a box with words in its middle."""
        dash = ' stroke-dasharray="4 3"' if dashed else ""
        self._parts.append(
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" fill="{color}" fill-opacity=".22"'
            f' stroke="{color}" stroke-width="1.4"{dash}/>'
        )
        if words:
            self.words(x + width / 2, y + height / 2 + 4, words, anchor="middle")

    def words(self, x: float, y: float, words: str, *, anchor: str = "start", kind: str = "") -> None:
        """Write words."""
        self._parts.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>')

    def arrow(self, *points: tuple[float, float], words: str = "", tip: bool = True) -> None:
        """Draw a line through points, with a tip at its end, and words beside its middle."""
        path = " ".join(f"{x},{y}" for x, y in points)
        end = f' marker-end="{self._tip}"' if tip else ""
        self._parts.append(f'<polyline class="line" points="{path}"{end}/>')
        if words:
            (x1, y1), (x2, y2) = points[0], points[-1]
            self.words((x1 + x2) / 2, (y1 + y2) / 2 - 5, words, anchor="middle", kind="small")

    def svg(self) -> str:
        """Return the picture."""
        return "\n".join([*self._parts, "</svg>", ""])


def windows() -> Picture:
    """Draw windows beside the whole history."""
    picture = Picture(
        "Windows or history",
        "Ten years of entries: the last three take 13 windows and 26 requests, or the whole history in 44 pages.",
        760,
        210,
    )
    picture.words(20, 24, "The customer's ledger: 4,400 entries in ten years")
    for year in range(10):
        height = 14 + 4 * year if year < 7 else 60  # noqa: PLR2004 - the last three years
        picture.box(20 + 72 * year, 100 - height, 70, height, BLUE if year < 7 else GREEN)  # noqa: PLR2004 - as above
        picture.words(55 + 72 * year, 116, str(2016 + year), anchor="middle", kind="small")
    picture.words(20, 146, "history")
    picture.box(80, 134, 658, 18, BLUE, "44 pages of 100 entries", dashed=True)
    picture.words(20, 180, "windows")
    for window in range(13):
        picture.box(524 + 16.4 * window, 168, 15, 18, GREEN)
    picture.words(515, 181, "the span of the query: 13 windows, 26 requests", anchor="end", kind="small")
    picture.words(20, 204, "The walk takes what is cheaper, and yields the same entries.", kind="small faint")
    return picture


def edge() -> Picture:
    """Draw a page edge within one second, and the request that settles it."""
    picture = Picture(
        "A page edge that is settled",
        "Row b comes on both pages and row d on none, since one second comes in two orders; one request settles it.",
        760,
        200,
    )
    picture.words(20, 24, "Page 0 as sent")
    picture.words(20, 84, "Page 1 as sent")
    for index, (row, color) in enumerate((("a", BLUE), ("c", AMBER), ("b", AMBER))):
        picture.box(150 + 62 * index, 8, 56, 24, color, row)
    for index, (row, color) in enumerate((("b", AMBER), ("e", BLUE), ("f", BLUE))):
        picture.box(150 + 62 * index, 68, 56, 24, color, row)
    picture.arrow((302, 34), (180, 66), words="")
    picture.words(262, 54, "b again: the second was sorted anew", kind="small")
    picture.words(20, 144, "One request for the second")
    for index, row in enumerate("abcde"):
        picture.box(220 + 62 * index, 128, 56, 24, AMBER if row in "bcd" else BLUE, row)
    picture.arrow((536, 140), (572, 140))
    picture.words(580, 144, "a b c d e f, each once")
    picture.words(
        20, 184, "A response is one query of the service, and therefore consistent in itself.", kind="small faint"
    )
    return picture


def customer() -> Picture:
    """Draw the states of a customer in a job."""
    picture = Picture(
        "A customer in a job",
        "Planned, running, then done, empty or unproven; incomplete and set aside after failures; a crash plans again.",
        760,
        220,
    )
    picture.box(20, 80, 100, 34, BLUE, "planned")
    picture.box(220, 80, 100, 34, BLUE, "running")
    for index, (state, color) in enumerate(
        (("done", GREEN), ("empty", GREEN), ("unproven", AMBER), ("incomplete", RED), ("set_aside", RED))
    ):
        y = 8 + 42 * index
        picture.box(500, y, 110, 32, color, state)
        picture.arrow((320, 97), (400, 97), (430, y + 16), (496, y + 16))
    picture.arrow((120, 90), (216, 90), words="slot free")
    picture.arrow((220, 106), (124, 106))
    picture.words(170, 132, "crash, or a failure that passes", anchor="middle", kind="small")
    for y, words in (
        (28, "all entries, proven"),
        (70, "no entries"),
        (112, "written, not proven"),
        (154, "three times"),
        (196, "permanently"),
    ):
        picture.words(620, y, words, kind="small faint")
    picture.arrow((555, 210), (555, 216), (70, 216), (70, 118))
    picture.words(300, 210, "--retry-set-aside", kind="mono")
    return picture


def request() -> Picture:
    """Draw the path of a request."""
    picture = Picture(
        "The path of a request",
        "From the walk through encoder, limiter, authentication and HTTP, back through the decoder to checked entries.",
        760,
        230,
    )
    down = (("walk", "which page is next"), ("_sansio", "query to request"), ("limiter", "a slot in the rate limit"))
    for index, (name, what) in enumerate((*down, ("auth + http", "one attempt, body included"))):
        picture.box(20 + 186 * index, 40, 150, 40, BLUE, name)
        picture.words(95 + 186 * index, 96, what, anchor="middle", kind="small faint")
        if index:
            picture.arrow((20 + 186 * index - 34, 60), (20 + 186 * index - 4, 60))
    picture.arrow((730, 60), (752, 60), (752, 170), (732, 170))
    for index, (name, what) in enumerate(
        (
            ("entries", "in order, each once"),
            ("validation", "total, order, keys"),
            ("decoder", "exact, typed"),
            ("response", "status, whole body"),
        )
    ):
        picture.box(20 + 186 * index, 150, 150, 40, GREEN, name)
        picture.words(95 + 186 * index, 206, what, anchor="middle", kind="small faint")
        if index:
            picture.arrow((20 + 186 * index - 4, 170), (20 + 186 * index - 34, 170))
    picture.arrow((653, 110), (653, 128), (467, 128), (467, 102))
    picture.words(560, 122, "retry: wait, and another slot", anchor="middle", kind="small")
    return picture


def budget() -> Picture:
    """Draw one limit over several processes."""
    picture = Picture(
        "One limit, several processes",
        "A limit of 600 requests a minute: divided among a service and a job with two shards, their sum is never more.",
        760,
        190,
    )
    picture.words(20, 22, "The organisation's limit: 600 requests a minute")
    picture.box(20, 34, 720, 26, BLUE)
    shares = (("service", 150, GREEN), ("job, shard 1", 225, AMBER), ("job, shard 2", 225, AMBER))
    x = 20.0
    for name, share, color in shares:
        width = 720 * share / 600
        picture.box(x + 2, 110, width - 4, 34, color, name)
        picture.arrow((x + width / 2, 62), (x + width / 2, 106))
        picture.words(x + width / 2 + 8, 90, f"RateLimit({share})", kind="mono")
        x += width
    picture.words(
        20, 176, "Each session keeps its share in every 60 seconds, however many requests it has.", kind="small faint"
    )
    return picture


PICTURES: Final = {"windows": windows, "edge": edge, "customer": customer, "request": request, "budget": budget}


def main(*, check: bool) -> int:
    """Write all pictures, or compare them; return the exit code."""
    FOLDER.mkdir(exist_ok=True)
    stale = []
    for name, draw in PICTURES.items():
        file, svg = FOLDER / f"{name}.svg", draw().svg()
        if not file.exists() or file.read_text(encoding="utf-8") != svg:
            stale.append(file.name)
            if not check:
                file.write_text(svg, encoding="utf-8")
    if check and stale:
        print("stale:", *stale, "- run python docs/pictures.py")  # noqa: T201 - the output of the script
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))
