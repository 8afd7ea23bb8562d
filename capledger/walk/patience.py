"""How long a listing puts up with a server that contradicts itself."""

from __future__ import annotations

from attrs import define, field

from capledger.errors import PaginationError

#: How often one page is asked again when it contradicts what is known.
_AGAIN = 2
#: How often a whole listing is begun anew when its totals or pages stay contradictory.
_RESTARTS = 2
#: How many answers a listing may take.
_MOST_ANSWERS_A_PAGE, _MOST_ANSWERS_BESIDE = 4, 50
#: How many answers in a row may bring nothing new.
_IDLE = 8


@define
class Patience:
    """Counts of what went wrong, each with its end."""

    #: Answers so far, right or wrong.
    answers: int = 0
    _idle: int = 0
    _restarts: int = 0
    _doubts: dict[int, int] = field(factory=dict)

    def count_answer(self, pages: int) -> None:
        """Count an answer; a listing that takes several times its pages is not read from a server in its senses."""
        self.answers += 1
        if self.answers > _MOST_ANSWERS_A_PAGE * pages + _MOST_ANSWERS_BESIDE:
            self.answers = 0
            raise PaginationError(
                f"{pages} pages are stated and after several times as many answers they do not add up"
            )

    def count_use(self, *, useful: bool) -> None:
        """Count an answer that brought nothing new; a server that only ever sends such is given up."""
        self._idle = 0 if useful else self._idle + 1
        if self._idle > _IDLE:
            self._idle = 0
            raise PaginationError("the server goes on sending pages that bring nothing new")

    def asks_again(self, number: int, *, at_most: int = _AGAIN) -> bool:
        """Count a doubtful page, and tell whether it may be asked for once more."""
        self._doubts[number] = self._doubts.get(number, 0) + 1
        return self._doubts[number] <= at_most

    def trust(self, number: int) -> None:
        """Forget the doubts about a page."""
        self._doubts.pop(number, None)

    def trust_all(self) -> None:
        """Forget all doubts; pages are cut anew."""
        self._doubts.clear()

    def begins_anew(self) -> bool:
        """Tell whether the listing may be begun anew once more, and count it if so."""
        self._restarts += self._restarts <= _RESTARTS
        return self._restarts <= _RESTARTS
