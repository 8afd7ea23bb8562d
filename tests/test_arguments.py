"""Arguments of any type work as meant or are refused in one sentence, before any request."""

from __future__ import annotations

import enum
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import numpy as np
import pandas as pd
import pendulum
import pytest
import pytz

from capledger import (
    BasicAuth,
    CapledgerError,
    ConfigurationError,
    CustomerLedgerQuery,
    EventDetailsQuery,
    GroupLedgerQuery,
    InvalidQueryError,
    LedgerSession,
    OAuthClientCredentials,
    OrgScope,
    RateLimit,
    RetryPolicy,
)
from capledger._sansio.requests import LedgerRequests

HOST = "https://ledger.example"
AUTH = BasicAuth("store.server", "server123")
MOBILE = "917406401004"
BERLIN = ZoneInfo("Europe/Berlin")


class Identifier(str, enum.Enum):  # noqa: UP042 - StrEnum has another ``str``
    MOBILE = "mobile"


def session(**options: Any) -> LedgerSession:
    arguments: dict[str, Any] = {"base_url": HOST, "auth": AUTH, "timezone": UTC, **options}
    return LedgerSession(**arguments)


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"rate_limit": 600}, "rate_limit must be RateLimit(requests_per_minute) or None, not int"),
        ({"retry": 3}, "retry must be RetryPolicy(...) or None, not int"),
        ({"auth": ("store.server", "server123")}, "auth must be BasicAuth(...) or OAuthClientCredentials(...)"),
        ({"auth": None}, "auth must be BasicAuth(...) or OAuthClientCredentials(...)"),
        ({"base_url": None}, "base_url must look like https://host or https://host/path"),
        ({"base_url": b"https://ledger.example"}, "base_url must look like https://host or https://host/path"),
        ({"base_url": "ledger.example"}, "base_url must look like https://host or https://host/path"),
        ({"base_url": "https://"}, "base_url must look like https://host or https://host/path"),
        ({"timezone": "Asia/Kolkata"}, "timezone must be a tzinfo, such as datetime.UTC"),
        ({"max_connections": "8"}, "max_connections must be an integer, at least 1"),
        ({"max_connections": 2.5}, "max_connections must be an integer, at least 1"),
        ({"max_connections": True}, "max_connections must be an integer, at least 1"),
        ({"timeout": "30"}, "a duration must be seconds or a timedelta"),
        ({"timeout": None}, "a duration must be seconds or a timedelta"),
        ({"timeout": float("nan")}, "a duration must be seconds or a timedelta"),
        ({"http": "https://proxy.example"}, "http must be an aiohttp.ClientSession or None, not str"),
        ({"trace_configs": aiohttp.TraceConfig()}, "trace_configs must be a sequence of aiohttp.TraceConfig"),
        ({"trace_configs": ["x"]}, "trace_configs must be a sequence of aiohttp.TraceConfig"),
        ({"trace_configs": None}, "trace_configs must be a sequence of aiohttp.TraceConfig"),
        ({"trace_configs": 1}, "trace_configs must be a sequence of aiohttp.TraceConfig"),
        ({"auth": BasicAuth}, "auth must be BasicAuth(...) or OAuthClientCredentials(...)"),
        ({"auth": OAuthClientCredentials}, "auth must be BasicAuth(...) or OAuthClientCredentials(...)"),
        ({"timeout": 10**400}, "a duration must be seconds or a timedelta"),
        ({"base_url": "https://ledger.example "}, "base_url must look like https://host or https://host/path"),
        ({"base_url": "https://ledger..example"}, "base_url must look like https://host or https://host/path"),
        ({"base_url": f"https://{'a' * 64}.example"}, "base_url must look like https://host or https://host/path"),
        ({"base_url": "https://ledger example"}, "base_url must look like https://host or https://host/path"),
        ({"proxy": "proxy example:3128"}, "proxy must be the URL of an HTTP proxy"),
        ({"base_url": "http://127.0.0.1:8080", "ssl": "ca.pem"}, "ssl must be an ssl.SSLContext"),
        ({"base_url": "http://ledger.example", "allow_plain_http": "no"}, "allow_plain_http must be True or False"),
        ({"clock": None}, "clock must have the methods now and monotonic"),
        ({"headers": {"X-Team": "\ud800"}}, "headers contains an invalid value for X-Team"),
        ({"headers": {"Proxy-Authorization": "Basic eA=="}}, "headers contains a name that is invalid or"),
        ({"headers": {"Accept-Encoding": "zstd"}}, "headers contains a name that is invalid or"),
    ],
)
def test_a_session_refuses_wrong_arguments(wrong: dict[str, Any], expected: str) -> None:
    """The message says what to pass."""
    with pytest.raises(ConfigurationError) as caught:
        session(**wrong)

    assert caught.value.message.startswith(expected)


