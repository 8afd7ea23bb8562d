from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.bodies import EVENTS, LEDGER, SUBJECT, body, decode, events_request, ledger_request

from capledger import (
    ApiError,
    AuthenticationError,
    CapledgerError,
    ConfigurationError,
    ConnectedOrgError,
    CustomerNotFoundError,
    DecodeError,
    InvalidFilterError,
    InvalidSourceError,
    LedgerUnavailableError,
    PendingEventsError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
)
from capledger._sansio.api_errors import Scrubber
from capledger._sansio.decoder import Decoder
from capledger._sansio.response import Response
from capledger.models import LedgerPage, Notice

NOW = datetime(2026, 1, 5, 12, 0, 0, tzinfo=UTC)
HTML = b"<html><body>One moment please</body></html>"
JAVA = {"eventLogId": 1, "eventName": "x", "ledgerCreatedDate": "Fri Aug 30 11:17:57 GMT 2024"}
NOTHING_THERE = {"status": False, "code": 11003, "message": "There are no ledger entries present"}


def errors(code: object, message: object = "as told") -> dict[str, Any]:
    return {"errors": [{"status": False, "code": code, "message": message}]}


def gateway(code: object, message: str = "as told") -> dict[str, Any]:
    return {"response": {"status": {"success": "true", "code": code, "message": message}, "customers": None}}


def refused(document: object, status: int = 200, **headers: str) -> CapledgerError:
    with pytest.raises(CapledgerError) as caught:
        decode(ledger_request(), document, status, **headers)
    return caught.value


def test_a_ledger_response_becomes_a_page() -> None:
    """Entries, details, customer and warnings are there, and the body beside them."""
    page = decode(ledger_request(), LEDGER)

    assert [entry.event_log_id for entry in page.entries] == [900000002, 900000001]
    assert page.details is not None
    assert page.details.total_entries == 2
    assert page.customer_details is not None
    assert page.warnings == [Notice(9018, "alternate currency not found, name: Pearl", status=False)]
    assert page.raw == body(LEDGER)


def test_an_events_response_becomes_a_page() -> None:
    """The same for event details."""
    page = decode(events_request(), EVENTS)

    assert [event and event.event_log_id for event in page.events] == [900000002, 900000004]
    assert [notice.code for notice in page.warnings] == [9004]
    assert page.raw == body(EVENTS)


def test_an_uncommon_response_becomes_a_page_too() -> None:
    """A date as Java prints it takes the tolerant decoder to the same kind of page."""
    page = decode(ledger_request(), {"ledgerEntries": [JAVA]})

    assert page.entries[0].ledger_created_date == datetime(2024, 8, 30, 11, 17, 57, tzinfo=UTC)


def test_dates_without_a_zone_need_the_sessions() -> None:
    """The error says what to give; a response whose dates are complete does not need it."""
    decoder = Decoder(None)

    with pytest.raises(ConfigurationError, match=r"LedgerSession\(timezone="):
        decoder.decode(ledger_request(), Response(200, {}, body(LEDGER)))
    assert decoder.decode(ledger_request(), Response(200, {}, body({"ledgerEntries": [JAVA]}))).entries


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        (8015, 400, CustomerNotFoundError),
        (8015, 200, CustomerNotFoundError),
        ("8015", 400, CustomerNotFoundError),
        (8003, 400, InvalidSourceError),
        (11025, 400, InvalidFilterError),
        (11002, 200, PendingEventsError),
        (9003, 500, LedgerUnavailableError),
        (310144, 400, ConnectedOrgError),
        (987654, 200, ApiError),
        (987654, 500, ApiError),
        (None, 400, ApiError),
        (4000, 403, PermissionDeniedError),
        (4000, 200, PermissionDeniedError),
        (8015, 403, PermissionDeniedError),
        (4001, 503, ServerError),
        (500, 200, ServerError),
        (320001, 200, AuthenticationError),
        (8015, 401, AuthenticationError),
        (8015, 498, AuthenticationError),
        (8015, 429, RateLimitedError),
        (429, 200, RateLimitedError),
    ],
)
def test_a_code_raises_its_error(code: object, status: int, expected: type[CapledgerError]) -> None:
    """A code in ``errors`` raises whatever the HTTP status; rate, credentials and rights go by either."""
    error = refused(errors(code), status, X_Cap_Requestid="abc-1")

    assert type(error) is expected
    assert ("as told" in str(error)) is (expected is not AuthenticationError)
    assert getattr(error, "request_id", None) == "abc-1"


