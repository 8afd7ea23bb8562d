from __future__ import annotations

import asyncio
import copy
import json
import pickle
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.clock import LoopClock, virtual_time

from capledger import (
    AuthenticationError,
    CapledgerError,
    ConfigurationError,
    DecodeError,
    RateLimitedError,
    ServerError,
)
from capledger._sansio.requests import Request
from capledger._sansio.response import Response
from capledger._transport.authentication import Refused
from capledger.auth import TOKEN_HEADER, BasicAuth, OAuthClientCredentials, Token, decode_token

TOKEN_REQUEST = Request(method="POST", path="/token", response_type=Token, endpoint="token")


class TokenEndpoint:
    """Stands in for the transport: hands out numbered tokens, or raises what it is reported to."""

    def __init__(self, *, lifetime: float = 300.0, latency: float = 1.0) -> None:
        self.lifetime = lifetime
        self.latency = latency
        self.requests: list[Request[Token]] = []
        self.error: CapledgerError | None = None

    async def __call__(self, request: Request[Token], decode: Any) -> Any:
        self.requests.append(request)
        number, sent = len(self.requests), asyncio.get_running_loop().time()
        await asyncio.sleep(self.latency)
        if self.error is not None:
            raise self.error
        return Token(f"token-{number}", self.lifetime), sent


def new_authenticator() -> Any:
    return OAuthClientCredentials("key", "secret").authenticator(LoopClock())


def response(body: object, status: int = 200) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {"X-Cap-Requestid": "r-1"}, content)


@pytest.mark.parametrize(
    "auth",
    [
        BasicAuth("store.server", "server123"),
        BasicAuth("store.server", "8a16a6b70505eb1f1ff7cdc0cd5559a7", hashed=True),
        BasicAuth("store.server", "8A16A6B70505EB1F1FF7CDC0CD5559A7", hashed=True),
    ],
)
@virtual_time
async def test_basic_auth_sends_the_documented_header(auth: BasicAuth) -> None:
    """The header is that of the test vector in the documents, from a plain and from a hashed password."""
    headers = auth.authenticator(LoopClock()).headers()

    assert headers == {
        "Authorization": "Basic c3RvcmUuc2VydmVyOjhhMTZhNmI3MDUwNWViMWYxZmY3Y2RjMGNkNTU1OWE3",
    }


@virtual_time
async def test_a_refused_password_is_not_retried() -> None:
    """There is nothing to renew about a password."""
    authenticator = BasicAuth("store.server", "server123").authenticator(LoopClock())

    assert authenticator.invalidate(authenticator.headers() or {}) is Refused.FINAL


@pytest.mark.parametrize(
    ("username", "password", "hashed"),
    [
        ("", "server123", False),
        ("store.server", "", False),
        ("store:server", "server123", False),
        ("store.server", "server123", True),
        (None, "server123", False),
    ],
)
def test_basic_auth_refuses_invalid_values(username: str, password: str, *, hashed: bool) -> None:
    """Empty parts, a colon in the name and a "hash" that is none are reported when they are written."""
    with pytest.raises(ConfigurationError) as caught:
        BasicAuth(username, password, hashed=hashed)

    assert "server123" not in str(caught.value)


@pytest.mark.parametrize(("key", "secret"), [("", "secret"), ("key", ""), ("key", None)])
def test_client_credentials_must_be_filled(key: str, secret: str) -> None:
    """Empty parts are reported when they are written."""
    with pytest.raises(ConfigurationError):
        OAuthClientCredentials(key, secret)


@pytest.mark.parametrize("auth", [BasicAuth("till.one", "pa55word"), OAuthClientCredentials("k3y", "s3cret")])
@virtual_time
async def test_secrets_are_in_no_repr(auth: BasicAuth | OAuthClientCredentials) -> None:
    """Neither the credentials nor what signs with them shows a secret."""
    shown = repr(auth) + str(auth) + repr(auth.authenticator(LoopClock())) + repr(Token("s3cret", 300))

    assert not [secret for secret in ("till.one", "pa55word", "k3y", "s3cret") if secret in shown]


@pytest.mark.parametrize("auth", [BasicAuth("till.one", "pa55word"), OAuthClientCredentials("k3y", "s3cret")])
@pytest.mark.parametrize("take_out", [pickle.dumps, copy.copy, copy.deepcopy])
def test_secrets_are_not_pickled(auth: object, take_out: Any) -> None:
    """A secret leaves the process only for the service."""
    with pytest.raises(TypeError, match="cannot be pickled"):
        take_out(auth)


