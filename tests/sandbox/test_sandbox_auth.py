"""Authentication: the hashed password, tokens and their expiry, and denied users."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from support.sandbox_client import ABOUT, LEDGER, Client, ServerResponse, basic, opened

from capledger.sandbox import Rules, SandboxCustomer, make_row

if TYPE_CHECKING:
    from collections.abc import Mapping

CUSTOMER = SandboxCustomer("1", [make_row(1, datetime(2024, 1, 1))])


async def request(client: Client, headers: Mapping[str, str]) -> ServerResponse:
    return await client.get(f"v2/{LEDGER}", ABOUT, headers)


async def with_token(client: Client) -> dict[str, str]:
    return {"X-CAP-API-OAUTH-TOKEN": (await client.token()).body["data"]["accessToken"]}


def gateway_code(reply: ServerResponse) -> str:
    return str(reply.body["response"]["status"]["code"])


async def test_the_password_is_sent_as_its_md5() -> None:
    """The example of the vendor's page on Basic authentication is accepted."""
    vector = "Basic c3RvcmUuc2VydmVyOjhhMTZhNmI3MDUwNWViMWYxZmY3Y2RjMGNkNTU1OWE3"
    async with opened(CUSTOMER) as client:
        assert (await request(client, {"Authorization": vector})).status == 200


@pytest.mark.parametrize(
    "headers",
    [{}, basic(password="other"), {"Authorization": "Basic c3RvcmUuc2VydmVyOnNlcnZlcjEyMw=="}, {"Authorization": "x"}],
)
async def test_bad_credentials_are_401_in_the_old_envelope(headers: dict[str, str]) -> None:
    """No header, another password, a plain password, and no credentials at all."""
    async with opened(CUSTOMER) as client:
        reply = await request(client, headers)

    assert (reply.status, gateway_code(reply)) == (401, "401")
    assert reply.body["response"]["status"]["success"] == "true"


async def test_a_token_is_valid_for_its_time_and_then_498() -> None:
    """Every request returns a new token; each expires by the sandbox's clock."""
    now = [1000.0]
    async with opened(CUSTOMER, rules=Rules(token_ttl=30), clock=lambda: now[0]) as client:
        token, other = await with_token(client), await with_token(client)
        now[0] += 29.9
        valid = await request(client, token)
        now[0] += 0.1
        expired = await request(client, token)

    assert token != other
    assert valid.status == 200
    assert (expired.status, gateway_code(expired)) == (498, "498")


async def test_the_token_response_has_its_documented_shape() -> None:
    """The token, its seconds of validity, and null errors."""
    async with opened(CUSTOMER) as client:
        reply = await client.token()

    assert reply.status == 200
    assert reply.body == {
        "data": {"accessToken": reply.body["data"]["accessToken"], "ttlSeconds": 300},
        "errors": None,
    }
    assert client.box.credentials.tokens_issued == 1


@pytest.mark.parametrize("status", [200, 401])
async def test_a_wrong_secret_is_320001(status: int) -> None:
    """Null data and an error without a ``status`` key, with any HTTP status."""
    async with opened(CUSTOMER, rules=Rules(token_error_status=status)) as client:
        replies = [await client.token(secret="wrong"), await client.token(key="nobody")]

    error = {"code": 320001, "message": "Invalid client key and secret"}
    assert [(reply.status, reply.body) for reply in replies] == [(status, {"data": None, "errors": [error]})] * 2


async def test_tokens_can_be_expired_and_revoked() -> None:
    """Expired tokens are 498 and revoked ones 401; the HTTP status can be 200."""
    async with opened(CUSTOMER) as client:
        token = await with_token(client)
        client.box.expire_tokens()
        expired = await request(client, token)
        client.box.revoke_tokens()
        revoked = await request(client, token)
        client.box.rules = Rules(gateway_status=200)
        hidden = await request(client, token)

    assert [(reply.status, gateway_code(reply)) for reply in (expired, revoked, hidden)] == [
        (498, "498"),
        (401, "401"),
        (200, "401"),
    ]


async def test_denied_users_and_clients_get_a_403() -> None:
    """A user in the envelope of v2 with 4000, a client in that of v1.1."""
    async with opened(CUSTOMER, denied=("store.server", "sandbox-key")) as client:
        user = await request(client, basic())
        machine = await request(client, await with_token(client))

    assert (user.status, user.code) == (403, 4000)
    assert (machine.status, gateway_code(machine)) == (403, "403")


async def test_users_and_clients_can_be_replaced() -> None:
    """Users and clients passed to the sandbox replace the default ones."""
    async with opened(CUSTOMER, users={"till": "pass"}, clients={"k": "s"}) as client:
        replies = [await request(client, basic("till", "pass")), await request(client, basic())]
        tokens = [await client.token("k", "s"), await client.token()]

    assert [reply.status for reply in replies] == [200, 401]
    assert [reply.body["errors"] is None for reply in tokens] == [True, False]