def test_the_code_and_status_are_on_the_error() -> None:
    """A caller can act on the number."""
    error = refused(errors(8015, "Customer not found"), 400, X_CAP_REQUEST_ID="abc-2")

    assert repr(error) == repr(CustomerNotFoundError("Customer not found", 8015, 400, "abc-2"))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"errors": ["out of order"]}, "out of order (code 0)"),
        ({"errors": "out of order"}, "out of order (code 0)"),
        ({"errors": {"code": 8003, "message": "Invalid source"}}, "Invalid source (code 8003)"),
        ({"errors": [None]}, "the service returned an error without a message (code 0)"),
        ({"errors": [{"code": True, "message": 5}]}, "the service returned an error without a message (code 0)"),
        ({"errors": [NOTHING_THERE, {"code": 8003, "message": "Invalid source"}]}, "Invalid source (code 8003)"),
        ({"errors": [{"code": 8013, "message": "one"}, {"code": 8003, "message": "two"}]}, "one; two (code 8013)"),
        ({**LEDGER, "errors": [{"code": 8013, "message": "one"}]}, "one (code 8013)"),
    ],
)
def test_errors_of_any_shape_raise(document: object, expected: str) -> None:
    """A non-empty ``errors`` is never overlooked, however it is written and whatever stands beside it."""
    assert str(refused(document)) == expected


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("401", 200, AuthenticationError),
        ("498", 200, AuthenticationError),
        (403, 200, PermissionDeniedError),
        (503, 200, ServerError),
        (429, 200, RateLimitedError),
        ("1234", 400, ApiError),
        ("401", 401, AuthenticationError),
    ],
)
def test_the_gateways_envelope_raises(code: object, status: int, expected: type[CapledgerError]) -> None:
    """In a v1.1 envelope the code tells, since ``success`` can be "true" on failures."""
    error = refused(gateway(code), status)

    assert type(error) is expected
    assert ("as told" in str(error)) is (expected is not AuthenticationError)


@pytest.mark.parametrize("content", [HTML, b"", b'{"message": "no"}', b"[]", b"\xff\xfe"])
@pytest.mark.parametrize(
    ("status", "expected", "text"),
    [
        (401, AuthenticationError, "credentials"),
        (498, AuthenticationError, "credentials"),
        (403, PermissionDeniedError, "may not"),
        (429, RateLimitedError, "rate"),
        (404, ConfigurationError, "check base_url"),
        (405, ConfigurationError, "check base_url"),
        (415, ConfigurationError, "check base_url"),
        (301, ServerError, "redirects"),
        (302, ServerError, "not followed"),
        (304, ServerError, "redirects"),
        (400, ServerError, "without a code"),
        (461, ServerError, "without a code"),
        (500, ServerError, "failed"),
        (503, ServerError, "failed"),
        (521, ServerError, "failed"),
    ],
)
def test_any_other_body_goes_by_its_status(
    content: bytes, status: int, expected: type[CapledgerError], text: str
) -> None:
    """A page of something before the service becomes the error that its status means, without its text."""
    error = refused(content, status)

    assert type(error) is expected
    assert text in str(error)
    assert "moment" not in str(error)


@pytest.mark.parametrize("content", [HTML, b"", b'{"ledgerEntries": [{"eventLo'])
@pytest.mark.parametrize("status", [200, 204])
def test_success_without_json_is_a_failure_of_the_service(content: bytes, status: int) -> None:
    """A gateway's page or a body that was cut off is no response of the API's."""
    error = refused(content, status)

    assert type(error) is ServerError
    assert error.status == status


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry_After": "30"}, 30.0),
        ({"Retry_After": "0"}, 0.0),
        ({"retry_after": "30"}, 30.0),
        ({"Retry_After": "Mon, 05 Jan 2026 12:00:45 GMT"}, 45.0),
        ({"Retry_After": "Mon, 05 Jan 2026 11:00:00 GMT"}, 0.0),
        ({"Retry_After": "Mon, 05 Jan 2026 13:00:45 GMT", "Date": "Mon, 05 Jan 2026 13:00:00 GMT"}, 45.0),
        ({"Retry_After": "-5"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "nan"}, None),
        ({"Retry_After": "Mon, 45 Jan 2026 12:00:45 GMT"}, None),
    ],
)
def test_a_429_states_when_to_retry(headers: dict[str, str], expected: float | None) -> None:
    """``Retry-After`` is seconds or a date, the date by the response's own clock where it shows one."""
    answer = Response(429, {name.replace("_", "-"): value for name, value in headers.items()}, HTML)

    with pytest.raises(RateLimitedError) as caught:
        Decoder(UTC, now=lambda: NOW).decode(ledger_request(), answer)

    assert caught.value.retry_after == expected


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"errors": [NOTHING_THERE]}, 400),
        ({"errors": [NOTHING_THERE], "warnings": []}, 200),
        ({"warnings": [NOTHING_THERE]}, 200),
        ({"ledgerEntries": None, "ledgerDetails": None, "warnings": [NOTHING_THERE]}, 200),
    ],
)
def test_no_entries_is_an_empty_page(document: object, status: int) -> None:
    """11003 is a response, as an error or as a warning, with HTTP 400 or 200."""
    page = decode(ledger_request(), document, status)

    assert page == LedgerPage(
        warnings=[Notice(11003, "There are no ledger entries present", status=False)], raw=body(document)
    )


