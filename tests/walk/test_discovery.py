"""The first pages of a listing show how the service pages it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from attrs import define, evolve, field
from support.pages import entries, entry, listing, page

from capledger._sansio.context import RequestContext
from capledger.errors import LimitTooLargeError
from capledger.models import LedgerDetails, LedgerEntry, LedgerPage, Notice, WalkReport
from capledger.server_profile import OffsetRule, ServerProfile
from capledger.walk.discovery import Discovery
from capledger.walk.listing import Layout, page_count, stated_total
from capledger.walk.prefetch import Prefetch
from capledger.walk.validation import Contradiction

if TYPE_CHECKING:
    from capledger._sansio.requests import Request
    from capledger._sansio.sending import Send
    from capledger.walk.ordering import ListingOrder

LEDGER = entries(*range(30))


@define
class Service:
    """Lists rows in one direction, and counts its pages in one way; a stand-in for all that sends requests."""

    rows: list[LedgerEntry] = field(factory=lambda: LEDGER)
    rule: OffsetRule = "page"
    cap: int | None = None
    shown: int = 100
    """The most rows that it shows on a page, whatever is requested."""
    details: dict[str, Any] = field(factory=dict)
    odd: list[LedgerPage] = field(factory=list)
    """Responses to the first requests."""
    sent: list[tuple[int, int]] = field(factory=list)
    """Offset and limit of each request."""

    async def send(self, request: Request[Any], context: RequestContext) -> Service:
        params = dict(request.params)
        offset, limit = int(params["offset"]), int(params["limit"])
        self.sent.append((offset, limit))
        if self.cap is not None and limit > self.cap:
            raise LimitTooLargeError("Limit cannot be greater", code=11029)
        return evolve(self, odd=self.odd[len(self.sent) - 1 : len(self.sent)], sent=[*self.sent[-1:]])

    async def value(self) -> LedgerPage:
        [(offset, limit)] = self.sent
        if self.odd:
            return self.odd[0]
        limit = min(limit, self.shown)
        begin = offset if self.rule == "row" else offset * limit
        if self.rule == "page from 1":
            begin = max(0, offset - 1) * limit
        return page(self.rows[begin : begin + limit], len(self.rows), **self.details)

    def discovery(self, order: ListingOrder = "asc", page_size: int = 10, **options: Any) -> Discovery:
        prefetch = Prefetch(cast("Send", self.send), RequestContext(WalkReport()), 4, lambda _: None)
        return Discovery(listing(order), prefetch, ServerProfile(), page_size, **options)


async def layout_of(service: Service, order: ListingOrder = "asc", page_size: int = 10, **options: Any) -> Layout:
    return await service.discovery(order, page_size, **options).layout()


async def test_a_healthy_first_page_shows_everything() -> None:
    """One request: what offset counts is left to the second page, which is read anyway."""
    service = Service()

    layout = await layout_of(service)

    assert layout == Layout(10, 10, 30, 30)
    assert service.sent == [(0, 10)]


async def test_the_first_page_is_kept_for_reading() -> None:
    """It is not requested again."""
    service = Service()
    discovery = service.discovery()
    layout = await discovery.layout()

    came = await discovery.prefetch.take(layout.key(discovery.listing, 0), tuple)

    assert came.entries == LEDGER[:10]
    assert len(service.sent) == 1


async def test_pages_unseen_are_requested_beside_the_first() -> None:
    """As many as the plan says."""
    service = Service()

    await service.discovery().layout(2)

    assert service.sent == [(0, 10), (1, 10), (2, 10)]


@pytest.mark.parametrize(
    ("rows", "ordered"),
    [
        (LEDGER, True),
        (LEDGER[::-1], False),
        ([LEDGER[index * 7 % 30] for index in range(30)], False),
        (entries(*[1] * 30), True),
    ],
    ids=["asc", "desc", "none", "one second"],
)
async def test_the_first_page_shows_whether_rows_are_in_order(rows: list[LedgerEntry], *, ordered: bool) -> None:
    """A page of one second leaves it to the pages after it."""
    layout = await layout_of(Service(rows))

    assert layout.ordered is ordered


@pytest.mark.parametrize("size", [2, 3, 10])
@pytest.mark.parametrize("count", [4, 11, 30])
@pytest.mark.parametrize("rule", ["page", "page from 1", "row"])
async def test_a_smaller_page_shows_what_offset_counts(rule: OffsetRule, count: int, size: int) -> None:
    """Pages, pages from 1, or rows, by the dates of its rows; it is kept for the session."""
    service = Service(LEDGER[:count], rule=rule)
    discovery = service.discovery(page_size=size)
    layout = await discovery.layout()

    if count > size:
        assert (await discovery.find_offset_rule(layout)).offset_rule == rule
        assert discovery.profile.offset_rule == rule


@pytest.mark.parametrize("size", [2, 3, 10])
@pytest.mark.parametrize("rule", ["page", "page from 1", "row"])
async def test_rows_of_one_second_prove_nothing(rule: OffsetRule, size: int) -> None:
    """What their keys and the page behind the last one show is used, and not kept for the session."""
    service = Service(entries(*[1] * 30), rule=rule)
    discovery = service.discovery(page_size=size)

    assert (await discovery.find_offset_rule(await discovery.layout())).offset_rule == rule
    assert (discovery.known_rule, discovery.profile.offset_rule) == (rule, None)


async def test_twins_alone_are_read_by_pages() -> None:
    """Where rows are all alike, an empty page behind the last one is what is left."""
    service = Service([entry(1)] * 30)
    discovery = service.discovery()

    assert (await discovery.find_offset_rule(await discovery.layout())).offset_rule == "page"


async def test_pages_smaller_than_requested_show_nothing() -> None:
    """A service that does not honour the page size is not asked by another one."""
    service = Service(shown=1)
    discovery = service.discovery(page_size=1)

    await discovery.find_offset_rule(await discovery.layout())

    assert (discovery.known_rule, discovery.profile.offset_rule) == ("page", None)


async def test_pages_that_are_smaller_than_requested_are_taken_as_they_are() -> None:
    """When the first page comes alike twice."""
    service = Service(shown=5)
    layout = await layout_of(service)

    assert (layout.total, layout.page_size, layout.limit) == (30, 5, 10)
    assert service.sent == [(0, 10)] * 2


@pytest.mark.parametrize("place", [1, 2])
async def test_a_first_page_that_is_odd_once_is_requested_again(place: int) -> None:
    """A single response proves nothing."""
    for odd in (
        page(LEDGER[:9], 30),
        page(LEDGER[:8], 30),
        page([LEDGER[0], *LEDGER[:10]], 30),
        page([], 30),
        page([]),
    ):
        service = Service(odd=[odd, page(LEDGER[:7], 30)][:place])

        assert await layout_of(service) == Layout(10, 10, 30, 30)
        assert len(service.sent) == place + 1


async def test_nothing_at_all_is_no_empty_ledger() -> None:
    """A response without rows, total and 11003, always."""
    with pytest.raises(Contradiction) as raised:
        await layout_of(Service(odd=[page([])] * 9))

    assert raised.value.kind == "silence"


async def test_an_empty_ledger_says_so() -> None:
    """By a total of 0, or by 11003."""
    for empty in (page([], 0), LedgerPage(warnings=[Notice(11003, "There are no ledger entries")])):
        service = Service(odd=[empty])

        assert (await layout_of(service)).total == 0
        assert len(service.sent) == 1


async def test_without_a_total_the_end_is_where_pages_have_no_rows() -> None:
    """What is not stated cannot be counted."""
    layout = await layout_of(Service(odd=[page(LEDGER[:10])] * 2))

    assert (layout.total, layout.stated) == (None, None)


async def test_what_the_session_knows_is_not_found_out_again() -> None:
    """What offset counts, and how many rows a page has."""
    service = Service(rule="row")
    discovery = service.discovery()
    discovery.profile.offset_rule, discovery.profile.page_cap = "row", 5

    layout = await discovery.layout()

    assert layout == Layout(5, 5, 30, 30, "row")
    assert service.sent == [(0, 5)]


async def test_a_response_without_rows_is_an_empty_ledger_where_it_says_so() -> None:
    """By its total; without one it says nothing."""
    assert (await layout_of(Service(odd=[page([], 0)]))).total == 0
    with pytest.raises(Contradiction, match="does not say that there are none"):
        await layout_of(Service(odd=[page([])] * 3))


@pytest.mark.parametrize(("pairs", "proven"), [(1, "page"), (2, None)])
async def test_responses_of_different_totals_do_not_prove_what_offset_counts(pairs: int, proven: str | None) -> None:
    """A replica that lags, or rows written meanwhile, move the rows; both pages are requested once more."""
    discovery = Service(odd=[page(LEDGER[:10], 30), page(LEDGER[:5], 28)] * pairs).discovery()

    assert (await discovery.find_offset_rule(await discovery.layout())).offset_rule == "page"
    assert discovery.profile.offset_rule == proven


def test_what_a_response_states() -> None:
    """Only what is there."""
    assert stated_total(page([])) is stated_total(LedgerPage(details=LedgerDetails())) is None
    assert stated_total(page([], 7)) == 7
    assert page_count(stated_total(page([], 7)) or 0, 3) == 3
