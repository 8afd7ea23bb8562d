"""The reference page is what the code says, and every public field says what it is and which page documents it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from attrs import fields
from support.examples import DOCS, load_script

from capledger import (
    BalanceQuery,
    CustomerLedgerQuery,
    EventDetailsQuery,
    EventFlags,
    GroupLedgerQuery,
    OrgScope,
    WalkReport,
    models,
)
from capledger.models._fields import wire_options

if TYPE_CHECKING:
    from types import ModuleType

MODELS = [getattr(models, name) for name in models.__all__]
QUERIES = [BalanceQuery, CustomerLedgerQuery, EventDetailsQuery, EventFlags, GroupLedgerQuery, OrgScope]
#: On no page of the vendor: what the SDK adds, and one list that is read in case it comes.
WITHOUT_SOURCE = {"PointsEarnedBreakdown.promo"}


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    """The script that writes the page."""
    return load_script(DOCS / "make_reference.py")


def test_reference_is_fresh(maker: ModuleType) -> None:
    """The page is what the code results in today; if not, run ``python docs/make_reference.py``."""
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == maker.reference()


@pytest.mark.parametrize("owner", [*MODELS, *QUERIES], ids=lambda owner: owner.__name__)
def test_every_field_is_documented_with_its_source(maker: ModuleType, owner: Any) -> None:
    """Each field of a model or query has a docstring, which ends with the vendor's page unless the SDK fills it."""
    docs = maker.field_docs(owner)

    for item in fields(owner):
        doc = docs[item.name]
        without_source = owner is WalkReport or wire_options(item).sdk_only
        assert doc.meaning, item.name
        assert bool(doc.source) is not (without_source or f"{owner.__name__}.{item.name}" in WITHOUT_SOURCE), item.name
