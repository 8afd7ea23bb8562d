"""A plain HTTP client for the sandbox's own tests."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from attrs import frozen

from capledger.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LEDGER = "pointsLedger/getCustomerLedgerInfo"
EVENTS = "pointsLedger/getLedgerExplodeInfo"
ABOUT = {"identifierName": "mobile", "identifierValue": "1", "source": "INSTORE"}

Query = Mapping[str, str | int]


def basic(user: str = "store.server", password: str = "server123") -> dict[str, str]:  # noqa: S107 - invented
    digest = hashlib.md5(password.encode(), usedforsecurity=False).hexdigest()
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{digest}".encode()).decode()}


@frozen
class ServerResponse:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def ids(self) -> list[int]:
        return [entry["eventLogId"] for entry in self.body["ledgerEntries"]]

    @property
    def code(self) -> int:
        """The code of the only item of ``errors``."""
        (error,) = self.body["errors"]
        assert error["status"] is False
        return int(error["code"])

    @property
    def warning_codes(self) -> list[int]:
        return [item["code"] for item in self.body["warnings"]]


@frozen
class Client:
    box: Sandbox
    http: aiohttp.ClientSession

    async def get(self, path: str, query: Query, headers: Mapping[str, str] | None = None) -> ServerResponse:
        async with self.http.get(f"{self.box.url}/{path}", params=query, headers=headers) as response:
            return ServerResponse(response.status, response.headers, json.loads(await response.read()))

    async def ledger(self, query: Query | None = None, *, version: str = "v2", **more: str | int) -> ServerResponse:
        return await self.get(f"{version}/{LEDGER}", {**ABOUT, **(query or {}), **more}, basic())

    async def scoped(self, headers: Mapping[str, str] | None = None, **query: str | int) -> ServerResponse:
        return await self.get(f"v2.1/{LEDGER}", {**ABOUT, **query}, basic() | dict(headers or {}))

    async def group(self, value: str, name: str = "groupId", **query: str | int) -> ServerResponse:
        about = {"type": "USERGROUP2", "identifierName": name, "identifierValue": value}
        return await self.ledger({**about, **query})

    async def events(self, query: Query | None = None, *, version: str = "v2", **more: str | int) -> ServerResponse:
        return await self.get(f"{version}/{EVENTS}", {**ABOUT, **(query or {}), **more}, basic())

    async def token(self, key: str = "sandbox-key", secret: str = "sandbox-secret") -> ServerResponse:  # noqa: S107 - invented
        url = f"{self.box.url}/v3/oauth/token/generate"
        async with self.http.post(url, json={"key": key, "secret": secret}) as response:
            return ServerResponse(response.status, response.headers, await response.json())


@asynccontextmanager
async def opened(*customers: Any, **options: Any) -> AsyncIterator[Client]:  # those of Sandbox
    async with Sandbox(customers, **options) as box, aiohttp.ClientSession() as http:
        yield Client(box, http)
