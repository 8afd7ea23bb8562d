"""Faults of pages that contradict themselves or one another; responses that are no page stay unchanged."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

from capledger.sandbox.faults.context import Fault, FaultContext
from capledger.sandbox.responses import body_of, json_response

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

#: The body of a page as a dictionary.
Page = dict[str, Any]


def edit_page(name: str, change: Callable[[Page, FaultContext], object]) -> Fault:
    """Respond with the page after ``change(page, context)`` edited it in place."""

    async def respond(context: FaultContext) -> web.Response:
        return _edited(await context.regular_response(), change, context)

    return Fault(name, respond)


def _edited(
    response: web.Response, change: Callable[[Page, FaultContext], object], context: FaultContext
) -> web.Response:
    page = json.loads(body_of(response))
    if "ledgerEntries" not in page:
        return response
    change(page, context)
    return json_response(page)


def repeat_page(*, echo_requested: bool = True) -> Fault:
    """Respond with the first page to every request; ``pageNumber`` is the requested one if ``echo_requested``."""

    def renumber(page: Page, context: FaultContext) -> None:
        if echo_requested:
            page["ledgerDetails"]["pageNumber"] = int(context.logged.query.get("offset", "0"))

    async def respond(context: FaultContext) -> web.Response:
        return _edited(await context.regular_response(offset="0"), renumber, context)

    return Fault("repeat_page", respond)


def wrong_page_number(delta: int = 1) -> Fault:
    """Add ``delta`` to ``pageNumber``."""
    return _adding("wrong_page_number", "pageNumber", lambda: delta)


def wrong_total(delta: int) -> Fault:
    """Add ``delta`` to ``totalEntries``."""
    return _adding("wrong_total", "totalEntries", lambda: delta)


def moving_total(step: int = 1) -> Fault:
    """Add ``step`` to ``totalEntries``, once more each time; the rows stay."""
    steps = count(step, step)
    return _adding("moving_total", "totalEntries", lambda: next(steps))


def _adding(name: str, key: str, delta: Callable[[], int]) -> Fault:
    def change(page: Page, _: FaultContext) -> None:
        page["ledgerDetails"][key] += delta()

    return edit_page(name, change)


def short_page(missing: int = 1) -> Fault:
    """Leave out the last rows of the page; its ``ledgerDetails`` are unchanged."""

    def change(page: Page, _: FaultContext) -> None:
        del page["ledgerEntries"][-missing:]

    return edit_page("short_page", change)


def empty_page() -> Fault:
    """Leave out all rows of the page; its ``ledgerDetails`` are unchanged."""
    return edit_page("empty_page", lambda page, _: page["ledgerEntries"].clear())


def doubled_row() -> Fault:
    """Repeat the first row of the page."""
    return edit_page("doubled_row", lambda page, _: page["ledgerEntries"].insert(0, page["ledgerEntries"][0]))


def reversed_rows() -> Fault:
    """Reverse the rows of the page."""
    return edit_page("reversed_rows", lambda page, _: page["ledgerEntries"].reverse())


def without(*keys: str) -> Fault:
    """Leave out these top-level keys, such as ``ledgerDetails``."""
    return edit_page("without", lambda page, _: [page.pop(key, None) for key in keys])


def null(*keys: str) -> Fault:
    """Put null under these top-level keys."""
    return edit_page("null", lambda page, _: page.update(dict.fromkeys(keys)))


def null_ledger() -> Fault:
    """Put null in place of the list of entries."""
    return null("ledgerEntries")


def null_entry() -> Fault:
    """Put null in place of the first entry."""
    return edit_page("null_entry", lambda page, _: page["ledgerEntries"].__setitem__(0, None))


def swapped_types() -> Fault:
    """Send ids as strings and points as numbers; the values are the same."""

    def change(page: Page, _: FaultContext) -> None:
        for entry in page["ledgerEntries"]:
            entry["eventLogId"] = str(entry["eventLogId"])
            for detail in entry["entryDetails"]:
                detail["points"] = float(detail["points"])

    return edit_page("swapped_types", change)


def error_beside(code: int, message: str) -> Fault:
    """Add an item of ``errors`` to a page that is otherwise complete, with HTTP 200."""
    item = {"status": False, "code": code, "message": message}
    return edit_page("error_beside", lambda page, _: page.update(errors=[item]))


def warning_beside(code: int, message: str) -> Fault:
    """Add an item of ``warnings`` to the page."""
    item = {"status": False, "code": code, "message": message}
    return edit_page("warning_beside", lambda page, _: page["warnings"].append(item))


def empty_response() -> Fault:
    """Respond with no rows, no details and no warning, with HTTP 200."""

    async def respond(_: FaultContext) -> web.Response:
        return json_response({"ledgerEntries": [], "warnings": []})

    return Fault("empty_response", respond)


def lone_surrogate(key: str = "store", *, row: int = 0) -> Fault:
    """Add half of a surrogate pair, escaped as JSON allows, to a string of a row."""

    def change(page: Page, _: FaultContext) -> None:
        page["ledgerEntries"][row][key] += "\ud83d"

    return edit_page("lone_surrogate", change)


def with_date(date: str, *, row: int = 0) -> Fault:
    """Put any string in place of the creation date of a row, such as one that no calendar has."""
    return edit_page("with_date", lambda page, _: page["ledgerEntries"][row].update(ledgerCreatedDate=date))


def renamed() -> Fault:
    """Rename programs, print amounts with another scale and add a field to each row, as a release may do."""

    def change(page: Page, context: FaultContext) -> None:
        for entry in page["ledgerEntries"]:
            entry["releaseNumber"] = context.logged.number
            for detail in entry["entryDetails"]:
                detail["programName"] += f" {context.logged.number}"
                detail["points"] += "00" if "." in detail["points"] else ".0"

    return edit_page("renamed", change)
