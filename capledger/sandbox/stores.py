"""Tills and stores: what the till and store filters mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from capledger.sandbox.params import Parameters, till_parameter
from capledger.sandbox.responses import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from capledger.sandbox.customers import Store


class Places:
    """The stores of a sandbox, looked up in the ways that requests do."""

    def __init__(self, stores: Iterable[Store]) -> None:
        self._stores = tuple(stores)
        self._codes = {till: code for store in self._stores for till, code in store.tills.items()}
        #: Concept ids and names by store code.
        self.concepts: Mapping[str, tuple[int, str | None]] = {
            store.code: (store.concept_id, store.concept_name) for store in self._stores if store.concept_id != -1
        }
        #: Programs that concepts belong to.
        self.programs = {store.concept_program_id for store in self._stores if store.concept_program_id is not None}

    def tills(self, query: Parameters) -> frozenset[str] | None:
        """Till codes that a request asks for; None for all. 11025, 11026, 11027 or 11028 refuse."""
        given = till_parameter(query)
        if given is None:
            return None
        name, value = given
        return self._by_id(value) if name in {"tillId", "tillIds"} else self._by_store(name, value)

    def _by_id(self, value: str) -> frozenset[str]:
        texts = value.split(",")
        for text in texts:
            if not text.isdigit():
                raise Refusal(11025, f'Till id format exception:For input string: "{text}"')
        unknown = [text for text in texts if int(text) not in self._codes]
        if unknown:
            raise Refusal(11027, f"Invalid tillIds: [{', '.join(unknown)}]")
        return frozenset(self._codes[int(text)] for text in texts)

    def _by_store(self, name: str, value: str) -> frozenset[str]:
        for store in self._stores:
            if value == (store.code if name == "storeCode" else str(store.store_id)):
                return frozenset(store.tills.values())
        label = "code" if name == "storeCode" else "id"
        raise Refusal(11026, f"No tills found for store with store {label}: {value}")

    def concept_tills(self, program_id: int) -> frozenset[str]:
        """Till codes of the stores whose concept belongs to a program."""
        return frozenset(
            till for store in self._stores if store.concept_program_id == program_id for till in store.tills.values()
        )
