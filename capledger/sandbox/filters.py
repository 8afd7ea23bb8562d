"""What of a row a request's filters leave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from capledger.sandbox.rows import Row


@frozen(kw_only=True)
class RowFilter:
    """The filters of one request; equal ones share their view of a ledger. None takes everything."""

    entry_type: str | None = None
    category: str | None = None
    program_id: int | None = None
    #: Till codes; a row of any other till is left out.
    tills: frozenset[str] | None = None
    #: Till codes at which deductions of other programs count as well (``includeTillConceptEvents``).
    concept_tills: frozenset[str] = frozenset()
    events: frozenset[str] | None = None
    excluded_events: frozenset[str] = frozenset()
    roles: frozenset[str] | None = None
    points: bool = True
    #: True takes all alternate currencies, a tuple these.
    currencies: bool | tuple[str, ...] = False

    def __call__(self, row: Row) -> Row | None:
        """The row itself where all of it stays, a copy with less, or None where nothing of it stays."""
        if not self._takes(row):
            return None
        details = row["entryDetails"]
        left = [detail for detail in details if self._takes_detail(detail, row)]
        if not left:
            return None
        nets = self._nets(row.get("netAlternateCurrenciesOnEvent"))
        if len(left) == len(details) and nets is None and self.points:
            return row
        return row | {"entryDetails": left} | (nets or {}) | ({} if self.points else {"netPointsOnEvent": "0"})

    def _takes(self, row: Row) -> bool:
        name = row["eventName"]
        return (
            (self.tills is None or row["tillCode"] in self.tills)
            and (self.events is None or name in self.events)
            and name not in self.excluded_events
            and (self.roles is None or not self.roles.isdisjoint(roles_of(row)))
        )

    def _takes_detail(self, detail: dict[str, Any], row: Row) -> bool:
        return (
            (self.entry_type is None or detail["ledgerEntryType"] == self.entry_type)
            and (self.category is None or detail["pointsCategory"] == self.category)
            and self._takes_currency(detail.get("alternateCurrencyName"))
            and (self.program_id is None or detail["programId"] == self.program_id or self._by_concept(detail, row))
        )

    def _takes_currency(self, name: str | None) -> bool:
        if name is None:
            return self.points
        return self.currencies if isinstance(self.currencies, bool) else name in self.currencies

    def _by_concept(self, detail: dict[str, Any], row: Row) -> bool:
        return detail["ledgerEntryType"] == "DEBIT" and row["tillCode"] in self.concept_tills

    def _nets(self, nets: dict[str, str] | None) -> dict[str, dict[str, str]] | None:
        """The nets of the currencies that are asked for; None where that is all of them."""
        if not nets or self.currencies is True:
            return None
        left = {name: net for name, net in nets.items() if self._takes_currency(name)}
        return None if left == nets else {"netAlternateCurrenciesOnEvent": left}


def roles_of(row: Row) -> set[str]:
    """The roles of the member who caused a group's entry; ``identifier`` may be an object or a list of them."""
    found = (row.get("customerDetails") or {}).get("identifier") or []
    return {item["role"] for item in (found if isinstance(found, list) else [found]) if "role" in item}
