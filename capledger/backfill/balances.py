"""The balances of a customer at both ends of a range that was read, as they are staged in ``job.sqlite``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import msgspec
from attrs import evolve, fields, frozen

from capledger.errors import InvalidQueryError
from capledger.frames.schema import ACCOUNT_FIELDS, DECIMAL, struct_check, without_excess_zeros
from capledger.models import Balance
from capledger.queries import BalanceQuery, CustomerLedgerQuery

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from capledger.balances import BalanceWalk
    from capledger.queries import LedgerQuery

#: The service takes whole seconds, and whether the second itself counts is not documented.
_SECOND: Final = timedelta(seconds=1)
_INSTANT: Final = timedelta(microseconds=1)
#: Filters of a ledger that the balances of the service do not have.
_OTHER_FILTERS: Final = (
    "program_id",
    "till_ids",
    "store_id",
    "store_code",
    "exclude_point_categories",
    "is_primary_user",
    "roles",
    "exclude_events",
    "event_filter",
)


@frozen
class BalancesAt:
    """The balances of a customer at a moment, packed."""

    at: datetime
    """In UTC and whole seconds."""
    packed: bytes


@frozen
class CustomerBalances:
    """The balances of a customer at both ends of a range."""

    opening: BalancesAt | None
    """None where the range starts with the ledger."""
    closing: BalancesAt


class BalanceReader:
    """Reads the balances of one customer, and keeps the walks that this took.

    Args:
        open_walk: opens a walk for a query.
    """

    def __init__(self, open_walk: Callable[[BalanceQuery], BalanceWalk]) -> None:
        self._open_walk = open_walk
        self.walks: list[BalanceWalk] = []

    async def read(self, query: LedgerQuery, start: datetime | None, end: datetime) -> CustomerBalances:
        """Read the balances at the start of a range, unless it starts with the ledger, and at its end.

        The moments are chosen so that entries which may or may not count are in the range: the last whole second of it,
        and the first one.

        Raises:
            CapledgerError: they cannot be read, or are not proven.
            MisfitError: a value does not fit its column.
        """
        closing_at = _whole_second(end) - _SECOND
        opening = None
        if start is not None:
            opening_at = _whole_second(start - _INSTANT) + _SECOND
            opening = await self._read_at(query, min(opening_at, closing_at))
        return CustomerBalances(opening, await self._read_at(query, closing_at))

    async def _read_at(self, query: LedgerQuery, at: datetime) -> BalancesAt:
        walk = self._open_walk(_balance_query(query, at))
        self.walks.append(walk)
        return BalancesAt(at, pack_balances(await walk.collect()))


def _whole_second(moment: datetime) -> datetime:
    """Return the start of a moment's second, in UTC, where differences are those of instants."""
    return moment.astimezone(UTC).replace(microsecond=0)


_SHARED_FIELDS: Final = tuple(
    {item.name for item in fields(BalanceQuery)}
    & {item.name for item in fields(CustomerLedgerQuery) if item.name != "page_size"}
)


def _balance_query(query: LedgerQuery, at: datetime) -> BalanceQuery:
    keywords: dict[str, Any] = {name: getattr(query, name) for name in _SHARED_FIELDS}
    return BalanceQuery(at=at, **keywords)


def check_has_balances(query: LedgerQuery) -> None:
    """Refuse a query whose entries cannot be compared with balances of the service.

    Raises:
        InvalidQueryError: it is of a group, or has a filter that balances do not have.
    """
    if not isinstance(query, CustomerLedgerQuery):
        raise InvalidQueryError("the service has balances of customers and not of groups: do not fetch balances")
    for name in _OTHER_FILTERS:
        if getattr(query, name) not in (None, (), False):
            raise InvalidQueryError(
                f"the service does not filter balances by {name}: leave out {name}, or do not fetch balances"
            )


def stage_balances(connection: sqlite3.Connection, customer: int, balances: CustomerBalances) -> None:
    """Stage the balances of a customer in place of earlier ones."""
    opening, closing = balances.opening, balances.closing
    connection.execute(
        "INSERT OR REPLACE INTO balances VALUES (?, ?, ?, ?, ?)",
        (
            customer,
            opening and opening.at.isoformat(),
            opening and opening.packed,
            closing.at.isoformat(),
            closing.packed,
        ),
    )


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(list[Balance])
_CHECK: Final = struct_check([*ACCOUNT_FIELDS, ("closing_balance", DECIMAL)])


def pack_balances(balances: Sequence[Balance]) -> bytes:
    """Return balances as bytes, for :func:`unpack_balances`.

    Raises:
        MisfitError: a value does not fit its column.
    """
    has_excess_zeros = [_CHECK(balance) for balance in balances]
    packed = _ENCODER.encode(balances)
    if True not in has_excess_zeros:
        return packed
    return _ENCODER.encode([_trimmed(balance) for balance in balances])


def _trimmed(balance: Balance) -> Balance:
    return evolve(balance, closing_balance=without_excess_zeros(balance.closing_balance))


def unpack_balances(packed: bytes) -> list[Balance]:
    """Return the balances of packed bytes."""
    return _DECODER.decode(packed)
