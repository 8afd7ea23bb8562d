from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.walks import came_of, run

from capledger.sandbox import Fault, faults

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("response_size")

#: Ways for a page to be wrong. That there are no entries at all is not among them, since nothing contradicts it.
PAGE_FAULTS: list[Callable[[], Fault]] = [
    faults.repeat_page,
    lambda: faults.repeat_page(echo_requested=False),
    faults.wrong_page_number,
    lambda: faults.wrong_page_number(-1),
    lambda: faults.wrong_page_number(100),
    faults.short_page,
    lambda: faults.short_page(3),
    faults.empty_page,
    faults.doubled_row,
    faults.reversed_rows,
    faults.null_ledger,
    faults.null_entry,
    lambda: faults.null("ledgerDetails"),
    lambda: faults.without("ledgerDetails"),
    faults.swapped_types,
    faults.nan,
    faults.html,
    faults.cut_body,
    faults.wrong_content_type,
    lambda: faults.json_body({}),
    lambda: faults.error_beside(9003, "failed"),
    lambda: faults.status(503),
]

walks = st.fixed_dictionaries(
    {
        "order": st.sampled_from(["asc", "desc"]),
        "page_size": st.sampled_from([3, 5, 10, 24, 46, 47, 48, 100]),
        "dated": st.booleans(),
        "prefetch": st.sampled_from([1, 4]),
        "on_incomplete": st.sampled_from(["raise", "warn"]),
    }
)


@given(
    seed=st.integers(0, 1_000_000),
    share=st.sampled_from([0.1, 0.3, 0.6, 1.0]),
    kinds=st.lists(st.sampled_from(range(len(PAGE_FAULTS))), min_size=1, max_size=6),
    options=walks,
)
@example(
    seed=0,  # a row twice on a page, again and again
    share=0.6,
    kinds=[8],
    options={"order": "asc", "page_size": 3, "dated": False, "prefetch": 4, "on_incomplete": "raise"},
)
@example(
    seed=0,  # a page far from the edge that is to be settled
    share=1.0,
    kinds=[0, 0, 10],
    options={"order": "asc", "page_size": 3, "dated": False, "prefetch": 1, "on_incomplete": "raise"},
)
@example(
    seed=18,  # a page in another's place, its rows reversed
    share=0.3,
    kinds=[0, 9],
    options={"order": "asc", "page_size": 3, "dated": False, "prefetch": 1, "on_incomplete": "warn"},
)
def test_no_walk_is_wrong_and_says_it_is_complete(
    seed: int, share: float, kinds: list[int], options: dict[str, Any]
) -> None:
    """Whichever pages are wrong in whichever way, the outcome is exactly the entries or an error of ours, soon."""
    script = faults.random_faults(seed, share, [PAGE_FAULTS[kind]() for kind in kinds])

    came = run(came_of(script, **options))

    if came.error is None:
        assert came.exact or options["on_incomplete"] == "warn"
        assert came.exact or not came.report.complete
    else:
        assert came.error.cursor == came.cursor
        assert not came.report.complete
    assert came.requests <= 400


@given(seed=st.integers(0, 1_000_000), share=st.sampled_from([0.1, 0.5, 1.0]), options=walks)
def test_totals_that_jump_are_noticed_or_harmless(seed: int, share: float, options: dict[str, Any]) -> None:
    """Totals that are too high, now and then or always, end in exactly the entries or in an error of ours."""
    random = Random(seed)
    script = faults.random_faults(seed, share, [faults.wrong_total(random.choice([1, 2, 9, 10, 100]))])

    came = run(came_of(script, **options))

    if came.error is None and options["on_incomplete"] == "raise":
        assert came.exact
    assert came.exact or not came.report.complete
    assert came.requests <= 400
