"""Up to ten events, asked for until each of them is here or known to be missing.

The service tells of an id it has nothing about in one of four ways: by refusing all that was asked with it, by a null,
by leaving it out, or by a warning. A refusal that names ids is asked again without them, any other in halves. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from capledger._sansio.api_errors import Scrubber
from capledger._sansio.requests import Request, event_details
from capledger.errors import EventNotFoundError, PaginationError
from capledger.models import LedgerEvent
from capledger.queries import EventDetailsQuery

if TYPE_CHECKING:
    from capledger.models import EventsPage

#: An event's id, or its reference where the query goes by name.
Key = int | str

#: "Event name not found": this kind of event has no details.
_NO_SUCH_NAME = 11014

_BRACKETS = re.compile(r"\[([^]]*)")
_AFTER_THE_TEXT = re.compile(r".*(?::|\bids? )")


@frozen
class Kinds:
    """What is known of the events beforehand: their names, and which names turned out to have no details."""

    by_key: Mapping[Key, str] = field(factory=dict)
    without_details: set[str] = field(factory=set)


@frozen
class _Part:
    keys: Sequence[Key]
    #: Whether the part after it must hold what was refused, if this one is answered.
    clears: bool = False


@define(eq=False)
class Inquiry:
    """What is still to be asked of some events, and what came."""

    query: EventDetailsQuery
    keys: Sequence[Key]
    kinds: Kinds = field(factory=Kinds)
    #: Events by key, mostly one; none for those that are missing.
    found: dict[Key, list[LedgerEvent]] = field(factory=dict)
    #: What is to be asked, the next one last.
    _parts: list[_Part] = field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self._parts.append(_Part(self.keys))

    @property
    def settled(self) -> bool:
        """Whether nothing is left to ask."""
        return not self._parts

    @property
    def missing(self) -> list[Key]:
        """What the service has no details of, once settled."""
        return [key for key in self.keys if not self.found[key]]

    def request(self) -> Request[EventsPage]:
        """Give the next request."""
        return event_details(self.query, ids_or_references=self._parts[-1].keys)

    def accept(self, page: EventsPage) -> None:
        """Take the answer to that request."""
        part = self._parts[-1]
        events = self._sorted(part.keys, [event for event in page.events if event is not None])
        self._parts.pop()
        if part.clears:
            self._ask_in_halves(self._parts.pop().keys)
        if events is None:
            self._parts += [_Part([key]) for key in reversed(part.keys)]
        else:
            self.found |= events

    def refuse(self, error: EventNotFoundError) -> bool:
        """Take its refusal; False when it says nothing about single events."""
        named = self._texts_named(error.message)
        if self.query.event_name is not None and error.code == _NO_SUCH_NAME and self.query.event_name in named:
            return False
        part = self._parts.pop()
        bad = self._keys_named(part.keys, named) | self._keys_of_kinds(part.keys, error, named)
        if bad or len(part.keys) == 1:
            bad = bad or set(part.keys)
            self.found |= {key: [] for key in bad}
            rest = [key for key in part.keys if key not in bad]
            self._parts += [_Part(rest)] if rest else []
        else:
            self._ask_in_halves(part.keys)
        return True

    def _ask_in_halves(self, keys: Sequence[Key]) -> None:
        half = len(keys) // 2
        self._parts += [_Part(keys[half:]), _Part(keys[:half], clears=True)] if half else [_Part(keys)]

    # Whose is it

    def _sorted(self, keys: Sequence[Key], events: list[LedgerEvent]) -> dict[Key, list[LedgerEvent]] | None:
        """Give each key its events; None when that can only be told by asking for them one at a time."""
        found: dict[Key, list[LedgerEvent]] = {key: [] for key in keys}
        for event in events:
            key = self._key_of(event, found)
            if key is None and self.query.event_name is None:
                msg = "the answer holds an event that was not asked for"
                raise PaginationError(msg)
            if key is None and len(keys) > 1:
                return None
            found[keys[0] if key is None else key].append(event)
        return found

    def _key_of(self, event: LedgerEvent, keys: Mapping[Key, object]) -> Key | None:
        by_name = self.query.event_name is not None
        texts = (event.event_reference_id, event.unique_id) if by_name else (event.event_log_id,)
        return next((key for key in texts if key is not None and key in keys), None)

    # What a refusal names

    @staticmethod
    def _texts_named(message: str) -> set[str]:
        """Read out what stands in brackets ("found[1, 2]"), or after a colon or "id" at the end."""
        lists = _BRACKETS.findall(message) + [_AFTER_THE_TEXT.sub("", part) for part in message.split(";")]
        return {item.strip(" '\"") for listed in lists for item in listed.split(",")}

    def _keys_named(self, keys: Sequence[Key], named: set[str]) -> set[Key]:
        """Give the keys among them, as they look once the customer's identifier is taken out of the text."""
        scrub = Scrubber(self.query.identifier_value)
        return {key for key in keys if scrub(str(key)) in named}

    def _keys_of_kinds(self, keys: Sequence[Key], error: EventNotFoundError, named: set[str]) -> set[Key]:
        if error.code != _NO_SUCH_NAME:
            return set()
        bad = {key for key in keys if self.kinds.by_key.get(key) in named}
        self.kinds.without_details.update(self.kinds.by_key[key] for key in bad)
        return bad