@pytest.mark.parametrize(
    "right",
    [
        {"max_connections": np.int64(8)},
        {"timeout": np.float32(2.5)},
        {"timeout": np.int32(30)},
        {"timeout": timedelta(seconds=30)},
        {"timeout": pendulum.duration(seconds=30)},
        {"timeout": pd.Timedelta(seconds=30)},
        {"rate_limit": RateLimit(np.int64(600), burst=np.int8(10))},  # type: ignore[arg-type]  # as from a data frame
        {"retry": RetryPolicy(attempts=np.int64(3), budget=np.int64(3))},  # type: ignore[arg-type]  # as above
        {"timezone": timezone(timedelta(hours=5, minutes=30))},
        {"timezone": pendulum.timezone("Asia/Kolkata")},
    ],
)
def test_a_session_accepts_numbers_and_durations_of_other_libraries(right: dict[str, Any]) -> None:
    """What has a plain meaning works."""
    assert session(**right).base_url.host == "ledger.example"


def test_a_zone_of_pytz_is_read_by_its_rules() -> None:
    """Attached to a date as it is, it would mean the local mean time of the nineteenth century."""
    assert session(timezone=pytz.timezone("Asia/Kolkata"))._zone == ZoneInfo("Asia/Kolkata")
    assert session(timezone=pytz.utc)._zone is not None


@pytest.mark.parametrize(
    "call",
    [
        lambda it: it.entries(MOBILE),
        lambda it: it.entries(None),
        lambda it: it.entries(EventDetailsQuery(identifier_name="mobile", identifier_value=MOBILE, event_ids=[1])),
        lambda it: it.events(CustomerLedgerQuery.mobile(MOBILE)),
        lambda it: it.entries(CustomerLedgerQuery.mobile(MOBILE), prefetch="4"),
        lambda it: it.entries(CustomerLedgerQuery.mobile(MOBILE), prefetch=1.5),
        lambda it: it.entries(CustomerLedgerQuery.mobile(MOBILE), resume_from=7),
        lambda it: it.entries(CustomerLedgerQuery.mobile(MOBILE), details="all"),
        lambda it: it.entries(CustomerLedgerQuery.mobile(MOBILE), on_incomplete="ignore"),
        lambda it: it.fetch_many(None),
        lambda it: it.fetch_many(MOBILE),
        lambda it: it.fetch_many([], max_in_flight=0),
        lambda it: it.stream_many([], max_in_flight=None),
        lambda it: it.stream_many([], on_outcome=3),
    ],
)
def test_calls_refuse_wrong_arguments(call: Any) -> None:
    """What was passed is neither sent nor an AttributeError."""
    with pytest.raises(InvalidQueryError):
        call(session())


def test_integers_of_numpy_are_integers_in_calls() -> None:
    """As read from a data frame."""
    walk = session().entries(CustomerLedgerQuery.mobile(MOBILE), prefetch=np.int64(2))  # type: ignore[arg-type]  # as from a data frame

    assert walk.report.requests == 0


