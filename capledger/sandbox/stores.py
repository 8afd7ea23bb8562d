"""Stores and tills, and the filters by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from attrs import field, frozen

from capledger.sandbox.params import Parameters, till_parameter
from capledger.sandbox.responses import ErrorResponse


@frozen(kw_only=True)
class Store:
    """A store with its tills (codes by id), and the concept that it belongs to."""

    store_id: int
    code: str
    tills: Mapping[int, str] = field(hash=False)
    concept_id: int = -1
    concept_name: str | None = None
    concept_program_id: int | None = None
    """The program whose ``includeTillConceptEvents`` includes deductions at these tills."""


#: The default stores; ``make_row`` uses the first one.
STORES = (
    Store(
        store_id=301,
        code="quay",
        tills={9301: "quay.till1", 9302: "quay.till2"},
        concept_id=71,
        concept_name="Harbour",
        concept_program_id=4110,
    ),
    Store(
        store_id=302,
        code="mill",
        tills={9311: "mill.till1"},
        concept_id=72,
        concept_name="Mill",
        concept_program_id=4120,
    ),
    Store(store_id=303, code="pier", tills={9321: "pier.till1"}),
)


class Stores:
    """The stores of a sandbox, found by till, store id, store code or concept."""

    def __init__(self, stores: Iterable[Store]) -> None:
        self._stores = tuple(stores)
        self._codes = {till: code for store in self._stores for till, code in store.tills.items()}
        self.concepts: Mapping[str, tuple[int, str | None]] = {
            store.code: (store.concept_id, store.concept_name) for store in self._stores if store.concept_id != -1
        }
        """Concept ids and names by store code."""
        self.programs: set[int] = {
            store.concept_program_id for store in self._stores if store.concept_program_id is not None
        }
        """Ids of the programs that concepts belong to."""

    def tills(self, query: Parameters) -> frozenset[str] | None:
        """Return the till codes that a request selects, None for all; raise 11025, 11026, 11027 or 11028."""
        parameter = till_parameter(query)
        if parameter is None:
            return None
        name, value = parameter
        return self._by_id(value) if name in {"tillId", "tillIds"} else self._by_store(name, value)

    def _by_id(self, value: str) -> frozenset[str]:
        ids = value.split(",")
        for till_id in ids:
            if not till_id.isdigit():
                raise ErrorResponse(11025, f'Till id format exception:For input string: "{till_id}"')
        unknown = [till_id for till_id in ids if int(till_id) not in self._codes]
        if unknown:
            raise ErrorResponse(11027, f"Invalid tillIds: [{', '.join(unknown)}]")
        return frozenset(self._codes[int(till_id)] for till_id in ids)

    def _by_store(self, name: str, value: str) -> frozenset[str]:
        for store in self._stores:
            if value == (store.code if name == "storeCode" else str(store.store_id)):
                return frozenset(store.tills.values())
        label = "code" if name == "storeCode" else "id"
        raise ErrorResponse(11026, f"No tills found for store with store {label}: {value}")

    def concept_tills(self, program_id: int) -> frozenset[str]:
        """Return the till codes of the stores whose concept belongs to a program."""
        return frozenset(
            till for store in self._stores if store.concept_program_id == program_id for till in store.tills.values()
        )
