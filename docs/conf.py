"""The site: ``make docs``."""

from __future__ import annotations

import re
from importlib.metadata import version as version_of
from pathlib import Path
from typing import TYPE_CHECKING

from pygments.lexers.special import TextLexer

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "capledger"
author = "capledger contributors"
project_copyright = "capledger contributors"
version = release = version_of("capledger")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["pictures"]
suppress_warnings = ["ref.python"]  # types such as date, which some fields are named like
nitpicky = False

myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True, "inherited-members": "Exception, int, str, tuple, ValueError, TimeoutError"}
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
toc_object_entries = False

html_theme = "furo"
html_title = "capledger"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_theme_options = {
    "source_repository": "https://github.com/capledger/capledger/",
    "source_branch": "main",
    "source_directory": "docs/",
    "light_css_variables": {"color-brand-primary": "#0b6e5d", "color-brand-content": "#0b6e5d"},
    "dark_css_variables": {"color-brand-primary": "#4fd1b5", "color-brand-content": "#4fd1b5"},
}
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
linkcheck_ignore = [r"http://127\.0\.0\.1.*", r"https://(eu|in|.*)\.api\.capillarytech\.com.*"]

#: Files outside of the folder that pages include, and where their relative links lead from there.
LINKS_OF_INCLUDED = {
    "(docs/": "(",
    "(../docs/": "(",
    "(benchmarks/README.md)": "(benchmarks.md)",
    "(CONTRIBUTING.md)": "(contributing.md)",
    "(CHANGELOG.md)": "(changelog.md)",
}


def correct_links(_: Sphinx, _path: Path, _page: str, content: list[str]) -> None:
    """Correct the relative links of a file that a page includes."""
    for old, new in LINKS_OF_INCLUDED.items():
        content[0] = content[0].replace(old, new)


def write_llms_txt(app: Sphinx, exception: Exception | None) -> None:
    """Write ``llms.txt``, the list of all pages with their first sentence, and ``llms-full.txt``, their text."""
    if exception is not None or app.builder.name != "html":
        return
    names = sorted(app.env.found_docs, key=lambda name: (name.count("/"), name != "index", name))
    sources = {name: text_of(Path(app.env.doc2path(name))) for name in names}
    lines = [f"- [{title_of(text)}]({name}.html): {first_sentence(text)}" for name, text in sources.items()]
    out = Path(app.outdir)
    head = f"# {project} {version}\n\n> {first_sentence(sources['index'])}\n\n## Pages\n\n"
    (out / "llms.txt").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    (out / "llms-full.txt").write_text("\n\n".join(sources.values()), encoding="utf-8")


def text_of(page: Path) -> str:
    """Return the source of a page, or of the file that it includes."""
    text = page.read_text(encoding="utf-8")
    included = re.match(r"```\{include\} (\S+)", text)
    return (page.parent / included[1]).read_text(encoding="utf-8") if included else text


def title_of(text: str) -> str:
    """Return the title of a page."""
    return text.partition("\n")[0].removeprefix("# ").replace("`", "")


def first_sentence(text: str) -> str:
    """Return the sentence that a page opens with."""
    found = re.search(r"^[A-Z`].*?\.(?=\s)", text.partition("\n")[2], re.MULTILINE | re.DOTALL)
    return " ".join(found[0].split()) if found else ""


def setup(app: Sphinx) -> None:
    """Connect the functions of this file."""
    app.add_lexer("csv", TextLexer)
    app.connect("include-read", correct_links)
    app.connect("build-finished", write_llms_txt)
