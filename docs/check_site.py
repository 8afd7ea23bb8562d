"""Check the built site: links, a place for each public name, search, ``llms.txt``: ``check_site.py DIRECTORY``."""

from __future__ import annotations

import importlib
import inspect
import sys
from html.parser import HTMLParser
from os.path import normpath
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Pages that Sphinx makes, whose links are not ours.
GENERATED = {"genindex.html", "py-modindex.html", "search.html"}

#: Modules whose public names have a page.
PUBLIC_MODULES = (
    "capledger",
    *(f"capledger.{name}" for name in ("backfill", "blocking", "books", "dask", "frames", "models", "otel", "redis")),
    *("capledger.sandbox", "capledger.sandbox.faults"),
)


class Page(HTMLParser):
    """The links of a page, and what they can lead to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = {""}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what the attributes link to or define."""
        for name, value in attrs:
            if name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value or "")
            elif name in {"href", "src"} and value:
                self.links.add(value)


def broken_links(site: Path) -> list[str]:
    """Return a line for each link that leads nowhere within the site."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.resolve().rglob("*.html"))}
    own = {path: page for path, page in pages.items() if path.name not in GENERATED and "_modules" not in path.parts}
    return [
        f"{path.relative_to(site.resolve())}: {link}"
        for path, page in own.items()
        for link in sorted(page.links)
        if not leads_somewhere(link, path, pages)
    ]


def leads_somewhere(link: str, origin: Path, pages: dict[Path, Page]) -> bool:
    """Return whether a link leads to a file and an anchor of the site, or out of it."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = Path(normpath(origin.parent / unquote(parts.path))) if parts.path else origin
    page = pages.get(target)
    page = next((page for path, page in pages.items() if path.resolve() == target), None)
    return target.exists() if page is None else unquote(parts.fragment) in page.anchors


def public_names(path: str) -> list[str]:
    """Return the public names of a module: ``__all__``, or the classes and functions that it defines."""
    module = importlib.import_module(path)
    own = [
        name
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and value.__module__ == path and name[0] != "_"
    ]
    return list(getattr(module, "__all__", own))


def names_without_page(site: Path) -> list[str]:
    """Return a line for each public name that no page of the reference documents."""
    pages = [Page(path.read_text(encoding="utf-8")) for path in sorted((site / "api").glob("*.html"))]
    documented = {anchor.rpartition(".")[2] for page in pages for anchor in page.anchors if "capledger." in anchor}
    return [
        f"{path}.{name} has no page" for path in PUBLIC_MODULES for name in public_names(path) if name not in documented
    ]


def main(site: Path) -> int:
    """Print what is wrong; return the exit code."""
    problems = broken_links(site) + names_without_page(site)
    problems += [f"{name} is missing" for name in ("llms.txt", "searchindex.js") if not (site / name).exists()]
    print(*problems or ["all links within the site lead somewhere, and every public name has a page"], sep="\n")  # noqa: T201 - the output of the script
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
