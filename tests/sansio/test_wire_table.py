"""What goes over the wire and what comes of each response, held against the documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from yarl import URL

import capledger
from capledger import (
    BasicAuth,
    CapledgerError,
    CustomerLedgerQuery,
    EventDetailsQuery,
    GroupLedgerQuery,
    LedgerSession,
    OAuthClientCredentials,
    OrgScope,
    RetryPolicy,
    WalkReport,
)
from capledger._sansio.context import RequestContext
from capledger._sansio.decoder import Decoder
from capledger._sansio.requests import LedgerRequests, Request, event_details
from capledger._transport.client import Transport

if TYPE_CHECKING:
    from aioresponses import aioresponses as AioResponses  # noqa: N812 - a class that is named like a function
    from aioresponses.core import RequestCall

    from capledger._transport.authentication import Auth
    from capledger.queries import LedgerQuery

HOST = "https://ledger.example"
MOBILE = "917406401004"
LEDGER = f"{HOST}/v2/pointsLedger/getCustomerLedgerInfo?identifierName=mobile&identifierValue={MOBILE}&source=INSTORE"
EMPTY_LEDGER = {
    "ledgerDetails": {"pageNumber": 0, "pageSize": 10, "totalEntries": 0, "pageCount": 0},
    "ledgerEntries": [],
    "warnings": [],
}
#: "store.server" with "server123", the vendor's own example.
BASIC = "Basic c3RvcmUuc2VydmVyOjhhMTZhNmI3MDUwNWViMWYxZmY3Y2RjMGNkNTU1OWE3"
JSON_BOTH_WAYS = {"Accept": "application/json", "Content-Type": "application/json"}


async def fetch(request: Request[Any], auth: Auth | None = None) -> Any:
    """Fetch once, without retries."""
    basic = auth or BasicAuth("store.server", "server123")
    transport = Transport(URL(HOST), basic, Decoder(UTC), retry=RetryPolicy(attempts=1))
    try:
        return await transport.fetch(request, RequestContext(WalkReport()))
    finally:
        await transport.close()


def page(query: LedgerQuery, **options: Any) -> Request[Any]:
    given: dict[str, Any] = {"offset": 0, "limit": 10, "order": "ASC", "start": None, "end": None}
    return LedgerRequests(query).page(**given | options)


def events(**options: Any) -> Request[Any]:
    query = EventDetailsQuery(identifier_name="mobile", identifier_value=MOBILE, event_ids=[18608683], **options)
    return event_details(query, ids_or_references=query.event_ids)


def headers_of(call: RequestCall) -> dict[str, str]:
    return {name: value for name, value in call.kwargs["headers"].items() if name != "User-Agent"}


REQUESTS = [
    (
        page(CustomerLedgerQuery.customer_id(98662653)),
        (
            "/v2/pointsLedger/getCustomerLedgerInfo"
            "?identifierName=id&identifierValue=98662653&source=INSTORE&offset=0&limit=10&order=ASC"
        ),
        {},
    ),
    (
        page(CustomerLedgerQuery.email("a+b@example.org", till_ids=[12345, 67890], include_alternate_currencies=True)),
        (
            "/v2/pointsLedger/getCustomerLedgerInfo?identifierName=email&identifierValue=a%2Bb@example.org&source=INSTORE"
            "&includeAlternateCurrencies=true&tillIds=12345,67890&offset=0&limit=10&order=ASC"
        ),
        {},
    ),
    (
        page(
            CustomerLedgerQuery.mobile(MOBILE, scope=OrgScope.other(50405)),
            order="DESC",
            start=datetime(2024, 8, 1),
            end=datetime(2024, 8, 31, 23, 59, 59),
        ),
        (
            f"/v2.1/pointsLedger/getCustomerLedgerInfo?identifierName=mobile&identifierValue={MOBILE}&source=INSTORE"
            "&offset=0&limit=10&order=DESC&startDate=2024-08-01T00:00:00&endDate=2024-08-31T23:59:59"
        ),
        {"DATA-SCOPE": "OTHER", "DATA-SCOPE-ORG": "50405"},
    ),
    (
        page(GroupLedgerQuery(identifier_name="id", identifier_value=381335652)),
        (
            "/v2/pointsLedger/getCustomerLedgerInfo?type=USERGROUP2&identifierName=id&identifierValue=381335652"
            "&source=INSTORE&offset=0&limit=10&sort=ASC&order=ASC"
        ),
        {},
    ),
    (
        events(scope=OrgScope.own(), get_bill_details=True, get_payment_modes=True),
        (
            f"/v2.1/pointsLedger/getLedgerExplodeInfo?identifierName=mobile&identifierValue={MOBILE}&source=INSTORE"
            "&eventIds=18608683&getBillDetails=true&getPaymentMode=true"
        ),
        {"DATA-SCOPE": "SELF"},
    ),
    (
        events(api_version="v2", get_payment_modes=True),
        (
            f"/v2/pointsLedger/getLedgerExplodeInfo?identifierName=mobile&identifierValue={MOBILE}&source=INSTORE"
            "&eventIds=18608683&getPaymentModes=true"
        ),
        {},
    ),
]


@pytest.mark.parametrize(("request_", "url", "headers"), REQUESTS)
async def test_requests(web: AioResponses, request_: Request[Any], url: str, headers: dict[str, str]) -> None:
    """The URL and every header are the documents'; at any other URL this server would not respond."""
    web.get(HOST + url, payload=EMPTY_LEDGER | {"events": []})

    await fetch(request_)

    ((call,),) = web.requests.values()
    assert headers_of(call) == JSON_BOTH_WAYS | {"Authorization": BASIC} | headers