@pytest.mark.parametrize(
    ("fields", "parameters"),
    [
        ({"identifier_value": np.int64(917406401004)}, {"identifierValue": MOBILE}),
        ({"identifier_value": np.str_(MOBILE)}, {"identifierValue": MOBILE}),
        ({"identifier_name": Identifier.MOBILE}, {"identifierName": "mobile"}),
        ({"till_ids": np.array([5, 7])}, {"tillIds": "5,7"}),
        ({"till_id": np.int32(5)}, {"tillId": "5"}),
        ({"account_id": np.int64(9)}, {"accountId": "9"}),
        ({"program_id": np.uint8(3)}, {"programId": "3"}),
        ({"alternate_currency_names": pd.Series(["Stars", "Miles"])}, {"alternateCurrencyNames": "Stars,Miles"}),
    ],
)
def test_values_of_other_libraries_are_sent_as_meant(fields: dict[str, Any], parameters: dict[str, str]) -> None:
    """Integers, strings and arrays of numpy and pandas, and enumerations of strings."""
    query = CustomerLedgerQuery(**{"identifier_name": "mobile", "identifier_value": MOBILE, **fields})

    sent = dict(LedgerRequests(query).page(offset=0, limit=10, order="ASC").params)

    assert {name: sent[name] for name in parameters} == parameters
    assert {type(value) for value in sent.values()} == {str}


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (date(2024, 1, 1), datetime(2024, 1, 1)),
        (pendulum.date(2024, 1, 1), datetime(2024, 1, 1)),
        (pendulum.naive(2024, 1, 1, 12), datetime(2024, 1, 1, 12)),
        (pendulum.datetime(2024, 1, 1, 12, tz="Europe/Berlin"), datetime(2024, 1, 1, 12, tzinfo=BERLIN)),
        (pd.Timestamp("2024-01-01 12:00"), datetime(2024, 1, 1, 12)),
        (pd.Timestamp("2024-01-01 12:00", tz="UTC"), datetime(2024, 1, 1, 12, tzinfo=UTC)),
    ],
)
def test_dates_of_other_libraries_are_plain_dates(moment: Any, expected: datetime) -> None:
    """The same instant, as the standard library has it."""
    start = CustomerLedgerQuery.mobile(MOBILE, start=moment).start

    assert type(start) is datetime
    assert start == expected
    assert start.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(
    "fields",
    [
        {"start": pd.NaT},
        {"end": pd.NaT},
        {"start": np.datetime64("2024-01-01")},
        {"start": "2024-01-01"},
        {"start": 1_704_067_200},
        {"start": datetime(1, 1, 1)},
        {"start": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))},
        {"end": datetime(9999, 12, 31)},
        {"end": date.max},
        {"identifier_value": float("nan")},
        {"identifier_value": pd.NA},
        {"identifier_value": f"{MOBILE}\ud800"},
        {"identifier_name": "mobile\udc00"},
        {"source": "\ud83d"},
        {"store_code": "\ud83d"},
        {"alternate_currency_names": ["Stars\ud800"]},
        {"till_id": np.float64(5)},
        {"till_id": np.array([True])[0]},
        {"page_size": np.float64(10)},
    ],
)
def test_values_without_a_meaning_are_refused(fields: dict[str, Any]) -> None:
    """No value and half of a character would be sent as something else; the edges of the calendar overflow."""
    with pytest.raises(InvalidQueryError) as caught:
        CustomerLedgerQuery(**{"identifier_name": "mobile", "identifier_value": MOBILE, **fields})

    assert MOBILE not in str(caught.value)


@pytest.mark.parametrize("year", [2, 9998])
@pytest.mark.parametrize("hours", [-14, 0, 14])
async def test_the_edges_of_the_calendar_raise_nothing_foreign(year: int, hours: int) -> None:
    """A span that begins or ends there is walked, or refused by an error of ours."""
    moment = datetime(year, 12 if year > 2 else 1, 31 if year > 2 else 1, tzinfo=timezone(timedelta(hours=hours)))
    span: dict[str, Any] = {"start": moment} if year == 2 else {"end": moment}
    async with session(base_url="http://127.0.0.1:9", retry=RetryPolicy(attempts=1)) as it:
        with pytest.raises(CapledgerError):
            await it.entries(CustomerLedgerQuery.mobile(MOBILE, **span)).collect()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: BasicAuth("store.server\n", "server123"), "username ends in white space"),
        (lambda: BasicAuth("store.server", "server123 "), "password ends in white space"),
        (lambda: OAuthClientCredentials("key", "secret\r\n"), "secret ends in white space"),
        (lambda: OAuthClientCredentials("key\t", "secret"), "key ends in white space"),
        (lambda: BasicAuth("store.server", "\ud800"), "password contains half of a surrogate pair"),
        (lambda: BasicAuth(b"store.server", "server123"), "username must be a string"),  # type: ignore[arg-type]  # as read from a file
    ],
)
def test_credentials_that_cannot_be_meant_are_refused(make: Any, expected: str) -> None:
    """The line end of a file is no part of a password; the message has none of it."""
    with pytest.raises(ConfigurationError) as caught:
        make()

    assert caught.value.message.startswith(expected)
    assert "server123" not in str(caught.value)


def test_groups_and_scopes_take_integers_of_numpy() -> None:
    """As the queries of customers do."""
    group = GroupLedgerQuery(identifier_value=np.int64(381335652), scope=OrgScope.other(np.int64(50405)))  # type: ignore[arg-type]  # as from a data frame

    assert group.identifier_value == "381335652"
    assert group.scope is not None
    assert group.scope.org_ids == (50405,)
