"""The event details endpoint: up to ten events, with the parts that the flags select."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from capledger.sandbox import params as read
from capledger.sandbox.event_shapes import EXPLAINED_EVENTS, whole_event
from capledger.sandbox.ledger_endpoint import EndpointRequest, currency_warnings
from capledger.sandbox.responses import ErrorResponse, error_item, json_response

if TYPE_CHECKING:
    from aiohttp import web

    from capledger.sandbox.accounts import AccountMatch
    from capledger.sandbox.event_points import Details
    from capledger.sandbox.params import Parameters
    from capledger.sandbox.rows import LedgerRow
    from capledger.sandbox.rules import Rules

_MAX_EVENTS: Final = 10
_DATE_KEYS: Final = frozenset(
    {"eventTime", "billDate", "expiresOn", "awardedOn", "billingTime", "createdOn", "pointsDeductedOn"}
)
_CURRENCY_KEYS: Final = ("alternateCurrencyValueEarned", "alternateCurrencyValueEarnedBreakup")


def events_page(found: AccountMatch, request: EndpointRequest) -> web.Response:
    """Return the response to a request for event details; events are in the order of the request."""
    selected = _event_selection(request.query)
    rows = [selected.row(found, value) for value in selected.values]
    unknown = [value for value, row in zip(selected.values, rows, strict=True) if row is None]
    warnings = currency_warnings(found, request.query)
    if unknown and request.rules.unknown_events == "error":
        raise selected.error(unknown)
    if unknown and request.rules.unknown_events == "warning":
        warnings.append(error_item(9021, _unknown_message(unknown)))
    parts = EventParts.of(request)
    events = [event for row in rows for event in _event_items(found, row, request.rules, parts)]
    if request.rules.response_zone is not None or (request.rules.date_style == "iso" and not request.scoped):
        events = request.row_format().with_event_dates(events, _DATE_KEYS)
    return json_response({"events": events, "warnings": warnings})


def _unknown_message(unknown: list[str]) -> str:
    return f"Invalid identifiers found[{', '.join(unknown)}]"


@frozen
class _EventSelection:
    """The requested events: ids, or references of events of one name."""

    values: list[str]
    event_name: str | None

    def row(self, found: AccountMatch, value: str) -> LedgerRow | None:
        if self.event_name is not None:
            return found.ledger.by_reference(self.event_name, value)
        return found.ledger.by_id(int(value))

    def error(self, unknown: list[str]) -> ErrorResponse:
        if self.event_name is not None:
            return ErrorResponse(9022, "Event reference IDs are invalid")
        return ErrorResponse(9021, _unknown_message(unknown))


def _event_selection(query: Parameters) -> _EventSelection:
    """Read ``eventIds``, or ``eventName`` with ``eventReferenceIds``; raise 11021 for both, 11023 for neither."""
    ids, name, references = query.get("eventIds"), query.get("eventName"), query.get("eventReferenceIds")
    if ids and (name or references):
        raise ErrorResponse(11021, "EventId and Event References, both cannot be passed")
    if ids:
        return _EventSelection([_numeric(value) for value in _split(ids)], None)
    if not name or not references:
        raise ErrorResponse(11023, "Valid identifiers not found : required either EventLogId or (EventName and BillId)")
    if name not in EXPLAINED_EVENTS:
        raise ErrorResponse(11014, f"Event name not found :{name}")
    return _EventSelection(_split(references), name)


def _split(value: str) -> list[str]:
    values = [part.strip() for part in value.split(",")]
    if len(values) > _MAX_EVENTS:
        raise ErrorResponse(11014, "Max 10 events are allowed in params")
    return values


def _numeric(value: str) -> str:
    if not value.isdigit():
        raise ErrorResponse(11017, f"Event id format exception:{value}")
    return value


def _event_items(found: AccountMatch, row: LedgerRow | None, rules: Rules, parts: EventParts) -> list[Details | None]:
    """Return the event's details, or what the rules put in place of an unknown or unsupported event."""
    if row is None:
        return [None] if rules.unknown_events == "null" else []
    event = found.event(row["eventLogId"]) or whole_event(row)
    if event is not None:
        return [parts.of_event(event)]
    if rules.unsupported_events == "error":
        raise ErrorResponse(11014, f"Event name not found :{row['eventName']}")
    return [None] if rules.unsupported_events == "null" else []


@frozen
class EventParts:
    """The parts of an event that a request selects."""

    bill: bool
    breakdown: bool
    custom_fields: bool
    extended_fields: bool
    max_conversion: bool
    payment_modes: bool
    currencies: bool | tuple[str, ...]
    """True for all alternate currencies, or the names of the selected ones."""

    @classmethod
    def of(cls, request: EndpointRequest) -> EventParts:
        """Read the flags; that of the payment modes is ``getPaymentModes`` on v2 and ``getPaymentMode`` on v2.1."""
        query = request.query
        breakdown = read.flag(query, "getPointsEarnedBreakup")
        if breakdown and not request.rules.source_values_recorded:
            raise ErrorResponse(11019, "SourceEntry value capturing status is disabled. Enable it from org settings")
        return cls(
            bill=read.flag(query, "getBillDetails"),
            breakdown=breakdown,
            custom_fields=read.flag(query, "getCustomFields"),
            extended_fields=read.flag(query, "getExtendedFields"),
            max_conversion=read.flag(query, "getMaxConversionDetails"),
            payment_modes=read.flag(query, "getPaymentMode" if request.scoped else "getPaymentModes"),
            currencies=read.flag(query, "includeAlternateCurrencies") or read.currency_names(query) or False,
        )

    def of_event(self, event: Details) -> Details:
        """Return the event with the selected parts."""
        left_out = {key for key, is_selected in self._optional() if not is_selected}
        kept = {key: value for key, value in event.items() if key not in left_out}
        if not self.max_conversion and "eventDetails" in kept:
            kept["eventDetails"] = _without(kept["eventDetails"], "maxConversionDate")
        if "billDetails" in kept:
            kept["billDetails"] = self._bill(kept["billDetails"])
        return kept

    def _optional(self) -> tuple[tuple[str, bool], ...]:
        return (
            ("billDetails", self.bill or self.breakdown),
            ("pointInTimeSlabs", self.bill),
            ("customFields", self.custom_fields),
            ("extendedFields", self.extended_fields),
            ("paymentModes", self.payment_modes),
        )

    def _bill(self, bill: Details) -> Details:
        """Return the bill with its selected parts; with the breakdown alone it has no line items."""
        if not self.bill:
            bill = {"pointsEarnedBreakup": bill["pointsEarnedBreakup"], "lineItems": []}
        if not self.breakdown:
            lines = [_without(line, "pointsEarnedBreakup") for line in bill["lineItems"]]
            bill = _without(bill, "pointsEarnedBreakup", _CURRENCY_KEYS[1]) | {"lineItems": lines}
        currencies = {
            key: self._selected_currencies(bill[key]) for key in _CURRENCY_KEYS if key in bill and self.currencies
        }
        return _without(bill, *_CURRENCY_KEYS) | currencies

    def _selected_currencies(self, items: list[Details]) -> list[Details]:
        names = self.currencies
        return items if isinstance(names, bool) else [item for item in items if item["alternateCurrencyName"] in names]


def _without(part: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key not in keys}