async def test_oauth_headers(web: AioResponses) -> None:
    """A client's key and secret go to the token endpoint alone, and only the token goes with the request."""
    web.post(f"{HOST}/v3/oauth/token/generate", payload={"data": {"accessToken": "t-1", "ttlSeconds": 300}})
    web.get(f"{LEDGER}&offset=0&limit=10&order=ASC", payload=EMPTY_LEDGER)

    await fetch(page(CustomerLedgerQuery.mobile(MOBILE)), OAuthClientCredentials("k-1", "s-1"))

    (token_call,), (call,) = web.requests.values()
    assert json.loads(token_call.kwargs["data"]) == {"key": "k-1", "secret": "s-1"}
    assert headers_of(token_call) == JSON_BOTH_WAYS
    assert headers_of(call) == JSON_BOTH_WAYS | {"X-CAP-API-OAUTH-TOKEN": "t-1"}


#: Every code of the documents and the class that it is raised as.
CODES = [
    (8003, "InvalidSourceError"),
    (8013, "InvalidIdentifierError"),
    (11013, "InvalidIdentifierError"),
    (1632, "InvalidIdentifierError"),
    (8015, "CustomerNotFoundError"),
    (11012, "CustomerNotFoundError"),
    (310144, "ConnectedOrgError"),
    (11001, "InvalidFilterError"),
    (11002, "PendingEventsError"),
    (11004, "InvalidFilterError"),
    (11005, "InvalidFilterError"),
    (11006, "LimitTooLargeError"),
    (11029, "LimitTooLargeError"),
    (11007, "InvalidFilterError"),
    (11008, "InvalidFilterError"),
    (11009, "InvalidFilterError"),
    (11010, "SpanTooLongError"),
    (11011, "InvalidDateError"),
    (11014, "EventNotFoundError"),
    (11015, "EventNotFoundError"),
    (11016, "EventNotFoundError"),
    (11024, "EventNotFoundError"),
    (11017, "EventNotFoundError"),
    (11018, "InvalidFilterError"),
    (11019, "FeatureDisabledError"),
    (11021, "InvalidEventRequestError"),
    (11023, "InvalidEventRequestError"),
    (11025, "InvalidFilterError"),
    (11026, "InvalidFilterError"),
    (11027, "InvalidFilterError"),
    (11028, "InvalidFilterError"),
    (9003, "LedgerUnavailableError"),
    (9004, "LedgerUnavailableError"),
    (9005, "InvalidFilterError"),
    (9018, "InvalidFilterError"),
    (9021, "EventNotFoundError"),
    (9022, "EventNotFoundError"),
    (424242, "ApiError"),
]


