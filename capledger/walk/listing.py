"""The rows of one filter, a window or the whole history, asked page by page and put back in order by rank.

A row's *rank* counts from the oldest row of the listing. Entries are only ever added at the new end, so a rank, unlike
a page number, does not move while the listing is read; position and total of the same answer give it. Pure: a listing
says which pages it wants, takes them as they come, and gives batches in the order of the query.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capledger.errors import PaginationError
from capledger.walk.batch import Extent
from capledger.walk.handout import Handout
from capledger.walk.offsets import OffsetProof
from capledger.walk.ordering import age_of, holds_repeats, row_key
from capledger.walk.patience import Patience
from capledger.walk.shelf import Segment, Shelf
from capledger.walk.validation import (
    Doubt,
    SeenPages,
    check_count,
    check_number,
    check_total,
    expected_rows,
    other_page_size,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from capledger.models import LedgerPage
    from capledger.walk.batch import Batch
    from capledger.walk.cursor import Place
    from capledger.walk.server_profile import Direction, ServerProfile
    from capledger.walk.windows import Span, Window

#: How many rows in order show that the server has an order, and which.
_ROWS_TO_TELL = 8


class Listing:
    """One filter's rows on their way: pages held, what is still wanted, and how far the walk has come."""

    def __init__(
        self,
        window: Window | None,
        *,
        span: Span,
        order: Direction,
        page_size: int,
        facts: ServerProfile,
        cautious: bool = False,
        tolerant: bool = False,
        snapshot: int | None = None,
        unseen: int = 0,
    ) -> None:
        """Begin with nothing known; ``span`` is the part of the walk's that the window stands for.

        ``cautious`` proves what ``offset`` counts before it asks further; ``tolerant`` lets wrong counts pass;
        ``snapshot`` is how many rows there were when the walk began, if that is known; ``unseen`` is how many pages to
        ask for beside the first before it is known how many there are.
        """
        self.window = window
        self.page_size = facts.page_size(page_size)
        self.extent: Extent | None = None
        self._counts_right = True
        self._order: Direction = order
        self._facts = facts
        self._generation = 0
        self._rule = facts.offset_rule
        self._cautious = cautious
        self._tolerant = tolerant
        self._snapshot = snapshot
        self._unseen = unseen
        self._shelf = Shelf()
        self._offsets = OffsetProof(facts)
        self._seen = SeenPages()
        self._first_key: int | None = None
        #: Whether an answer has shown that the server's pages are of our size.
        self._cut_known = False
        #: Whether rows come in no order, so that all have to be here before the first is given.
        self._jumbled = False
        self._handout = Handout(window, span, order, tolerant)
        self._patience = Patience()
        self._resumed = False
        self._next_rank: int | None = None
        #: Different rows that a doubtful page had: a total below that is none.
        self._rows_seen = 0

    @property
    def generation(self) -> int:
        """Goes up when pages are cut anew, so that answers still on their way are known to be of the old cut.

        That is also when another listing of the session has proven what ``offset`` counts, against what was assumed.
        """
        self._follow_rule()
        return self._generation

    def _follow_rule(self) -> None:
        if self._rule != self._facts.offset_rule:
            self._recut(keep_first=True)

    @property
    def proven(self) -> bool:
        """Whether what was given is proven to be all; a listing that had to let a wrong count pass is not."""
        return self._counts_right and self._handout.proven

    @property
    def held(self) -> int:
        """How many pages wait here for their turn, where pages can be given one by one."""
        return 0 if self._jumbled else len(self._shelf)

    @property
    def done(self) -> bool:
        """Whether every row up to the first total was given."""
        return self.extent is not None and self.extent.all_given(self._order) and not self._probe_due(self.extent)

    def resume(self, place: Place) -> None:
        """Go on where an earlier walk of the same listing stopped."""
        self._resumed = True
        self._jumbled = place.direction == "mixed"
        direction = None if place.direction == "mixed" else place.direction
        self.extent = Extent(place.total, place.snapshot, place.next_rank, direction)

    def shrink(self, page_size: int) -> None:
        """Ask for smaller pages from here on."""
        self.page_size = page_size
        self._recut()

    # What is wanted

    def offset_of(self, number: int) -> int:
        """Give the ``offset`` that asks for a page."""
        return self._offsets.offset_of(number, self.page_size)

    def wanted(self) -> Iterator[int]:
        """Give the pages that are not here, as far as is known now, the most urgent first; some may be on their way."""
        extent = self.extent
        if extent is None:
            yield from range(1 if self._patience.answers else 1 + self._unseen)
            return
        if not self._rule_known(extent):
            yield from (number for number in (0, 1) if not self._is_here(number))
            if self._cautious:
                return
        if extent.direction is None or self._jumbled:
            yield from (number for number in range(self._page_count(extent)) if not self._is_here(number))
        else:
            yield from self._shelf.missing(extent.left(self._order), self.page_size, extent.total, extent.direction)
        if self._probe_due(extent):
            yield from (0, 1) if self._first_key is None else (1,)

    def _rule_known(self, extent: Extent) -> bool:
        """Whether it is proven what ``offset`` counts, or makes no difference."""
        return self._facts.offset_proven or not extent.total > self.page_size > 1

    def _is_here(self, number: int) -> bool:
        return self._shelf.holds(number * self.page_size) or (number == 0 and self._offsets.has_first)

    def _page_count(self, extent: Extent) -> int:
        return -(-extent.total // self.page_size)

    def _probe_due(self, extent: Extent) -> bool:
        """Whether a single full page might be only the first of more: its total may count the page, not the ledger."""
        return extent.total == self.page_size == extent.snapshot and not self._facts.totals_proven

    # What comes

    def accept(self, number: int, page: LedgerPage) -> None:
        """Take a page that was asked for, or leave it to be asked again; raise when that does not settle it."""
        self._patience.count_answer(1 if self.extent is None else -(-self.extent.snapshot // self.page_size))
        if number and self.extent is None and not page.entries:
            return
        total = self._stated_total(number, page)
        segment = Segment(number * self.page_size, total, len(page.entries), page)
        if self._adopts_page_size(segment) and number:
            return
        if self._recut_by_proof(number, segment):
            return
        if number and self.extent is not None and self._probe_due(self.extent) and self._is_the_end(page):
            self._facts.totals_proven = True
            return
        doubt = self._find_doubt(number, segment)
        if doubt is None or self._lets_pass(number, segment, doubt):
            self._keep(number, segment)

    def _recut_by_proof(self, number: int, segment: Segment) -> bool:
        """Let a page say what ``offset`` counts; True when pages have to be asked for anew because of it."""
        verdict = self._offsets.judge(number, segment, self.extent.direction if self.extent is not None else None)
        if verdict in {"refuted", "unclear"}:
            self._recut(keep_first=verdict == "refuted")
            return True
        return False

    def _stated_total(self, number: int, page: LedgerPage) -> int:
        if page.details is not None and page.details.total_entries is not None:
            return page.details.total_entries
        if page.entries:
            raise PaginationError("the answer has entries but does not state how many there are in all")
        return 0 if number == 0 or self.extent is None else self.extent.total

    def _adopts_page_size(self, segment: Segment) -> bool:
        """Take the server's own page size when its first answer shows that it does not go by ours."""
        size = None if self._cut_known else other_page_size(segment, self.page_size)
        if size is None:
            return False
        if size < self.page_size:
            self._facts.page_cap = size
        self.shrink(size)
        return True

    def _is_the_end(self, page: LedgerPage) -> bool:
        """Nothing, or the first page once more, comes after a single full page: its total is the ledger's."""
        return not page.entries or row_key(page.entries[0]) == self._first_key

    def _find_doubt(self, number: int, segment: Segment) -> Doubt | None:
        details = segment.page.details
        newest_first = self.extent is not None and self.extent.direction == "desc"
        echo = None if details is None or self._facts.offset_rule == "index" else details.page_number
        return (
            check_number(number, echo)
            or check_total(self.extent.total if self.extent is not None else self._rows_seen, segment.total)
            or check_count(segment, self.page_size)
            or self._seen.check(number, segment, newest_first=newest_first)
        )

    def _lets_pass(self, number: int, segment: Segment, doubt: Doubt) -> bool:
        """Decide about a doubtful page: have it asked again, begin anew, let it pass (True), or raise."""
        self._rows_seen = max(self._rows_seen, len({row_key(row) for row in segment.page.entries}))
        if self._patience.asks_again(number):
            return False
        if doubt.kind == "count" and self._tolerant:
            self._stretch(segment)
            return True
        self._patience.trust(number)
        self._restart(doubt)
        return False

    def _stretch(self, segment: Segment) -> None:
        """Let a wrong count pass: a short page stands for its whole place, a long one lengthens the ledger."""
        self._counts_right = False
        self._facts.totals_proven = True
        rows = len(segment.page.entries)
        segment.size = max(rows, expected_rows(segment.position, segment.total, self.page_size))
        if rows and segment.position + rows > segment.total:
            segment.total = segment.position + rows + (rows >= self.page_size)
            if self.extent is not None:
                self.extent.snapshot = max(self.extent.snapshot, segment.total)

    @property
    def _at_start(self) -> bool:
        """Whether nothing was given yet, by this walk or the one it goes on from."""
        return self._handout.last is None and not self._resumed

    def _restart(self, doubt: Doubt) -> None:
        """Begin anew, where what was given keeps its rank whatever the total turns out to be; else raise."""
        oldest_first = self.extent is not None and self.extent.direction == "asc"
        may_help = doubt.kind in {"total", "repeat"} and (self._at_start or oldest_first)
        if not (may_help and self._patience.begins_anew()):
            raise doubt.error()
        if self._at_start:
            self._jumbled = False
        elif self.extent is not None:
            self._next_rank = self.extent.next_rank
        self._snapshot = self.extent = None
        self._recut()

    def _recut(self, *, keep_first: bool = False) -> None:
        """Forget pages, not ranks: they are asked for again in another cut."""
        self._generation += 1
        self._rule = self._facts.offset_rule
        self._cut_known = False
        self._shelf.clear(keep_first=keep_first)
        self._offsets.forget()
        self._seen.clear()
        self._patience.trust_all()

    def _keep(self, number: int, segment: Segment) -> None:
        extent = self._extend(segment.total)
        self._cut_known = True
        self._patience.trust(number)
        if number == 0 and segment.page.entries:
            self._first_key = segment.first
        if segment.total > segment.size or number:
            self._facts.totals_proven = True
        if number == 0 and self.page_size > 1:
            self._offsets.note_first(segment)
        if extent.direction is None and self._seen.moved(segment):
            extent.direction = "desc"
        self._seen.note(number, segment)
        if segment.size and self._is_of_use(extent, segment):
            self._shelf.add(segment)
            self._find_direction(extent)
        if number == 0:
            # Pages that came before the first one could not say what they prove.
            others = [held for held in self._shelf if held.position]
            any(self._recut_by_proof(held.position // self.page_size, held) for held in others)

    def _extend(self, total: int) -> Extent:
        if self.extent is None:
            snapshot = total if self._snapshot is None else min(total, self._snapshot)
            self.extent = Extent(total, snapshot, 0 if self._order == "asc" else snapshot - 1)
            if self._next_rank is not None:
                self._go_on(self.extent, self._next_rank)
        self.extent.total = max(self.extent.total, total)
        return self.extent

    def _go_on(self, extent: Extent, next_rank: int) -> None:
        """Keep to the rank reached before the listing was begun anew; only where rows come oldest first."""
        if next_rank > (extent.snapshot if self._order == "asc" else extent.snapshot - 1):
            raise PaginationError(f"{next_rank} entries came and the server now states only {extent.snapshot}")
        extent.next_rank, extent.direction = next_rank, "asc"

    def _is_of_use(self, extent: Extent, segment: Segment) -> bool:
        """Tell whether a page brings rows still to be given."""
        if extent.direction is None or self._jumbled:
            useful = not self._shelf.holds(segment.position)
        else:
            low = segment.lowest(extent.direction)
            high = min(low + segment.size, extent.snapshot)
            useful = low < high and (high > extent.next_rank if self._order == "asc" else low <= extent.next_rank)
        self._patience.count_use(useful=useful)
        return useful

    def _find_direction(self, extent: Extent) -> None:
        """Find out in which order rows come; until that is known, or if there is none, every page is held."""
        if self._jumbled or self._handout.last is not None:
            return
        rows = self._shelf.rows()
        all_here = len(self._shelf) >= self._page_count(extent)
        known = extent.direction or self._facts.directions.get(self._order)
        shape = self._shelf.shape(rows, extent.total, all_here=all_here)
        if shape == "mixed":
            self._jumbled = True
        elif shape == "flat":
            extent.direction = known or ("asc" if all_here else None)
        elif all_here or len(rows) >= _ROWS_TO_TELL or shape == known:
            extent.direction = shape
        if len(rows) >= _ROWS_TO_TELL and extent.direction == shape:
            self._facts.directions[self._order] = extent.direction

    # What goes

    def take(self) -> Batch | None:
        """Give the next entries of the query's order, if their page is here."""
        self._follow_rule()
        extent = self.extent
        while extent is not None and len(self._shelf) and not extent.all_given(self._order):
            if self._jumbled:
                self._sort_all(extent)
            if self._jumbled or extent.direction is None:
                return None
            segment = self._shelf.covering(extent.next_rank, extent.direction)
            if segment is None or not (segment.position == 0 or self._rule_known(extent)):
                return None
            self._shelf.remove(segment)
            batch = self._give(extent, segment, extent.direction)
            if batch is not None:
                return batch
        return None

    def _sort_all(self, extent: Extent) -> None:
        """Put all rows in order at once, where the server has none; all are needed, read while nothing was added."""
        if len(self._shelf) < self._page_count(extent):
            return
        first, *_ = self._shelf
        if any(segment.total != extent.total for segment in self._shelf):
            self._restart(Doubt("total", "entries were added to a ledger that comes in no order: try again later"))
            return
        rows = sorted(self._shelf.rows(), key=age_of)
        if holds_repeats(rows):
            self._restart(Doubt("repeat", "the same row came twice in a ledger that comes in no order"))
            return
        first.page.entries = rows
        self._shelf.clear()
        self._shelf.add(Segment(0, extent.total, len(first.page.entries), first.page))
        extent.direction, extent.sorted_here, self._jumbled = "asc", True, False

    def _give(self, extent: Extent, segment: Segment, direction: Direction) -> Batch | None:
        low, rows = segment.lowest(direction), segment.oldest_first(direction)
        if self._handout.contradicts_last(extent, rows, low):
            self._lets_pass(-1, segment, Doubt("repeat", "rows changed places between two pages"))
            return None
        return self._handout.give(extent, segment, rows, low)