@pytest.mark.parametrize(
    "document", [{"ledgerEntries": []}, {"ledgerEntries": None, "ledgerDetails": LEDGER["ledgerDetails"]}]
)
def test_an_empty_list_is_a_response(document: dict[str, Any]) -> None:
    """A page past the end may hold no rows; null stands for none where the details say which page it is."""
    page = decode(ledger_request(), document)

    assert page.entries == []
    assert (page.details is None) == ("ledgerDetails" not in document)


def test_pending_events_are_not_swallowed() -> None:
    """11002 as a warning stays on the page: the ledger may be incomplete."""
    page = decode(ledger_request(), LEDGER | {"warnings": [{"code": 11002, "message": "pending"}]})

    assert page.warnings == [Notice(11002, "pending")]


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({}, "$.ledgerEntries: missing"),
        ({"ledgerEntries": None, "ledgerDetails": None}, "$.ledgerEntries: missing"),
        ({"ledgerDetails": {}}, "$.ledgerEntries: missing"),
        ({"warnings": [{"code": 11002, "message": "pending"}]}, "$.ledgerEntries: missing"),
        ({"data": {"accessToken": "x"}, "errors": None}, "$.ledgerEntries: missing"),
        ([], "$: expected an object, got a list"),
        ("ok", "$: expected an object, got a string"),
        (7, "$: expected an object, got an integer"),
        (None, "$: expected an object, got null"),
        ({"ledgerEntries": {}}, "$.ledgerEntries: expected a list, got an object"),
        ({"ledgerEntries": [None]}, "$.ledgerEntries[0]: expected an object, got null"),
        (b'{"ledgerEntries": [{"eventName": "\xff"}]}', "$: not UTF-8"),
        (b'{"ledgerEntries": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "$: nested too deeply"),
        (b'{"x": ' + b"9" * 5000 + b"}", "$: a number with too many digits"),
    ],
)
def test_json_of_another_shape_is_reported_by_path(document: object, path: str) -> None:
    """A response that is not one is never taken for an empty ledger."""
    error = refused(document, X_Cap_Requestid="abc-3")

    assert isinstance(error, DecodeError)
    assert error.paths == (path,)
    assert path in str(error)
    assert error.request_id == "abc-3"


@pytest.mark.parametrize(
    ("document", "events"), [({"events": None}, []), ({"events": []}, []), ({"events": [None]}, [None])]
)
def test_events_may_be_none(document: object, events: list[None]) -> None:
    """A service that knows none of the ids says so with an empty list, null, or nulls."""
    assert decode(events_request(), document).events == events


def test_no_entries_is_no_events() -> None:
    """11003 means the same to a request for event details."""
    page = decode(events_request(), {"errors": [NOTHING_THERE]}, 400)

    assert page.events == []
    assert page.warnings[0].code == 11003


def test_events_have_to_be_there() -> None:
    """A body without ``events`` says nothing about the ids that were asked for."""
    with pytest.raises(DecodeError, match="events: missing"):
        decode(events_request(), {"warnings": []})