@pytest.mark.parametrize("status", [400, 200])
@pytest.mark.parametrize(("code", "name"), CODES)
async def test_codes(web: AioResponses, code: int, name: str, status: int) -> None:
    """A code in ``errors`` raises its class whatever the HTTP status, says what is known, and names nobody."""
    message = f"Refused for {MOBILE}"
    body = {"errors": [{"status": False, "code": code, "message": message}], "warnings": []}
    web.get(f"{LEDGER}&offset=0&limit=10&order=ASC", status=status, payload=body, headers={"X-Cap-Requestid": "req-1"})

    with pytest.raises(capledger.ApiError) as caught:
        await fetch(page(CustomerLedgerQuery.mobile(MOBILE)))

    assert type(caught.value).__name__ == name
    assert (caught.value.code, caught.value.status, caught.value.request_id) == (code, status, "req-1")
    assert caught.value.message.startswith("Refused for ")
    assert MOBILE not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize("status", [400, 200])
async def test_no_entries(web: AioResponses, status: int) -> None:
    """11003 is a response, of no entries, and stays visible as a warning."""
    body = {"errors": [{"status": False, "code": 11003, "message": "There are no ledger entries present"}]}
    web.get(f"{LEDGER}&offset=0&limit=10&order=ASC", status=status, payload=body)

    empty = await fetch(page(CustomerLedgerQuery.mobile(MOBILE)))

    assert empty.entries == []
    assert [notice.code for notice in empty.warnings] == [11003]


def envelope(code: object, message: str) -> dict[str, Any]:
    """A failure as the gateway writes it (v1.1), "success" included."""
    return {"response": {"status": {"success": "true", "code": code, "message": message}}}


def refusal(code: int) -> dict[str, Any]:
    return {"errors": [{"status": False, "code": code, "message": "no"}]}


#: A response, the class of its error, and the fields that this must have.
ANSWERS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({"status": 401, "payload": envelope("401", "Unauthorized")}, "AuthenticationError", {"status": 401, "code": 401}),
    ({"status": 200, "payload": envelope("401", "Unauthorized")}, "AuthenticationError", {"status": 200, "code": 401}),
    (
        {"status": 498, "payload": envelope("498", "Token expired at 2019-12-02T12:31:15.000+0530")},
        "AuthenticationError",
        {"code": 498},
    ),
    (
        {"status": 200, "payload": envelope(403, "Client doesn't have access")},
        "PermissionDeniedError",
        {"status": 200, "code": 403},
    ),
    ({"status": 401, "body": "<html>"}, "AuthenticationError", {"status": 401, "code": None}),
    ({"status": 403, "payload": refusal(4000)}, "PermissionDeniedError", {"status": 403, "code": 4000}),
    ({"status": 403, "body": "<html>"}, "PermissionDeniedError", {"status": 403}),
    ({"status": 503, "payload": refusal(4001)}, "ServerError", {"status": 503, "code": 4001}),
    ({"status": 429, "body": "slow down", "headers": {"Retry-After": "7"}}, "RateLimitedError", {"retry_after": 7.0}),
    (
        {
            "status": 429,
            "headers": {"Date": "Fri, 01 Mar 2024 00:00:00 GMT", "Retry-After": "Fri, 01 Mar 2024 00:01:30 GMT"},
        },
        "RateLimitedError",
        {"retry_after": 90.0},
    ),
    ({"status": 429}, "RateLimitedError", {}),
    ({"status": 500, "body": "<html>"}, "ServerError", {"status": 500}),
    ({"status": 502, "body": "<html>", "content_type": "text/html"}, "ServerError", {"status": 502}),
    ({"status": 520, "body": ""}, "ServerError", {"status": 520}),
    ({"status": 521, "body": "busy"}, "ServerError", {"status": 521}),
    ({"status": 200, "body": "<html>", "content_type": "text/html"}, "ServerError", {"status": 200}),
    ({"status": 200, "body": ""}, "ServerError", {"status": 200}),
    ({"status": 200, "payload": {"ledgerEntries": {}}}, "DecodeError", {}),
    ({"status": 200, "payload": {"ledgerEntries": [{"eventLogId": "x", "eventName": "A"}]}}, "DecodeError", {}),
    ({"status": 302, "headers": {"Location": "https://elsewhere.example/"}}, "ServerError", {"status": 302}),
    ({"status": 404, "body": "not here"}, "ServerError", {"status": 404}),
]


