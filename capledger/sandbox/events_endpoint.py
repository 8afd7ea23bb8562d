"""The event details endpoint: up to ten events, with the parts that the flags ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from capledger.sandbox import params as read
from capledger.sandbox.event_shapes import EXPLAINED_EVENTS, Details, whole_event
from capledger.sandbox.ledger_endpoint import Asked, currency_warnings
from capledger.sandbox.responses import Refusal, json_answer, notice
from capledger.sandbox.serialization import with_twins

if TYPE_CHECKING:
    from aiohttp import web

    from capledger.sandbox.accounts import Found
    from capledger.sandbox.params import Parameters
    from capledger.sandbox.rows import Row
    from capledger.sandbox.rules import Rules

_MOST: Final = 10
_TWINNED: Final = frozenset(
    {"eventTime", "billDate", "expiresOn", "awardedOn", "billingTime", "createdOn", "pointsDeductedOn"}
)
_CURRENCY_KEYS: Final = ("alternateCurrencyValueEarned", "alternateCurrencyValueEarnedBreakup")


def events_page(found: Found, asked: Asked) -> web.Response:
    """The answer to a request for event details; the events come in the order asked for."""
    wanted = _wanted(asked.query)
    rows = [wanted.row(found, text) for text in wanted.texts]
    unknown = [text for text, row in zip(wanted.texts, rows, strict=True) if row is None]
    warnings = currency_warnings(found, asked.query)
    if unknown and asked.rules.unknown_events == "error":
        raise wanted.refusal(unknown)
    if unknown and asked.rules.unknown_events == "warning":
        warnings.append(notice(9021, _unknown_text(unknown)))
    parts = Parts.of(asked)
    events = [event for row in rows for event in _answered(found, row, asked.rules, parts)]
    if asked.rules.date_style == "iso" and not asked.scoped:
        events = with_twins(events, asked.zone, _TWINNED)
    return json_answer({"events": events, "warnings": warnings})


def _unknown_text(unknown: list[str]) -> str:
    return f"Invalid identifiers found[{', '.join(unknown)}]"


@frozen
class _Wanted:
    """What is asked for: ids, or references of events of one name."""

    texts: list[str]
    event_name: str | None

    def row(self, found: Found, text: str) -> Row | None:
        if self.event_name is not None:
            return found.ledger.by_reference(self.event_name, text)
        return found.ledger.by_id(int(text))

    def refusal(self, unknown: list[str]) -> Refusal:
        if self.event_name is not None:
            return Refusal(9022, "Event reference IDs are invalid")
        return Refusal(9021, _unknown_text(unknown))


def _wanted(query: Parameters) -> _Wanted:
    """Either ``eventIds`` or ``eventName`` with ``eventReferenceIds``; both are 11021, neither is 11023."""
    ids, name, references = query.get("eventIds"), query.get("eventName"), query.get("eventReferenceIds")
    if ids and (name or references):
        raise Refusal(11021, "EventId and Event References, both cannot be passed")
    if ids:
        return _Wanted([_numeric(text) for text in _listed(ids)], None)
    if not name or not references:
        raise Refusal(11023, "Valid identifiers not found : required either EventLogId or (EventName and BillId)")
    if name not in EXPLAINED_EVENTS:
        raise Refusal(11014, f"Event name not found :{name}")
    return _Wanted(_listed(references), name)


def _listed(text: str) -> list[str]:
    texts = [part.strip() for part in text.split(",")]
    if len(texts) > _MOST:
        raise Refusal(11014, "Max 10 events are allowed in params")
    return texts


def _numeric(text: str) -> str:
    if not text.isdigit():
        raise Refusal(11017, f"Event id format exception:{text}")
    return text


def _answered(found: Found, row: Row | None, rules: Rules, parts: Parts) -> list[Details | None]:
    """The event's details, a null, or nothing: as the rules have it for what is unknown or has no details."""
    if row is None:
        return [None] if rules.unknown_events == "null" else []
    event = found.event(row["eventLogId"]) or whole_event(row)
    if event is not None:
        return [parts.of_event(event)]
    if rules.unsupported_events == "error":
        raise Refusal(11014, f"Event name not found :{row['eventName']}")
    return [None] if rules.unsupported_events == "null" else []


@frozen
class Parts:
    """Which parts of an event a request asks for."""

    bill: bool
    breakdown: bool
    custom_fields: bool
    extended_fields: bool
    max_conversion: bool
    payment_modes: bool
    #: True for all alternate currencies, or the names of those asked for.
    currencies: bool | tuple[str, ...]

    @classmethod
    def of(cls, asked: Asked) -> Parts:
        """The flags; that of the payment modes is spelt ``getPaymentModes`` on v2 and ``getPaymentMode`` on v2.1."""
        query = asked.query
        breakdown = read.flag(query, "getPointsEarnedBreakup")
        if breakdown and not asked.rules.source_values_recorded:
            raise Refusal(11019, "Source value capturing status is disabled. Enable it from org settings")
        return cls(
            bill=read.flag(query, "getBillDetails"),
            breakdown=breakdown,
            custom_fields=read.flag(query, "getCustomFields"),
            extended_fields=read.flag(query, "getExtendedFields"),
            max_conversion=read.flag(query, "getMaxConversionDetails"),
            payment_modes=read.flag(query, "getPaymentMode" if asked.scoped else "getPaymentModes"),
            currencies=read.flag(query, "includeAlternateCurrencies") or read.currency_names(query) or False,
        )

    def of_event(self, event: Details) -> Details:
        """The event with the parts asked for alone."""
        left_out = {key for key, asked in self._optional() if not asked}
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
        """With the breakdown alone, a bill is that and no line items."""
        if not self.bill:
            bill = {"pointsEarnedBreakup": bill["pointsEarnedBreakup"], "lineItems": []}
        if not self.breakdown:
            lines = [_without(line, "pointsEarnedBreakup") for line in bill["lineItems"]]
            bill = _without(bill, "pointsEarnedBreakup", _CURRENCY_KEYS[1]) | {"lineItems": lines}
        chosen = {key: self._chosen(bill[key]) for key in _CURRENCY_KEYS if key in bill and self.currencies}
        return _without(bill, *_CURRENCY_KEYS) | chosen

    def _chosen(self, items: list[Details]) -> list[Details]:
        names = self.currencies
        return items if isinstance(names, bool) else [item for item in items if item["alternateCurrencyName"] in names]


def _without(part: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key not in keys}
