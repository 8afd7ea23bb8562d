"""The public names as a program uses them: read by mypy, never run."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import assert_type

from attrs import evolve

from capledger import ApiError, CustomerLedgerQuery, EventDetailsQuery, GroupLedgerQuery, LedgerQuery, OrgScope

customer = CustomerLedgerQuery(
    identifier_name="mobile",
    identifier_value="917406401004",
    start=date(2024, 1, 1),
    end=datetime(2024, 2, 1, tzinfo=UTC),
    order="desc",
    alternate_currency_names="Stars",
)
assert_type(customer, CustomerLedgerQuery)
assert_type(customer.start, datetime | None)
assert_type(customer.alternate_currency_names, tuple[str, ...])
assert_type(evolve(customer, till_ids=[1, 2]), CustomerLedgerQuery)
assert_type(customer.fingerprint_fields(), tuple[tuple[str, str], ...])

assert_type(CustomerLedgerQuery.mobile(917406401004, till_ids=[1], scope=OrgScope.other(50405)), CustomerLedgerQuery)
CustomerLedgerQuery.mobile("1", order="ascending")  # type: ignore[arg-type]  # only asc and desc
CustomerLedgerQuery.mobile("1", tills=[1])  # type: ignore[call-arg]  # no such keyword
CustomerLedgerQuery.email(1)  # type: ignore[arg-type]  # an address is a text

group: LedgerQuery = GroupLedgerQuery(identifier_value=381335652, roles={"PRIMARY"})

EventDetailsQuery(identifier_name="id", identifier_value=1, event_ids=["13499091", 13499092], api_version="v2")
EventDetailsQuery(identifier_name="id", identifier_value=1, event_name="ReturnBill", event_reference_ids=[1, "a"])
EventDetailsQuery(identifier_name="id", identifier_value=1, event_ids=[1.5])  # type: ignore[list-item]  # whole numbers


def code_of(error: ApiError) -> int:
    assert_type(error.request_id, str | None)
    return error.code
