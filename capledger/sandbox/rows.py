"""Ledger entries as the API sends them, and dates in the styles that the API has used."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final

from capledger.sandbox.zones import EARLIEST, LATEST

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A row of ``ledgerEntries`` as a dictionary.
LedgerRow = dict[str, Any]

PROGRAM_ID: Final = 4110
PROGRAM_NAME: Final = "Harbour Rewards"
ORG_ID: Final = 70001
#: Points categories by ``pointCategoryType``.
CATEGORIES: Final = {
    "REGULAR": "Main",
    "PROMISED": "DelayedAccrualPointCategory",
    "TRIGGER_BASED": "ExternalTriggerBasedPointCategory",
}
#: Events that belong to a bill, and so have ``transactionDetails``.
BILL_EVENTS: Final = frozenset({"NewBill", "TransactionAdd", "GroupTransactionAdd", "ReturnBill", "TransactionUpdate"})
BILL_OFFSET: Final = 800_000_000


def legacy_date(moment: datetime) -> str:
    """Return ``2024-08-30 11:17:57.0``: no zone, as many decimals as needed, at least one."""
    string = moment.isoformat(" ")
    return string.rstrip("0") if moment.microsecond else f"{string}.0"


def plain_date(moment: datetime) -> str:
    """Return ``2024-08-30 11:17:57``: no fraction."""
    return moment.isoformat(" ", "seconds")


def java_date(moment: datetime, zone: tzinfo) -> str:
    """Return ``Fri Aug 30 11:17:57 GMT 2024``, as Java's ``Date.toString`` does: no fraction."""
    name = moment.replace(tzinfo=zone).tzname()
    return f"{moment:%a %b %d %H:%M:%S} {'GMT' if name == 'UTC' else name} {moment.year:04}"


def iso_date(moment: datetime, zone: tzinfo) -> str:
    """Return ``2024-08-30T11:17:57Z``, or with an offset such as ``+05:30``: no fraction."""
    string = moment.replace(tzinfo=zone).isoformat(timespec="seconds")
    return f"{string[:-6]}Z" if string.endswith("+00:00") else string


def read_date(string: str) -> datetime:
    """Read a date in the legacy style, with or without a fraction, as a naive datetime."""
    return datetime.fromisoformat(string)


def nearest_date(string: str) -> datetime:
    """Read a date; for one that no calendar has, such as ``0000-00-00 00:00:00``, return the edge of the calendar."""
    try:
        return read_date(string)
    except ValueError:
        return EARLIEST if string.startswith(("0000", "-")) else LATEST


def entry_detail(points: str, **overrides: object) -> dict[str, Any]:
    """Return an item of ``entryDetails``: a CREDIT in the main category; ``overrides`` use the API's names."""
    detail: dict[str, Any] = {
        "ledgerEntryType": "CREDIT",
        "points": points,
        "pointsCategory": "Main",
        "programName": PROGRAM_NAME,
        "programId": PROGRAM_ID,
    }
    return detail | overrides


def make_row(
    event_log_id: int,
    created: datetime,
    *,
    event_name: str = "TransactionAdd",
    points: str = "100.000",
    entry_type: str = "CREDIT",
    currencies: Mapping[str, str] | None = None,
    **overrides: object,
) -> LedgerRow:
    """
    Return a ledger entry with every field set.

    ``created`` is naive server time, to the microsecond. ``points`` and ``currencies`` (amounts by alternate currency)
    are decimal strings without a sign; the nets follow from them. ``overrides`` replace whole keys of the API's names.
    """
    sign = "-" if entry_type == "DEBIT" else ""
    amounts = currencies or {}
    row: LedgerRow = {
        "eventLogId": event_log_id,
        "eventName": event_name,
        "customerId": 910_000_001,
        "ledgerCreatedDate": legacy_date(created),
        "customerDetails": {"userId": 0},
        "entryDetails": [entry_detail(points, ledgerEntryType=entry_type)]
        + [entry_detail(amounts[name], ledgerEntryType=entry_type, alternateCurrencyName=name) for name in amounts],
        "netPointsOnEvent": sign + points,
        "netAlternateCurrenciesOnEvent": {name: sign + amounts[name] for name in amounts},
        "transactionDetails": _transaction(event_log_id, created) if event_name in BILL_EVENTS else {},
        "store": "Quay Store",
        "storeCode": "quay",
        "tillCode": "quay.till1",
        "eventDetails": {"eventDate": legacy_date(created)},
        "sourceProgramId": PROGRAM_ID,
        "sourceProgramName": PROGRAM_NAME,
        "orgId": ORG_ID,
    }
    return row | overrides


def _transaction(event_log_id: int, created: datetime) -> dict[str, Any]:
    return {
        "transactionId": event_log_id + BILL_OFFSET,
        "transactionNumber": f"HB-{event_log_id}",
        "date": legacy_date(created),
        "amount": 1250.5,
        "grossBillAmount": 1300.0,
        "source": "instore",
    }


def make_member(user_id: int, *, first_name: str, last_name: str, mobile: str, role: str = "PRIMARY") -> dict[str, Any]:
    """
    Return the ``customerDetails`` of a group's entry: the member who caused it, with identifier and role.

    The vendor's pages describe ``identifier`` as an object; ``member | {"identifier": [...]}`` makes it a list.
    """
    return {
        "firstName": first_name,
        "lastName": last_name,
        "identifier": {"type": "mobile", "value": mobile, "role": role},
        "userId": user_id,
    }


def event_reference(row: LedgerRow) -> str:
    """
    Return the reference by which ``eventReferenceIds`` finds a row.

    The reference is the transaction's id for bills, "-1" for goodwill and manual adjustments, the customer's
    id for redemptions and transfers, and the event's own id for all others.
    """
    if row["eventName"] in {"AllocateGoodwillPoints", "ManualPointsAdjustment"}:
        return "-1"
    if row["eventName"] in {"PointsRedemption", "PointsTransfer"}:
        return str(row["customerId"])
    return str((row.get("transactionDetails") or {}).get("transactionId", row["eventLogId"]))
