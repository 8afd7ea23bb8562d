"""Models: names of keys, twins of dates, and what a repr hides."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from attrs import AttrsInstance, fields
from support.bodies import LEDGER, body, decode, ledger_request

from capledger import models
from capledger.models import (
    BillDetails,
    CustomerDetails,
    EntryDetail,
    LedgerEntry,
    LedgerEvent,
    MemberDetails,
    MemberIdentifier,
    TargetCompletedDetails,
    TransactionDetails,
    TransferParty,
)
from capledger.models._fields import iso_twin, json_key, json_keys, response_fields

MOMENT = datetime(2026, 2, 3, 10, 11, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("model", "attribute", "expected"),
    [
        (LedgerEntry, "event_log_id", "eventLogId"),
        (LedgerEntry, "net_alternate_currencies_on_event", "netAlternateCurrenciesOnEvent"),
        (LedgerEntry, "ledger_created_date_iso", "ledgerCreatedDateISO"),
        (LedgerEntry, "org_id", "orgId"),
        (TransactionDetails, "date_iso", "dateISO"),
        (TargetCompletedDetails, "mile_stone_name", "mileStoneName"),
        (TargetCompletedDetails, "target_group_id", "targetGroupID"),
        (TargetCompletedDetails, "target_period_id", "targetPeriodID"),
        (BillDetails, "alternate_currency_value_earned_breakup", "alternateCurrencyValueEarnedBreakup"),
    ],
)
def test_keys_are_the_apis_names(model: type[AttrsInstance], attribute: str, expected: str) -> None:
    """The key of a field is its name in camel case, except where the API is irregular."""
    assert json_key(getattr(fields(model), attribute)) == expected


@pytest.mark.parametrize("name", models.__all__)
def test_no_key_fills_two_fields(name: str) -> None:
    """No two fields of a model are read from the same key, and each ISO twin belongs to a date field."""
    model: Any = getattr(models, name)
    attributes = response_fields(model)
    keys = [key for attribute in attributes for key in json_keys(attribute)]
    twins = [attribute for attribute in attributes if attribute.name.endswith("_iso")]

    assert len(keys) == len(set(keys))
    assert twins == [twin for attribute in attributes if (twin := iso_twin(model, attribute))]


@pytest.mark.parametrize(
    "personal",
    [
        CustomerDetails("Secret", "Secret", 987654321, "Secret"),
        MemberDetails("Secret", "Secret", MemberIdentifier("MOBILE", "Secret"), 987654321),
        TransferParty("987654321", "Secret", "Secret"),
        LedgerEntry(1, "PointsTransfer", MOMENT, 987654321),
        LedgerEvent(1, "PointsTransfer", event_reference_id="987654321", notes="Secret"),
    ],
)
def test_reprs_hide_personal_data(personal: object) -> None:
    """Names, identifiers and free text are in no repr, and so in no log."""
    assert "Secret" not in repr(personal)
    assert "987654321" not in repr(personal)


def test_a_page_has_its_body_outside_its_repr() -> None:
    """The body is on the page for keys that no model has, and not in its repr."""
    page = decode(ledger_request(), LEDGER)

    assert page.raw == body(LEDGER)
    assert "Ada" not in repr(page)


def test_pages_survive_pickling() -> None:
    """A page can be sent to another process."""
    page = decode(ledger_request(), LEDGER)

    assert pickle.loads(pickle.dumps(page)) == page  # noqa: S301 - our own bytes


def test_an_entry_needs_three_values() -> None:
    """Three values make an entry; the other fields are None or empty, and no two entries share a list."""
    entry, other = (LedgerEntry(1, "TransactionAdd", MOMENT) for _ in range(2))
    entry.entry_details.append(EntryDetail(points=Decimal("1.50")))

    assert other.entry_details == []
    assert other.net_alternate_currencies_on_event == {}
    assert other.event is None
