"""What can be asked: immutable, checked when made, without any I/O.

A query that cannot work raises :class:`~capledger.errors.InvalidQueryError` where it is written, instead of being
refused by the service later. Queries compare, hash and pickle by value; ``attrs.evolve`` makes a changed copy; their
``repr`` hides whom they are about.
"""

from __future__ import annotations

from capledger.queries.events import EventDetailsQuery
from capledger.queries.flags import EventFlags
from capledger.queries.ledger import CustomerLedgerQuery, GroupLedgerQuery, LedgerQuery
from capledger.queries.scope import OrgScope

__all__ = ["CustomerLedgerQuery", "EventDetailsQuery", "EventFlags", "GroupLedgerQuery", "LedgerQuery", "OrgScope"]
