"""Pages that contradict themselves or one another; an answer that is no page is left as it is."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import msgspec

from capledger.sandbox.responses import json_answer
from capledger.sandbox.turns import Fault, Turn

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

#: The body of a page as a dictionary.
Page = dict[str, Any]


def edit_page(name: str, change: Callable[[Page, Turn], object]) -> Fault:
    """The honest page after ``change(page, turn)`` has worked on it in place."""

    async def play(turn: Turn) -> web.Response:
        return _edited(await turn.honest(), change, turn)

    return Fault(name, play)


def _edited(honest: web.Response, change: Callable[[Page, Turn], object], turn: Turn) -> web.Response:
    page = msgspec.json.decode(honest.body)  # type: ignore[arg-type]  # an answer of ours has its bytes
    if "ledgerEntries" not in page:
        return honest
    change(page, turn)
    return json_answer(page)


def repeat_page(*, echo_asked: bool = True) -> Fault:
    """The first page, whatever is asked; its number is the one asked for, unless ``echo_asked`` is False."""

    def renumber(page: Page, turn: Turn) -> None:
        if echo_asked:
            page["ledgerDetails"]["pageNumber"] = int(turn.logged.query.get("offset", "0"))

    async def play(turn: Turn) -> web.Response:
        return _edited(await turn.honest(offset="0"), renumber, turn)

    return Fault("repeat_page", play)


def wrong_page_number(delta: int = 1) -> Fault:
    """The page asked for, with another ``pageNumber``."""
    return _adding("wrong_page_number", "pageNumber", lambda: delta)


def wrong_total(delta: int) -> Fault:
    """The page asked for, with a ``totalEntries`` that is off by so many."""
    return _adding("wrong_total", "totalEntries", lambda: delta)


def moving_total(step: int = 1) -> Fault:
    """A ``totalEntries`` that is off by ``step`` more each time, while the rows stay."""
    steps = count(step, step)
    return _adding("moving_total", "totalEntries", lambda: next(steps))


def _adding(name: str, key: str, delta: Callable[[], int]) -> Fault:
    def change(page: Page, _: Turn) -> None:
        page["ledgerDetails"][key] += delta()

    return edit_page(name, change)


def short_page(missing: int = 1) -> Fault:
    """The last rows of the page are missing; what it says of itself is unchanged."""

    def change(page: Page, _: Turn) -> None:
        del page["ledgerEntries"][-missing:]

    return edit_page("short_page", change)


def empty_page() -> Fault:
    """A page without rows that says there are some."""
    return edit_page("empty_page", lambda page, _: page["ledgerEntries"].clear())


def doubled_row() -> Fault:
    """The page's first row comes twice."""
    return edit_page("doubled_row", lambda page, _: page["ledgerEntries"].insert(0, page["ledgerEntries"][0]))


def reversed_rows() -> Fault:
    """The page's rows in the opposite order."""
    return edit_page("reversed_rows", lambda page, _: page["ledgerEntries"].reverse())


def without(*keys: str) -> Fault:
    """A page that lacks these top-level keys, such as ``ledgerDetails``."""
    return edit_page("without", lambda page, _: [page.pop(key, None) for key in keys])


def null(*keys: str) -> Fault:
    """A page with null under these top-level keys."""
    return edit_page("null", lambda page, _: page.update(dict.fromkeys(keys)))


def null_ledger() -> Fault:
    """Null where the list of entries belongs."""
    return null("ledgerEntries")


def null_entry() -> Fault:
    """Null where the first entry belongs."""
    return edit_page("null_entry", lambda page, _: page["ledgerEntries"].__setitem__(0, None))


def swapped_types() -> Fault:
    """Strings where numbers belong (ids) and numbers where strings belong (points); the values are the same."""

    def change(page: Page, _: Turn) -> None:
        for entry in page["ledgerEntries"]:
            entry["eventLogId"] = str(entry["eventLogId"])
            for detail in entry["entryDetails"]:
                detail["points"] = float(detail["points"])

    return edit_page("swapped_types", change)


def error_beside(code: int, message: str) -> Fault:
    """An item of ``errors`` beside a page that is otherwise whole, with HTTP 200."""
    item = {"status": False, "code": code, "message": message}
    return edit_page("error_beside", lambda page, _: page.update(errors=[item]))


def warning_beside(code: int, message: str) -> Fault:
    """An item of ``warnings`` beside the rows."""
    item = {"status": False, "code": code, "message": message}
    return edit_page("warning_beside", lambda page, _: page["warnings"].append(item))