@virtual_time
async def test_the_token_is_requested_as_documented() -> None:
    """Key and secret go as JSON to the token endpoint, and the token comes back in its header."""
    authenticator, endpoint = new_authenticator(), TokenEndpoint()
    assert authenticator.headers() is None

    await authenticator.renew(endpoint, authenticator.renewals)

    request = endpoint.requests[0]
    assert (request.method, request.path) == ("POST", "/v3/oauth/token/generate")
    assert json.loads(request.body or b"") == {"key": "key", "secret": "secret"}
    assert authenticator.headers() == {TOKEN_HEADER: "token-1"}


@virtual_time
async def test_one_renewal_serves_all_who_wait() -> None:
    """However many wait for a token, it is asked for once."""
    authenticator, endpoint = new_authenticator(), TokenEndpoint()

    await asyncio.gather(*(authenticator.renew(endpoint, authenticator.renewals) for _ in range(100)))

    assert len(endpoint.requests) == 1


@virtual_time
async def test_a_failed_renewal_fails_for_all_who_waited() -> None:
    """Those who waited share the failure, each with an error of its own; who comes later asks again."""
    authenticator, endpoint = new_authenticator(), TokenEndpoint()
    endpoint.error = AuthenticationError("refused", 200, 320001)

    outcomes = await asyncio.gather(
        *(authenticator.renew(endpoint, authenticator.renewals) for _ in range(10)), return_exceptions=True
    )
    endpoint.error = None
    await authenticator.renew(endpoint, authenticator.renewals)

    assert [getattr(error, "code", None) for error in outcomes] == [320001] * 10
    assert len({id(error) for error in outcomes}) == 10
    assert len(endpoint.requests) == 2
    assert authenticator.headers() == {TOKEN_HEADER: "token-2"}


@virtual_time
async def test_a_cancelled_renewal_passes_to_the_next() -> None:
    """When the one who asks is cancelled, the next one asks."""
    authenticator, endpoint = new_authenticator(), TokenEndpoint()
    first, second = (asyncio.create_task(authenticator.renew(endpoint, authenticator.renewals)) for _ in range(2))
    await asyncio.sleep(0.5)

    first.cancel()
    await second

    assert first.cancelled()
    assert authenticator.headers() == {TOKEN_HEADER: "token-2"}


@pytest.mark.parametrize(
    ("lifetime", "due", "last_use"), [(300, 270, 294), (3600, 3570, 3594), (10, 9, 9.8), (3, 2.7, 2.94)]
)
@virtual_time
async def test_a_token_is_renewed_before_it_expires(lifetime: float, due: float, last_use: float) -> None:
    """Renewal is due thirty seconds before, or a tenth of a short life; the old token is used nearly to its end."""
    authenticator, endpoint = new_authenticator(), TokenEndpoint(lifetime=lifetime, latency=0)
    await authenticator.renew(endpoint, authenticator.renewals)

    await asyncio.sleep(due - 0.01)
    early = authenticator.renewal_is_due
    await asyncio.sleep(0.02)
    late = authenticator.renewal_is_due
    await asyncio.sleep(last_use - due - 0.02)
    before = authenticator.headers()
    await asyncio.sleep(0.03)

    assert (early, late) == (False, True)
    assert before == {TOKEN_HEADER: "token-1"}
    assert authenticator.headers() is None


@virtual_time
async def test_one_request_renews_ahead_of_time() -> None:
    """While it does, the others use the old token; where it fails, the next try is not at the next request."""
    authenticator, endpoint = new_authenticator(), TokenEndpoint(lifetime=300)
    await authenticator.renew(endpoint, authenticator.renewals)
    await asyncio.sleep(280)
    endpoint.error = ServerError("down", 503)

    renewing = asyncio.create_task(authenticator.renew(endpoint, authenticator.renewals))
    await asyncio.sleep(0.5)
    during = authenticator.renewal_is_due, authenticator.headers()
    await asyncio.wait([renewing])

    assert during == (False, {TOKEN_HEADER: "token-1"})
    assert isinstance(renewing.exception(), ServerError)
    assert not authenticator.renewal_is_due
    assert authenticator.headers() == {TOKEN_HEADER: "token-1"}


