"""The reference page says what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def test_reference_is_fresh() -> None:
    """The page is what the code gives today; if not, run ``python docs/make_reference.py``."""
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)

    assert (DOCS / "reference.md").read_text(encoding="utf-8") == maker.reference()