@pytest.mark.parametrize(("answer", "name", "expected"), ANSWERS)
async def test_answers(web: AioResponses, answer: dict[str, Any], name: str, expected: dict[str, Any]) -> None:
    """Whatever comes in place of a response becomes the most specific error, without retry or redirect."""
    web.get(f"{LEDGER}&offset=0&limit=10&order=ASC", **answer)

    with pytest.raises(CapledgerError) as caught:
        await fetch(page(CustomerLedgerQuery.mobile(MOBILE)))

    assert type(caught.value).__name__ == name
    assert {field: getattr(caught.value, field) for field in expected} == expected
    assert [len(calls) for calls in web.requests.values()] == [1]
    assert MOBILE not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize(
    ("failure", "name"),
    [
        (aiohttp.ClientConnectionError(MOBILE), "ConnectionFailedError"),
        (aiohttp.ServerDisconnectedError(MOBILE), "ConnectionFailedError"),
        (aiohttp.ClientPayloadError(MOBILE), "ConnectionFailedError"),
        (ConnectionResetError(MOBILE), "ConnectionFailedError"),
        (TimeoutError(MOBILE), "RequestTimeoutError"),
        (aiohttp.ServerTimeoutError(MOBILE), "RequestTimeoutError"),
        (aiohttp.InvalidURL(MOBILE), "ConfigurationError"),
    ],
)
async def test_failures(web: AioResponses, failure: Exception, name: str) -> None:
    """What goes wrong below becomes an error of ours, which holds nothing of the text it came with."""
    web.get(f"{LEDGER}&offset=0&limit=10&order=ASC", exception=failure)

    with pytest.raises(CapledgerError) as caught:
        await fetch(page(CustomerLedgerQuery.mobile(MOBILE)))

    assert type(caught.value).__name__ == name
    assert MOBILE not in f"{caught.value} {caught.value!r}"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("span", "dates"),
    [
        ({}, ""),
        (
            {"start": datetime(2024, 2, 1), "end": datetime(2024, 3, 1)},
            "&startDate=2024-01-31T00:00:00&endDate=2024-03-02T00:00:00",
        ),
        (
            {"start": datetime(2024, 2, 1, tzinfo=UTC), "end": datetime(2024, 3, 1, tzinfo=UTC)},
            "&startDate=2024-01-31T00:00:00&endDate=2024-03-03T00:00:00",
        ),
    ],
)
async def test_walk(web: AioResponses, span: dict[str, datetime], dates: str) -> None:
    """A walk requests midnights of the server's zone, a day wider than the span, and no dates without one."""
    web.get(f"{LEDGER}&offset=0&limit=100&order=ASC{dates}", payload=EMPTY_LEDGER)
    india = timezone(timedelta(hours=5, minutes=30)) if span and span["start"].tzinfo else UTC
    query = CustomerLedgerQuery.mobile(MOBILE, **span)  # type: ignore[arg-type]  # start and end alone

    async with LedgerSession(HOST, BasicAuth("store.server", "server123"), timezone=india) as session:
        walk = session.entries(query)
        entries = await walk.collect()

    assert entries == []
    assert walk.report.requests == 1
    assert walk.report.complete
