from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from support.clock import virtual_time
from support.walks import Came, came_of, drain, expected, opened, query

from capledger import (
    CapledgerError,
    ConnectionFailedError,
    DecodeError,
    IncompleteLedgerError,
    PaginationError,
    RequestTimeoutError,
    ServerError,
)
from capledger.errors import AnswerTooLargeError
from capledger.sandbox import Fault, Rules, Sandbox, faults

if TYPE_CHECKING:
    from collections.abc import Callable

#: Each fault, and what a server that always has it ends in; None: the walk is right all the same.
ALWAYS: dict[str, tuple[Callable[[], Fault], type[CapledgerError] | None]] = {
    "HTML": (faults.html, ServerError),
    "HTML with 503": (lambda: faults.html(503), ServerError),
    "cut": (faults.cut_body, ConnectionFailedError),
    "another content type": (faults.wrong_content_type, None),
    "garbage": (faults.garbage, ServerError),
    "a list": (lambda: faults.json_body([]), DecodeError),
    "an empty object": (lambda: faults.json_body({}), DecodeError),
    "a number": (lambda: faults.json_body(1), DecodeError),
    "null": (lambda: faults.json_body(None), DecodeError),
    "an object for the list": (lambda: faults.json_body({"ledgerEntries": {"a": 1}}), DecodeError),
    "null for the list": (faults.null_ledger, IncompleteLedgerError),
    "null for an entry": (faults.null_entry, DecodeError),
    "null for the details": (lambda: faults.null("ledgerDetails"), IncompleteLedgerError),
    "no details": (lambda: faults.without("ledgerDetails"), IncompleteLedgerError),
    "numbers and strings swapped": (faults.swapped_types, None),
    "NaN": (faults.nan, DecodeError),
    "ten levels": (lambda: faults.deep(10), DecodeError),
    "a hundred thousand levels": (faults.deep, DecodeError),
    "200 MB": (faults.huge, AnswerTooLargeError),
    "a gzip bomb": (faults.gzip_bomb, AnswerTooLargeError),
    "a slow drip": (lambda: faults.drip(0.5, 10), RequestTimeoutError),
    "a slow server": (lambda: faults.slow(5), None),
    "a server that hangs": (faults.hang, RequestTimeoutError),
    "one page for ever": (faults.repeat_page, None),
    "one page for ever, so numbered": (lambda: faults.repeat_page(echo_requested=False), None),
    "numbers one up": (faults.wrong_page_number, None),
    "numbers one down": (lambda: faults.wrong_page_number(-1), None),
    "totals that rise": (faults.moving_total, IncompleteLedgerError),
    "totals that fall": (lambda: faults.moving_total(-1), None),
    "a row short": (faults.short_page, IncompleteLedgerError),
    "pages without rows": (faults.empty_page, IncompleteLedgerError),
    "a doubled row": (faults.doubled_row, IncompleteLedgerError),
    "rows reversed": (faults.reversed_rows, None),
}

#: What asking once more settles, so that a single such answer does no harm.
PASSING = [
    name
    for name, (_, error) in ALWAYS.items()
    if error is None or issubclass(error, ServerError | ConnectionFailedError | RequestTimeoutError)
    if error is not AnswerTooLargeError and name != "totals that fall"
]
PASSING += ["null for the list", "a row short", "pages without rows", "a doubled row"]
PASSING += ["null for the details", "no details"]