@virtual_time
async def test_a_token_that_expired_on_the_way_says_nothing_about_the_credentials() -> None:
    """A token refused after its end is no failure of the request; one refused before it may be, once."""
    authenticator, endpoint = new_authenticator(), TokenEndpoint(lifetime=10, latency=0)
    await authenticator.renew(endpoint, authenticator.renewals)
    headers = authenticator.headers()

    assert authenticator.invalidate(headers) is Refused.RENEWABLE
    await authenticator.renew(endpoint, authenticator.renewals)
    await asyncio.sleep(11)
    assert authenticator.invalidate({TOKEN_HEADER: "token-2"}) is Refused.EXPIRED
    assert authenticator.invalidate({TOKEN_HEADER: "token-2"}) is Refused.EXPIRED


@virtual_time
async def test_only_the_token_that_failed_is_forgotten() -> None:
    """A late refusal of an old token does not take the new one away, and asking again helps all the same."""
    authenticator, endpoint = new_authenticator(), TokenEndpoint()
    await authenticator.renew(endpoint, authenticator.renewals)
    old = authenticator.headers()
    assert authenticator.invalidate(old)
    await authenticator.renew(endpoint, authenticator.renewals)

    assert authenticator.invalidate(old)

    assert authenticator.headers() == {TOKEN_HEADER: "token-2"}


@pytest.mark.parametrize(
    ("lifetime", "expected"),
    [
        (300, 300.0),
        (3600.5, 3600.5),
        ("300", 300.0),
        (None, 300.0),
        (0, 300.0),
        (-1, 300.0),
        ("soon", 300.0),
        (True, 300.0),
    ],
)
def test_the_life_of_a_token_is_read_tolerantly(lifetime: object, expected: float) -> None:
    """A life that is missing or makes no sense counts as the shortest documented one."""
    token = decode_token(
        TOKEN_REQUEST, response({"data": {"accessToken": "a.b-c", "ttlSeconds": lifetime}, "errors": None})
    )

    assert token == Token("a.b-c", expected)


INVALID = {"data": None, "errors": [{"code": 320001, "message": "Invalid client key and secret"}]}


@pytest.mark.parametrize(
    ("body", "status", "error_class", "code"),
    [
        (INVALID, 200, AuthenticationError, 320001),
        (INVALID, 400, AuthenticationError, 320001),
        (INVALID, 401, AuthenticationError, 320001),
        ({"data": None, "errors": ["no"]}, 200, AuthenticationError, None),
        ({"data": None, "errors": {"code": 1}}, 200, AuthenticationError, 1),
        (b"<html>", 403, AuthenticationError, None),
        ({}, 404, ServerError, None),
        (b"slow down", 429, RateLimitedError, None),
        (b"<html>", 503, ServerError, None),
        (INVALID, 500, ServerError, 320001),
        ({"response": {"status": {"success": "true", "code": "503"}}}, 200, ServerError, 503),
        ({"response": {"status": {"success": "true", "code": "401"}}}, 200, AuthenticationError, 401),
        ({"response": {"status": {"success": "true", "code": "429"}}}, 200, RateLimitedError, None),
        (b"<html>", 200, ServerError, None),
        (b"[" * 100_000, 200, ServerError, None),
        (b"[]", 200, ServerError, None),
        ({"data": None, "errors": None}, 200, DecodeError, None),
        ({"data": {}}, 200, DecodeError, None),
        ({"data": {"accessToken": ""}}, 200, DecodeError, None),
        ({"data": {"accessToken": 5}}, 200, DecodeError, None),
        ({"data": {"accessToken": "a\r\nX-Other: b"}}, 200, DecodeError, None),
    ],
)
def test_responses_without_a_token_become_the_right_error(
    body: object, status: int, error_class: type[CapledgerError], code: int | None
) -> None:
    """Refused credentials are reported as such whatever the HTTP status, and nothing else is taken for them."""
    with pytest.raises(CapledgerError) as caught:
        decode_token(TOKEN_REQUEST, response(body, status))

    assert type(caught.value) is error_class
    assert getattr(caught.value, "code", None) == code
    assert getattr(caught.value, "request_id", "r-1") == "r-1"


@given(st.binary(), st.sampled_from([200, 201, 302, 400, 401, 429, 500, 503]))
def test_no_response_of_the_token_endpoint_escapes_the_error_tree(body: bytes, status: int) -> None:
    """Whatever comes is a token or an error of ours."""
    with suppress(CapledgerError):
        assert decode_token(TOKEN_REQUEST, response(body, status)).value
