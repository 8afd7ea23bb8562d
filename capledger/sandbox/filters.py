"""The filters of a request, applied to rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from capledger.sandbox.rows import LedgerRow


@frozen(kw_only=True)
class RowFilter:
    """The filters of one request; equal filters share their view of a ledger. None matches everything."""

    entry_type: str | None = None
    category: str | None = None
    program_id: int | None = None
    tills: frozenset[str] | None = None
    """Till codes; rows of other tills are left out."""
    concept_tills: frozenset[str] = frozenset()
    """Till codes where deductions of other programs match as well (``includeTillConceptEvents``)."""
    events: frozenset[str] | None = None
    excluded_events: frozenset[str] = frozenset()
    roles: frozenset[str] | None = None
    points: bool = True
    currencies: bool | tuple[str, ...] = False
    """True for all alternate currencies, or their names."""

    def __call__(self, row: LedgerRow) -> LedgerRow | None:
        """Return the row if all of it matches, a copy of the matching part, or None if nothing matches."""
        if not self._matches(row):
            return None
        details = row["entryDetails"]
        left = [detail for detail in details if self._matches_detail(detail, row)]
        if not left:
            return None
        nets = self._nets(row.get("netAlternateCurrenciesOnEvent"))
        if len(left) == len(details) and nets is None and self.points:
            return row
        return row | {"entryDetails": left} | (nets or {}) | ({} if self.points else {"netPointsOnEvent": "0"})

    def _matches(self, row: LedgerRow) -> bool:
        name = row["eventName"]
        return (
            (self.tills is None or row["tillCode"] in self.tills)
            and (self.events is None or name in self.events)
            and name not in self.excluded_events
            and (self.roles is None or not self.roles.isdisjoint(roles_of(row)))
        )

    def _matches_detail(self, detail: dict[str, Any], row: LedgerRow) -> bool:
        return (
            (self.entry_type is None or detail["ledgerEntryType"] == self.entry_type)
            and (self.category is None or detail["pointsCategory"] == self.category)
            and self._matches_currency(detail.get("alternateCurrencyName"))
            and (self.program_id is None or detail["programId"] == self.program_id or self._by_concept(detail, row))
        )

    def _matches_currency(self, name: str | None) -> bool:
        if name is None:
            return self.points
        return self.currencies if isinstance(self.currencies, bool) else name in self.currencies

    def _by_concept(self, detail: dict[str, Any], row: LedgerRow) -> bool:
        return detail["ledgerEntryType"] == "DEBIT" and row["tillCode"] in self.concept_tills

    def _nets(self, nets: dict[str, str] | None) -> dict[str, dict[str, str]] | None:
        """Return the nets of the selected currencies; None if these are all of them."""
        if not nets or self.currencies is True:
            return None
        left = {name: net for name, net in nets.items() if self._matches_currency(name)}
        return None if left == nets else {"netAlternateCurrenciesOnEvent": left}


def roles_of(row: LedgerRow) -> set[str]:
    """Return the roles of the member who caused a group's entry; ``identifier`` is an object or a list of them."""
    found = (row.get("customerDetails") or {}).get("identifier") or []
    return {item["role"] for item in (found if isinstance(found, list) else [found]) if "role" in item}