@pytest.mark.parametrize("name", ALWAYS)
@virtual_time
async def test_a_hostile_server_ends_in_the_right_entries_or_the_right_error(name: str) -> None:
    """What is always wrong is told by the error that fits, with a cursor, after few requests, and nothing wrong before.

    Pages without details yield all there is before the error; pages that hide a row are read to the last one, and
    where one page is repeated for ever, the largest one has all rows.
    """
    make, error_class = ALWAYS[name]
    came = await came_of(faults.always(make()))

    assert type(came.error) is (error_class or type(None))
    if name == "a row short":
        assert came.ids == sorted(set(came.ids))
        assert set(came.ids) >= {number for place, number in enumerate(expected(), 1) if place % 10 and place < 47}
    else:
        assert came.exact if error_class is None else came.begins_well
    if name in {"null for the details", "no details"}:
        assert came.ids == expected()
    assert came.report.complete is (error_class is None)
    assert came.error is None or came.error.cursor == came.cursor
    assert came.requests <= 60


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("name", PASSING)
@virtual_time
async def test_a_single_hostile_answer_is_survived(name: str, number: int, order: str) -> None:
    """Wherever it comes, the walk gives exactly its entries, for a request more."""
    came = await came_of(faults.nth(number, ALWAYS[name][0]()), order=order)

    assert came.exact
    assert came.report.complete
    assert came.requests <= 7


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("name", sorted(set(ALWAYS) - set(PASSING) - {"totals that rise", "totals that fall"}))
@virtual_time
async def test_after_an_error_the_walk_goes_on(name: str, number: int) -> None:
    """What is raised at once is raised in its place; iterating once more gives the rest, and so does the cursor."""
    async with opened(faults.nth(number, ALWAYS[name][0]())) as (_, session):
        walk = session.entries(query())
        before, error = await drain(walk)
        assert error is not None
        resumed, none = await drain(session.entries(query(), resume_from=error.cursor))
        after, nothing = await drain(walk)

        assert none is nothing is None
        assert resumed == after
        assert Came(before + after, expected(), None, walk.report, walk.cursor, 0).exact


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("delta", [1, 100])
@virtual_time
async def test_totals_that_are_always_too_high_are_told(delta: int, order: str) -> None:
    """All entries come, and those that are stated and do not are an error; with "warn" the walk is not complete."""
    rules = Rules(total_offset=delta)
    came = await came_of(rules=rules, order=order)
    lenient = await came_of(rules=rules, order=order, on_incomplete="warn")

    assert isinstance(came.error, IncompleteLedgerError | PaginationError)
    assert not came.report.complete
    assert not lenient.report.complete
    assert max(came.requests, lenient.requests) <= 60
    assert lenient.exact


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("delta", [-1, -100])
@virtual_time
async def test_totals_that_are_always_too_low_hide_nothing(delta: int, order: str) -> None:
    """More rows than are stated are rows like the others; an empty page shows the end, looked at once more."""
    came = await came_of(rules=Rules(total_offset=delta), order=order)

    assert came.exact
    assert came.report.complete
    assert came.requests <= 11


@virtual_time
async def test_warn_goes_on_where_rows_are_missing() -> None:
    """With a row missing on every page the others are given, each once, and the report says it is not all."""
    came = await came_of(faults.always(faults.short_page()), on_incomplete="warn")

    assert came.error is None
    assert len(set(came.ids)) == len(came.ids) >= 47 - 5
    assert not came.report.complete


@pytest.mark.parametrize("fault", [faults.huge, faults.gzip_bomb])
@virtual_time
async def test_memory_stays_bounded(fault: Callable[[], Fault]) -> None:
    """Of 200 MB at most the 64 MiB that are allowed are held, twice for a moment."""
    tracemalloc.start()
    try:
        await came_of(faults.always(fault()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 150 * 1024 * 1024


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@virtual_time
async def test_another_host_hears_nothing(code: int) -> None:
    """A redirect is not followed: the other host gets no request, so neither token nor password nor identifier."""
    async with Sandbox() as other:
        came = await came_of(faults.always(faults.redirect(f"{other.url}/v2/pointsLedger", code)))

        assert other.requests == []
    assert type(came.error) is ServerError
    assert came.requests == 1


@pytest.mark.parametrize("prefetch", [1, 8])
@virtual_time
async def test_a_repeated_page_with_a_growing_total_ends(prefetch: int) -> None:
    """A server that repeats itself for ever, and claims more each time, is given up."""

    def grow(page: Any, context: Any) -> None:
        page["ledgerDetails"]["totalEntries"] += 10 * len(seen)
        page["ledgerDetails"]["pageNumber"] = int(context.logged.query["offset"])
        seen.append(page)

    seen: list[Any] = []
    endless = faults.edit_page("endless", grow)

    came = await came_of(faults.always(faults.chain(faults.repeat_page(), endless)), prefetch=prefetch)

    assert isinstance(came.error, PaginationError | IncompleteLedgerError)
    assert came.requests <= 100
