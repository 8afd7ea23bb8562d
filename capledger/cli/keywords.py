"""From the options of a command to the keywords of a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import fields

from capledger.cli.exit_codes import UsageError, as_option
from capledger.queries import CustomerLedgerQuery, GroupLedgerQuery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from capledger.queries import LedgerQuery


def given_keywords(given: Mapping[str, Any], query: type) -> dict[str, Any]:
    """Of all parameters of a command, those that were given and are keywords of a query."""
    names = {item.name for item in fields(query)}
    return {name: value for name, value in given.items() if name in names and value not in (None, [])}


def ledger_query(given: Mapping[str, Any], *, group: bool) -> LedgerQuery:
    """
    The query that the options of ``entries`` spell.

    Raises:
        UsageError: an option is not one for groups.
        InvalidQueryError: their values do not go together.
    """
    keywords = given_keywords(given, CustomerLedgerQuery)
    match keywords.get("till_ids"):
        case [single]:
            keywords |= {"till_id": single, "till_ids": None}
    if not group:
        return CustomerLedgerQuery(**keywords)
    foreign = keywords.keys() - {item.name for item in fields(GroupLedgerQuery)}
    if foreign:
        raise UsageError(f"{as_option(min(foreign))} is not for groups")
    return GroupLedgerQuery(**keywords)
