"""The error envelopes of the service, and messages without identifiers."""

from __future__ import annotations

from typing import Any

import pytest
from support.bodies import LEDGER, SUBJECT, decode, ledger_request

from capledger import (
    ApiError,
    AuthenticationError,
    CapledgerError,
    ConnectedOrgError,
    CustomerNotFoundError,
    InvalidFilterError,
    InvalidSourceError,
    LedgerUnavailableError,
    PendingEventsError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
)
from capledger._sansio.api_errors import Scrubber

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


@pytest.mark.parametrize("status", [404, 405, 415])
def test_a_code_that_repeats_the_status_is_the_web_servers(status: int) -> None:
    """An error with HTTP's own code says that the address is wrong, and nothing about a customer."""
    error = refused(b'{"errors": [{"status": false, "code": %d, "message": "as told"}]}' % status, status)

    assert type(error) is ServerError
    assert "check base_url" in str(error)


@pytest.mark.parametrize("content", [HTML, b"", b'{"message": "no"}', b"[]", b"\xff\xfe"])
@pytest.mark.parametrize(
    ("status", "expected", "text"),
    [
        (401, AuthenticationError, "credentials"),
        (498, AuthenticationError, "credentials"),
        (403, PermissionDeniedError, "may not"),
        (429, RateLimitedError, "rate"),
        (404, ServerError, "check base_url"),
        (405, ServerError, "check base_url"),
        (415, ServerError, "check base_url"),
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
