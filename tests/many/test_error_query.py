"""Errors of one of many ledgers carry its query, which is printed and logged nowhere."""

from __future__ import annotations

import logging
import pickle
import traceback
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pytest

from capledger import (
    AuthenticationError,
    BasicAuth,
    CapledgerError,
    CustomerLedgerQuery,
    CustomerNotFoundError,
    LedgerSession,
)
from capledger.backfill import arrow_batches
from capledger.sandbox import DEMO_MOBILE, Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

NOBODY = "910000000999"
QUERIES = [CustomerLedgerQuery.mobile(DEMO_MOBILE), CustomerLedgerQuery.mobile(NOBODY)]

WAYS: list[Callable[[LedgerSession], AsyncIterator[Any]]] = [
    lambda session: aiter(session.stream_many(QUERIES)),
    lambda session: aiter(session.fetch_many(QUERIES, fail_fast=True)),
    lambda session: arrow_batches(session, QUERIES),
]


async def error_of(way: Callable[[LedgerSession], AsyncIterator[Any]], password: str = "server123") -> CapledgerError:  # noqa: S107 - invented
    async with (
        Sandbox() as box,
        LedgerSession(box.url, BasicAuth("store.server", password), timezone=UTC) as session,
    ):
        with pytest.raises(CapledgerError) as caught:
            async for _ in way(session):
                pass
    return caught.value


@pytest.mark.parametrize("way", WAYS, ids=["stream_many", "fail_fast", "arrow_batches"])
async def test_an_error_knows_its_query(
    way: Callable[[LedgerSession], AsyncIterator[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """It survives pickling, and no message, traceback or log record shows it."""
    caplog.set_level(logging.DEBUG, "capledger")

    error = await error_of(way)

    assert isinstance(error, CustomerNotFoundError)
    assert error.query is QUERIES[1]
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own pickle
    assert (repr(copy), copy.query) == (repr(error), QUERIES[1])
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(error) + caplog.text
    assert NOBODY not in shown
    assert NOBODY not in repr(error.__dict__)


async def test_outcomes_and_other_errors() -> None:
    """Elsewhere there is none: an outcome has its own, and wrong credentials concern all queries."""
    async with (
        Sandbox() as box,
        LedgerSession(box.url, BasicAuth("store.server", "server123"), timezone=UTC) as session,
    ):
        outcomes = [outcome async for outcome in session.fetch_many(QUERIES, ordered=True)]
        with pytest.raises(CustomerNotFoundError) as caught:
            await session.entries(QUERIES[1]).collect()

    assert outcomes[1].error is not None
    assert outcomes[1].error.query is None
    assert outcomes[1].query is QUERIES[1]
    assert caught.value.query is None
    refused = await error_of(WAYS[0], "wrong")
    assert (type(refused), refused.query) == (AuthenticationError, None)
