"""The rows of one filter, a window or the whole history, asked page by page and put back in order by rank.

A row's *rank* counts from the oldest row of the listing. Entries are only ever added at the new end, so a rank, unlike a page number,
does not move while the listing is read; position and total of the same answer give it. Pure: a listing says which pages it wants,
takes them as they come, and gives batches in the order of the query.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from capledger.errors import PaginationError
from capledger.walk.checks import (
    Doubt,
    SeenPages,
    check_count,
    check_number,
    check_total,
    counts_rows,
    expected_rows,
)
from capledger.walk.cursor import Place
from capledger.walk.rows import Batch, Segment, lowest_rank, age_of, row_key, same_row, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from capledger.models import LedgerEntry, LedgerPage
    from capledger.walk.facts import Direction, EndpointFacts
    from capledger.windows import Span, Window

#: How often one page is asked again when it contradicts what is known.
_PATIENCE = 2
#: How often a whole listing is begun anew when its totals or pages stay contradictory.
_RESTARTS = 2
#: How many answers in a row may bring nothing new.
_IDLE = 8


class Listing:
    """One filter's rows on their way: pages held, what is still wanted, and how far the walk has come."""

    def __init__(
        self,
        window: Window | None,
        *,
        span: Span,
        order: Direction,
        page_size: int,
        facts: EndpointFacts,
        cautious: bool = False,
        tolerant: bool = False,
    ) -> None:
        self.window = window
        self.page_size = facts.page_size(page_size)
        #: Rows that the server states now, and rows that it stated first: what came later is not of this walk.
        self.total: int | None = None
        self.snapshot: int | None = None
        self.snapshot_limit: int | None = None
        self.direction: Direction | None = None
        #: The rank that the walk needs next; None until the first total is known, where the newest come first.
        self.next_rank: int | None = 0 if order == "asc" else None
        #: Whether what was given is proven to be all; a listing that had to let a wrong count pass is not.
        self.proven = True
        #: Goes up when pages are cut anew, so that answers still on their way are known to be of the old cut.
        self.generation = 0
        self.order: Direction = order
        self._span = span.part(window)
        self._facts = facts
        self._cautious = cautious
        self._tolerant = tolerant
        self._held: list[Segment] = []
        self._first_rows: list[LedgerEntry] | None = None
        self._first_total = 0
        self._first_key: int | None = None
        self._cut_known = False
        self._seen = SeenPages()
        self._doubts: Counter[int] = Counter()
        self._restarts = 0
        self._idle = 0
        self._jumbled = False
        self._last: LedgerEntry | None = None

    @property
    def held(self) -> int:
        """How many pages wait here for their turn, where pages can be given one by one."""
        return 0 if self._jumbled else len(self._held)

    @property
    def done(self) -> bool:
        """Whether every row up to the first total was given."""
        return self._given_all and not self._probe_due

    @property
    def _given_all(self) -> bool:
        if self.snapshot is None or self.next_rank is None:
            return False
        return self.next_rank >= self.snapshot if self.order == "asc" else self.next_rank < 0

    # What is wanted

    def offset_of(self, number: int) -> int:
        """Give the ``offset`` that asks for a page."""
        return number * self.page_size if self._facts.offset_rule == "index" else number

    def wanted(self) -> Iterator[int]:
        """Give the pages that are not here, as far as can be told now, the most urgent first; some may be on their way."""
        if self.total is None:
            yield 0
            return
        if self.total > self.page_size > 1 and not self._facts.offset_proven:
            yield from self._pages_to_prove_the_rule()
            if self._cautious:
                return
        if self.direction is None or self._jumbled:
            yield from self._lacking(range(self._page_count))
        else:
            yield from self._pages_by_rank(self.direction)
        if self._probe_due:
            yield 1

    @property
    def _page_count(self) -> int:
        return -(-(self.total or 0) // self.page_size)

    @property
    def _probe_due(self) -> bool:
        """Whether a single full page might be only the first of more: its total may count the page and not the ledger."""
        return self.total == self.page_size and not self._facts.totals_proven and self.snapshot == self.total

    def _pages_to_prove_the_rule(self) -> Iterator[int]:
        if self._first_rows is None:
            yield 0
        yield from self._lacking([1])

    def _lacking(self, numbers: Sequence[int]) -> Iterator[int]:
        here = {segment.position for segment in self._held}
        return (number for number in numbers if number * self.page_size not in here)

    def _pages_by_rank(self, direction: Direction) -> Iterator[int]:
        assert self.total is not None
        rank = self.next_rank
        while rank is not None and 0 <= rank < (self.snapshot or 0):
            segment = self._covering(rank, direction)
            if segment is None:
                number = (rank if direction == "asc" else self.total - 1 - rank) // self.page_size
                yield number
                low, size = lowest_rank(number * self.page_size, self.page_size, self.total, direction), self.page_size
            else:
                low, size = segment.lowest(direction), segment.size
            rank = low + size if self.order == "asc" else low - 1

    def _covering(self, rank: int, direction: Direction) -> Segment | None:
        for segment in self._held:
            low = segment.lowest(direction)
            if low <= rank < low + segment.size:
                return segment
        return None

    # What comes

    def accept(self, number: int, page: LedgerPage) -> None:
        """Take a page that was asked for, or leave it to be asked again; raise when that does not settle it."""
        total = self._stated_total(number, page)
        if self._adopts_page_size(number, page, total) and number:
            return
        segment = Segment(number * self.page_size, total, len(page.entries), page)
        if self._shows_other_rule(number, segment):
            self._switch_rule()
            return
        if number and self._probe_due and self._proves_the_end(page):
            self._facts.totals_proven = True
            return
        doubt = self._find_doubt(number, segment)
        if doubt is not None and not self._let_pass(number, segment, doubt):
            return
        self._keep(number, segment)

    def _stated_total(self, number: int, page: LedgerPage) -> int:
        if page.details is not None and page.details.total_entries is not None:
            return page.details.total_entries
        if page.entries:
            msg = "the answer has entries but does not state how many there are in all"
            raise PaginationError(msg)
        return 0 if number == 0 or self.total is None else self.total

    def _adopts_page_size(self, number: int, page: LedgerPage, total: int) -> bool:
        """Take the server's own page size when its first answer shows that it does not go by ours."""
        rows, details = len(page.entries), page.details
        if self._cut_known or not rows or details is None:
            return False
        if rows == expected_rows(number * self.page_size, total, self.page_size):
            return False
        if rows != details.page_size and details.page_count != -(-total // rows):
            return False
        if rows < self.page_size:
            self._facts.page_cap = rows
        self.page_size = rows
        self._recut()
        return True

    def _shows_other_rule(self, number: int, segment: Segment) -> bool:
        """Look at the first page beyond the first: it proves how the server counts ``offset``."""
        first = self._first_rows
        if self._facts.offset_proven or number == 0 or first is None or self.page_size == 1:
            return False
        moved = segment.total - self._first_total if self.direction == "desc" else 0
        return counts_rows(segment.page.entries, first, number, moved)

    def _switch_rule(self) -> None:
        """Go on with ``offset`` as a count of rows; the first page is the same under either rule."""
        self._facts.offset_rule = "index"
        self._facts.offset_proven = True
        firsts = [segment for segment in self._held if segment.position == 0]
        self._recut()
        self._held.extend(firsts)

    def _proves_the_end(self, page: LedgerPage) -> bool:
        """Nothing, or the first page once more, comes after a single full page: its total is the ledger's."""
        first = self._first_key
        return not page.entries or row_key(page.entries[0]) == first

    def _find_doubt(self, number: int, segment: Segment) -> Doubt | None:
        details = segment.page.details
        echo = None if details is None or self._facts.offset_rule == "index" else details.page_number
        return (
            check_number(number, echo)
            or check_total(self.total, segment.total)
            or check_count(segment, self.page_size)
            or self._seen.check(number, segment)
        )

    def _let_pass(self, number: int, segment: Segment, doubt: Doubt, *, patience: int = _PATIENCE) -> bool:
        """Decide what to do about a doubtful page: ask again (False), begin anew (False), let pass (True), or raise."""
        self._doubts[number] += 1
        if self._doubts[number] <= patience:
            return False
        if doubt.kind == "count" and self._tolerant:
            self._stretch(segment)
            return True
        if doubt.kind in {"total", "repeat", "order"} and self._restarts < _RESTARTS and self._may_restart:
            self._restart()
            return False
        self._doubts[number] = 0
        raise doubt.error()

    def _stretch(self, segment: Segment) -> None:
        """Let a wrong count pass: a short page stands for its whole place, a long one lengthens the ledger."""
        self.proven = False
        self._facts.totals_proven = True
        rows = len(segment.page.entries)
        segment.size = max(rows, expected_rows(segment.position, segment.total, self.page_size))
        if rows and segment.position + rows > segment.total:
            segment.total = segment.position + rows + (rows >= self.page_size)
            self.snapshot = max(self.snapshot or 0, segment.total)

    @property
    def _may_restart(self) -> bool:
        return self._last is None or self.direction == "asc"

    def _restart(self) -> None:
        self._restarts += 1
        self.total = self.snapshot = None
        if self._last is None:
            self.next_rank = 0 if self.order == "asc" else None
            self.direction = None
            self._jumbled = False
        self._recut()

    def _recut(self) -> None:
        """Forget pages, not ranks: they are asked for again in another cut."""
        self.generation += 1
        self._cut_known = False
        self._held.clear()
        self._first_rows = None
        self._seen.clear()
        self._doubts.clear()

    def resume(self, *, next_rank: int, snapshot: int, total: int, direction: Direction) -> None:
        """Go on where an earlier walk of the same listing stopped."""
        self.next_rank, self.snapshot, self.total, self.direction = next_rank, snapshot, total, direction

    def shrink(self, page_size: int) -> None:
        """Ask for smaller pages from here on."""
        self.page_size = page_size
        self._recut()

    def _keep(self, number: int, segment: Segment) -> None:
        if self.total is None or segment.total > self.total:
            self.total = segment.total
        if self.snapshot is None:
            self.snapshot = min(
                segment.total, self.snapshot_limit if self.snapshot_limit is not None else segment.total
            )
            if self.order == "asc" and self.next_rank > self.snapshot:
                msg = f"{self.next_rank} entries came and the server now states only {self.snapshot}"
                raise PaginationError(msg)
        if self.next_rank is None:
            self.next_rank = self.snapshot - 1
        self._cut_known = True
        del self._doubts[number]
        self._learn(number, segment)
        self._seen.note(number, segment)
        if segment.size and self._is_of_use(segment):
            self._held.append(segment)
            self._find_direction()
        if self._facts.offset_proven:
            self._first_rows = None

    def _is_of_use(self, segment: Segment) -> bool:
        """Tell whether a page brings rows still to be given; a server that only ever sends others is given up."""
        if self.direction is not None and not self._jumbled:
            low = segment.lowest(self.direction)
            rank = self.next_rank or 0
            useful = low + segment.size > rank if self.order == "asc" else low <= rank
            useful = useful and low < (self.snapshot or 0)
        else:
            useful = all(held.position != segment.position for held in self._held)
        self._idle = 0 if useful else self._idle + 1
        if self._idle > _IDLE:
            self._idle = 0
            msg = "the server goes on sending pages that bring nothing new"
            raise PaginationError(msg)
        return useful

    def _learn(self, number: int, segment: Segment) -> None:
        if number == 0:
            self._first_rows = None if self._facts.offset_proven else list(segment.page.entries)
            self._first_total = segment.total
            self._first_key = row_key(segment.page.entries[0]) if segment.page.entries else None
        elif self._first_rows is not None and self.page_size > 1 and number < len(self._first_rows):
            self._facts.offset_proven = bool(segment.size)
        if segment.total > segment.size or number:
            self._facts.totals_proven = True

    def _find_direction(self) -> None:
        """Find out in which order rows come; until that is known, or if there is none, every page is held."""
        if self._jumbled or self._last is not None:
            return
        pages = sorted(self._held, key=_position)
        shape = shape_of([entry for held in pages for entry in held.page.entries])
        if shape == "mixed":
            self._jumbled = True
        elif shape != "flat":
            self.direction = self._facts.directions[self.order] = shape
        elif self.direction is None:
            everything_is_here = len(self._held) >= self._page_count
            self.direction = self._facts.directions.get(self.order) or (self.order if everything_is_here else None)

    # What goes

    def take(self) -> Batch | None:
        """Give the next entries of the query's order, if their page is here."""
        while not self._given_all and self._held:
            if self._jumbled:
                self._sort_all()
            if self.direction is None or self._jumbled or self.next_rank is None:
                return None
            segment = self._covering(self.next_rank, self.direction)
            if segment is None:
                return None
            batch = self._give(segment, self.direction)
            if batch is not None:
                return batch
        return None

    def _sort_all(self) -> None:
        """Put all rows in order at once, where the server has none; needs every page of it, read while nothing was added."""
        if len(self._held) < self._page_count:
            return
        if any(held.total != self.total for held in self._held):
            self._let_pass(
                -1, self._held[0], Doubt("total", "entries were added to a ledger that comes in no order"), patience=0
            )
            return
        pages = sorted(self._held, key=_position)
        rows = sorted((entry for held in pages for entry in held.page.entries), key=age_of)
        pages[0].page.entries = rows
        self._held = [Segment(0, len(rows), len(rows), pages[0].page)]
        self.direction, self._jumbled = "asc", False

    def _give(self, segment: Segment, direction: Direction) -> Batch | None:
        assert self.next_rank is not None
        assert self.snapshot is not None
        low = segment.lowest(direction)
        rows = segment.oldest_first(direction)
        if self._contradicts_last(rows, low):
            self._held.remove(segment)
            self._let_pass(-1, segment, Doubt("repeat", "rows changed places between two pages"))
            return None
        self._held.remove(segment)
        if self.order == "asc":
            first, last = self.next_rank, min(low + len(rows), self.snapshot)
            self.next_rank = min(low + segment.size, self.snapshot)
            chosen, ranks = rows[first - low : last - low], range(first, last)
        else:
            first = min(self.next_rank, low + len(rows) - 1)
            self.next_rank = low - 1
            chosen, ranks = rows[: first - low + 1][::-1], range(first, low - 1, -1)
        return self._batch(chosen, ranks, segment.page)

    def _contradicts_last(self, rows: list[LedgerEntry], low: int) -> bool:
        """Whether a page that reaches back over the last row given has another row in its place."""
        assert self.next_rank is not None
        behind = self.next_rank - 1 if self.order == "asc" else self.next_rank + 1
        return (
            self._last is not None and low <= behind < low + len(rows) and not same_row(rows[behind - low], self._last)
        )

    def place(self, rank: int) -> Place:
        """Give the place after the row of this rank."""
        assert self.snapshot is not None
        assert self.total is not None
        assert self.direction is not None
        return Place(
            window=self.window,
            next_rank=rank + 1 if self.order == "asc" else rank - 1,
            snapshot=self.snapshot,
            total=self.total,
            direction=self.direction,
        )

    def _batch(self, rows: list[LedgerEntry], ranks: range, page: LedgerPage) -> Batch | None:
        if not rows:
            return None
        if self._last is not None and not self._tolerant and self._goes_back(rows[0]):
            msg = "the server's rows are not in the order of their dates"
            raise PaginationError(msg)
        self._last = rows[-1]
        holds = self._span.holds
        if holds(rows[0].ledger_created_date) and holds(rows[-1].ledger_created_date):
            page.entries = rows
            return Batch(rows, ranks, page, self.place)
        kept = [index for index, row in enumerate(rows) if holds(row.ledger_created_date)]
        page.entries = [rows[index] for index in kept]
        return Batch(page.entries, [ranks[index] for index in kept], page, self.place) if kept else None

    def _goes_back(self, row: LedgerEntry) -> bool:
        assert self._last is not None
        before, after = (self._last, row) if self.order == "asc" else (row, self._last)
        return after.ledger_created_date < before.ledger_created_date


def _position(segment: Segment) -> int:
    return segment.position
