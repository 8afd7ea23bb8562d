"""How far a listing was read, what was found wrong on the way, and what follows from it for the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define

from capledger.errors import IncompleteLedgerError
from capledger.walk.validation import Edge

if TYPE_CHECKING:
    from capledger.walk.listing import Layout


@define(eq=False)
class ReadProgress:
    """How far a listing was read, and what was found wrong on the way."""

    index: int
    """Rows before the next one to read, in the order of reading."""
    total: int
    """Rows of the listing by the latest response."""
    edge_total: int
    """The total by which ``index`` was counted."""
    edge: Edge | None
    read: int
    """Rows that were read."""
    fallen: int = 0
    """By how much the total has fallen."""
    vanished: int = 0
    """Rows that were read and seen to be deleted."""
    wavers: bool = False
    """Whether the total has risen again after it fell, as replicas make it do."""
    hidden: int = 0
    """Rows that pages did not show although they stand for them."""
    hides: bool = False
    """Whether two responses have shown that pages are shorter than they should be."""
    exceeds: bool = False
    """Whether the stated total was seen to be more than the rows of its own page."""
    empty_pages: int = 0
    """Pages without new rows, one after the other."""

    def note_total(self, total: int) -> None:
        """Take over the total of a response that is read."""
        self.wavers = self.wavers or (self.fallen > 0 and total > self.total)
        self.fallen += max(0, self.total - total)
        self.total = total

    def shortfall(self, layout: Layout) -> IncompleteLedgerError | None:
        """Return what keeps a listing that was read to its end from being proven; None when it is."""
        stated = layout.total
        if self.wavers or self.fallen != self.vanished:
            text = "the stated total fell while the ledger was read, and the entries that were deleted were not seen"
            return IncompleteLedgerError(text, self.total + self.fallen, self.total)
        if layout.counted and not self.hidden:
            return None
        if stated is None or not layout.stated or (self.read > stated and not self.exceeds):
            text = "the service does not state how many entries there are, so nothing proves that these are all"
            return IncompleteLedgerError(text, None, self.read)
        if self.read >= stated:
            return None
        text = f"{stated} entries are stated and {self.read} came"
        return IncompleteLedgerError(text, stated, self.read)