def test_only_a_few_problems_are_in_the_message() -> None:
    """All of them are in ``paths``."""
    error = refused({"ledgerEntries": [None] * 9})

    assert isinstance(error, DecodeError)
    assert len(error.paths) == 9
    assert str(error).endswith("and 6 more")


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("917406401004", "Customer 917406401004 not found"),
        ("917406401004", "no entry for mobile:+917406401004"),
        ("+917406401004", "Customer 917406401004 not found"),
        ("12", "Customer 12 not found"),
        (SUBJECT, f"Customer {SUBJECT} not found"),
        (SUBJECT, f"Customer {SUBJECT.upper()} not found"),
        (SUBJECT, "GET /x?identifierValue=ada.quay%2Bsea%40example.com failed"),
        (SUBJECT, "GET /x?identifierValue=ada.quay%2bsea@example.com failed"),
        ("Ada Quay", "GET /x?identifierValue=Ada+Quay or Ada%20Quay failed"),
        ("Zoë", "GET /x?identifierValue=Zo%C3%AB failed"),
    ],
)
def test_identifiers_are_removed_from_messages(subject: str, text: str) -> None:
    """The customer's identifier is in no text of ours, as it is or percent-encoded."""
    scrubbed = Scrubber(subject)(text)

    assert subject.lower() not in scrubbed.lower()
    assert "<identifier>" in scrubbed
    assert "%40" not in scrubbed
    assert "%20" not in scrubbed
    assert "%C3" not in scrubbed


def test_a_short_identifier_does_not_garble_numbers() -> None:
    """Customer 12 is not in code 11012."""
    assert Scrubber("12")("code 11012 for 12") == "code 11012 for <identifier>"


def test_messages_are_one_line_of_bounded_length() -> None:
    """A text of the service cannot forge a log line, nor fill the log."""
    assert Scrubber("")("one\r\ntwo\x1b[31m\ud800 three") == "one two [31m three"
    assert len(Scrubber("")("x" * 5000)) == 303


@pytest.mark.parametrize("document", [errors(8015, f"no {SUBJECT}"), gateway("403", f"no {SUBJECT}")])
def test_errors_are_scrubbed(document: object) -> None:
    """Neither text nor repr nor what stands behind the error shows whom it was about."""
    error = refused(document, 400)

    assert SUBJECT not in str(error) + repr(error)
    assert "<identifier>" in str(error)
    assert error.__context__ is None


def test_notices_are_scrubbed() -> None:
    """Warnings reach reports and logs."""
    warnings = [{"code": 11002, "message": f"pending events of {SUBJECT}"}]

    assert (
        decode(ledger_request(), LEDGER | {"warnings": warnings}).warnings[0].message
        == "pending events of <identifier>"
    )
    assert decode(ledger_request(), {"ledgerEntries": [JAVA], "warnings": warnings}).warnings[0].message.endswith(">")


def test_paths_show_no_values() -> None:
    """A decode failure shows where and what kind, never what; and no error stands behind it that does."""
    error = refused({"ledgerEntries": [JAVA | {"customerId": SUBJECT, "entryDetails": {SUBJECT: SUBJECT}}]})

    assert SUBJECT not in repr(error) + str(error)
    assert error.__context__ is None
    assert error.__cause__ is None


@given(st.binary() | st.text().map(str.encode), st.sampled_from([200, 201, 302, 400, 401, 404, 429, 500]))
def test_any_bytes_give_a_page_or_an_error_of_ours(content: bytes, status: int) -> None:
    """Nothing but a CapledgerError comes out, whatever came in."""
    try:
        page = decode(ledger_request(), content, status)
    except CapledgerError:
        return
    assert isinstance(page, LedgerPage)


KEYS = st.sampled_from(
    [
        "errors",
        "code",
        "message",
        "warnings",
        "response",
        "status",
        "ledgerEntries",
        "ledgerDetails",
        "events",
        "eventLogId",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([11003, 8015, "11003"]),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS | st.text(), inner),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, JSON), st.sampled_from([200, 400, 500]))
def test_any_json_is_a_page_or_a_capledger_error(document: dict[str, Any], status: int) -> None:
    """The same for JSON with the keys that matter in the wrong places."""
    requests: list[Any] = [ledger_request(), events_request()]
    for request in requests:
        try:
            page = decode(request, document, status)
        except CapledgerError:
            continue
        assert isinstance(page, request.response_type)


@given(st.integers(0, 4000), st.binary(max_size=3))
def test_a_damaged_page_is_a_page_or_a_capledger_error(place: int, damage: bytes) -> None:
    """A usual page with some bytes struck out or overwritten."""
    content = body(LEDGER)
    try:
        decode(ledger_request(), content[:place] + damage + content[place + 2 :])
    except CapledgerError as error:
        assert "Quay" not in str(error)  # noqa: PT017 - the page may as well still be one
