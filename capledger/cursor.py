"""Where a walk stands, as a short string from which another process can resume.

A cursor holds dates, counts and keys of the last rows, no identifier. It is bound to its query by 24 bits of a hash
over everything that decides which entries come back: enough to refuse another customer's cursor, far too few to tell
whose it is (about one in seventeen million identifiers fits). A checksum refuses what was damaged on the way.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args

from attrs import define, field, frozen

from capledger.errors import InvalidQueryError
from capledger.models.identity import RowIdentity, key_of
from capledger.moments import second_of
from capledger.server_profile import Learned, OffsetRule
from capledger.windows import Window

if TYPE_CHECKING:
    from capledger.queries import LedgerQuery

_VERSION: Final = 2
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_RULES: Final = get_args(OffsetRule)


@frozen
class Edge:
    """How far rows were read: the second of the last one, and the keys of all rows that were read in that second."""

    second: int
    keys: Counter[int]


@define(kw_only=True)
class Position:
    """A position in a walk, behind its last entry."""

    yielded: int
    """Entries that were yielded up to there, also by the walk that this one resumes."""
    edge: Edge
    """What was yielded of the last entry's second."""
    window: Window | None
    """The window in which it lies; None for the whole history."""
    index: int | None
    """Rows of the listing before the edge's second, and those of it that were yielded; None if that is not known."""
    total: int | None
    """The total of the listing by which ``index`` was counted."""

    def values(self) -> list[Any]:
        """Return it as JSON values, without the number of entries."""
        keys = [urlsafe_b64encode(key.to_bytes(8)).decode().rstrip("=") for key in self.edge.keys.elements()]
        window = None if self.window is None else [_ticks(self.window.start), _ticks(self.window.end)]
        return [self.edge.second, keys, window, self.index, self.total]

    @classmethod
    def of(cls, yielded: int, values: list[Any]) -> Position:
        """Read what :meth:`values` returns."""
        second, keys, window, index, total = values
        edge = Edge(second, Counter(int.from_bytes(urlsafe_b64decode(key + "=")) for key in keys))
        window = None if window is None else Window(*map(_moment, window))
        return cls(yielded=yielded, edge=edge, window=window, index=index, total=total)


@define(kw_only=True)
class Cursor:
    """A position with what a resumed walk needs besides; ``position`` is None before the first entry."""

    end: datetime
    """The end of the walk's range in UTC, as it was fixed when the walk began."""
    position: Position | None = None
    learned: Learned = field(factory=Learned)
    unproven: bool = False
    """Whether entries before the position may be missing."""

    def encode(self, query: LedgerQuery) -> str:
        """Return the cursor as a URL-safe string of some 150 characters."""
        yielded, values = (0, []) if self.position is None else (self.position.yielded, self.position.values())
        rule, page_cap, span_days = self.learned
        learned = [None if rule is None else _RULES.index(rule), page_cap, span_days]
        content = [fingerprint(query), _ticks(self.end), yielded, *learned, int(self.unproven), *values]
        body = json.dumps(content, separators=(",", ":")).encode()
        return urlsafe_b64encode(b"%d.%s.%s" % (_VERSION, _checksum(body), body)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str, query: LedgerQuery) -> Cursor:
        """Read a cursor.

        Raises:
            InvalidQueryError: it is damaged, of another release, or was made for another query.
        """
        mark, end, yielded, rule, page_cap, span_days, unproven, *values = _content(text)
        if mark != fingerprint(query):
            raise InvalidQueryError(
                "resume_from belongs to another query: resume with the same customer, filters, dates and order"
            )
        return cls(
            end=_moment(end),
            position=Position.of(yielded, values) if values else None,
            learned=Learned(None if rule is None else _RULES[rule], page_cap, span_days),
            unproven=bool(unproven),
        )


class CursorOfOnePage(NamedTuple):
    """The cursor behind a ledger of one page, from which it is computed when it is wanted: hashing rows takes time."""

    end: datetime
    learned: Learned
    rows: int
    """Entries of the ledger."""
    last: tuple[RowIdentity, ...]
    """Those of the last one's second, as they were."""

    def encode(self, query: LedgerQuery) -> str:
        """Return the cursor as a string."""
        edge = Edge(second_of(self.last[0].moment), Counter(map(key_of, self.last)))
        position = Position(yielded=self.rows, edge=edge, window=None, index=self.rows, total=self.rows)
        return Cursor(end=self.end, position=position, learned=self.learned).encode(query)


def fingerprint(query: LedgerQuery) -> str:
    """Return 24 bits that distinguish one query from another, without telling whose it is."""
    content = repr((type(query).__name__, query.fingerprint_fields()))
    return blake2b(content.encode("utf-8", "surrogatepass"), digest_size=3, person=b"capledger").hexdigest()


def _content(text: str) -> list[Any]:
    """Return the values of a cursor whose checksum is right."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, TypeError):
        data = b""
    version, _, rest = data.partition(b".")
    checksum, _, body = rest.partition(b".")
    is_canonical = urlsafe_b64encode(data).decode().rstrip("=") == text
    if version == b"%d" % _VERSION and is_canonical and checksum == _checksum(body):
        content: list[Any] = json.loads(body)
        return content
    if data[:2] == b"[1":
        raise InvalidQueryError("resume_from is of an earlier format: begin the walk anew, without a cursor")
    raise InvalidQueryError(
        "resume_from is not a cursor of this library: pass walk.cursor, or the .cursor of an error, unchanged"
    )


def _checksum(body: bytes) -> bytes:
    return blake2b(body, digest_size=5, person=b"cap-cursor").hexdigest().encode()


def _ticks(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(ticks: int) -> datetime:
    return _EPOCH + ticks * _MICROSECOND
