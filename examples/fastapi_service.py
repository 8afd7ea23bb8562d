"""A service that returns ledgers, with FastAPI: one session for its life, errors as statuses, and a streamed export.

Run it with ``uvicorn examples.fastapi_service:app`` and the variables ``CAPLEDGER_...``, such as those that
``capledger sandbox`` prints.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator  # noqa: TC003 - FastAPI evaluates annotations
from contextlib import asynccontextmanager
from datetime import date  # noqa: TC003 - FastAPI evaluates annotations
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, FastAPI, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse

from capledger import (
    AuthenticationError,
    BasicAuth,
    CapledgerError,
    CustomerLedgerQuery,
    CustomerNotFoundError,
    InvalidQueryError,
    LedgerEntry,
    LedgerSession,
    RateLimit,
    RateLimitedError,
    RetryPolicy,
)

#: The status for each error; the first class that fits counts. All others mean that the service behind this one fails.
STATUSES: dict[type[CapledgerError], int] = {
    InvalidQueryError: 422,
    CustomerNotFoundError: 404,
    RateLimitedError: 503,
    AuthenticationError: 500,  # ours, not the caller's
    CapledgerError: 502,
}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open one session for the life of the service: connections, tokens and the rate limit belong to it."""
    async with LedgerSession(
        os.environ["CAPLEDGER_BASE_URL"],
        BasicAuth(os.environ["CAPLEDGER_USERNAME"], os.environ["CAPLEDGER_PASSWORD"]),
        timezone=ZoneInfo(os.environ.get("CAPLEDGER_TIMEZONE", "UTC")),
        rate_limit=RateLimit(requests_per_minute=600, max_wait=5.0),  # rather an error than a long wait
        retry=RetryPolicy(deadline=20.0),
    ) as session:
        app.state.session = session
        yield


app = FastAPI(lifespan=lifespan)


def get_session(request: Request) -> LedgerSession:
    """Return the session of the service."""
    session: LedgerSession = request.app.state.session
    return session


Session = Annotated[LedgerSession, Depends(get_session)]


@app.exception_handler(CapledgerError)
async def on_error(_: Request, error: Exception) -> JSONResponse:
    """Return class, message and code of an error; none of them names a customer."""
    assert isinstance(error, CapledgerError)  # noqa: S101 - for the type checker
    status = next(status for kind, status in STATUSES.items() if isinstance(error, kind))
    headers = {"Retry-After": "5"} if isinstance(error, RateLimitedError) else {}
    return JSONResponse(error.to_dict(), status_code=status, headers=headers)


@app.get("/customers/{customer_id}/entries")
async def newest(
    customer_id: int, session: Session, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> list[LedgerEntry]:
    """Return the newest entries of a customer."""
    query = CustomerLedgerQuery.customer_id(customer_id, order="desc", page_size=limit)
    async for page in session.entries(query, prefetch=1).pages():
        return page.entries[:limit]
    return []


@app.get("/customers/{customer_id}/export")
async def export(customer_id: int, session: Session, start: date, end: date | None = None) -> StreamingResponse:
    """Stream a ledger as JSON lines, page by page; the last line states whether it is complete."""
    walk = session.entries(CustomerLedgerQuery.customer_id(customer_id, start=start, end=end))
    pages = aiter(walk.pages())
    first = await anext(pages, None)  # an error here is a status still

    async def lines() -> AsyncIterator[str]:
        page = first
        try:
            while page is not None:
                yield "".join(f"{entry.to_json()}\n" for entry in page.entries)
                page = await anext(pages, None)
        except CapledgerError as error:
            yield bytes(JSONResponse(error.to_dict()).body).decode() + "\n"
        yield walk.report.to_json() + "\n"

    return StreamingResponse(lines(), media_type="application/jsonl")
