"""Google Cloud Storage and Azure Blob Storage, as far as obstore uses them: put, create, get, list and delete."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.sax.saxutils import escape

import msgspec
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_ACCOUNT = "/devstoreaccount1"
_HEADERS = {"ETag": '"1"', "Last-Modified": "Fri, 02 Jan 2026 03:04:05 GMT"}


_DELETED = (
    b"--batch\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\n"
    b"HTTP/1.1 202 Accepted\r\nx-ms-request-id: 1\r\n\r\n\r\n--batch--\r\n"
)


class FakeStore:
    """Objects by their paths, container first; both services at one address."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    async def respond(self, request: web.BaseRequest) -> web.Response:
        answers = {"PUT": self._put, "GET": self._get, "DELETE": self._delete, "POST": self._delete_batch}
        return await answers[request.method](request, request.path.removeprefix(_ACCOUNT))

    async def _put(self, request: web.BaseRequest, path: str) -> web.Response:
        conditions = (request.headers.get("If-None-Match"), request.headers.get("x-goog-if-generation-match"))
        if conditions != (None, None) and path in self.objects:
            return web.Response(status=409 if conditions[0] == "*" else 412)
        self.objects[path] = await request.read()
        return web.Response(status=201, headers=_HEADERS)

    async def _get(self, request: web.BaseRequest, path: str) -> web.Response:
        if "prefix" in request.query:
            listing = _azure if "comp" in request.query else _google
            prefix = f"{path}/{request.query['prefix']}"
            names = [name.removeprefix(f"{path}/") for name in self.objects if name.startswith(prefix)]
            return web.Response(text=listing(names), content_type="application/xml")
        if path not in self.objects:
            return web.Response(status=404)
        return web.Response(body=self.objects[path], headers=_HEADERS)

    async def _delete(self, request: web.BaseRequest, path: str) -> web.Response:
        del self.objects[path]
        return web.Response(status=204)

    async def _delete_batch(self, request: web.BaseRequest, path: str) -> web.Response:
        """Respond to a batch of Azure, which is how obstore deletes there."""
        for line in re.findall(r"^DELETE (\S+)", (await request.read()).decode(), re.MULTILINE):
            del self.objects[unquote(line.partition("?")[0]).removeprefix(_ACCOUNT)]
        return web.Response(status=202, body=_DELETED, headers={"Content-Type": "multipart/mixed; boundary=batch"})


def _google(names: list[str]) -> str:
    rest = "<LastModified>2026-01-02T03:04:05Z</LastModified><Size>1</Size><ETag>1</ETag>"
    contents = "".join(f"<Contents><Key>{escape(name)}</Key>{rest}</Contents>" for name in names)
    return f"<ListBucketResult>{contents}</ListBucketResult>"


def _azure(names: list[str]) -> str:
    values = {"Last-Modified": _HEADERS["Last-Modified"], "Content-Length": 1, "Content-Type": "text/plain", "Etag": 1}
    rest = "".join(f"<{name}>{value}</{name}>" for name, value in values.items())
    blobs = "".join(f"<Blob><Name>{escape(name)}</Name><Properties>{rest}</Properties></Blob>" for name in names)
    return f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>"


@asynccontextmanager
async def fake_store(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Serve both; yield the variables of the environment with which they are found."""
    runner = web.ServerRunner(web.Server(FakeStore().respond))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    url = f"http://{host}:{port}"
    account = {"gcs_base_url": url, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    (folder / "account.json").write_bytes(msgspec.json.encode(account))
    try:
        yield {
            "GOOGLE_SERVICE_ACCOUNT": str(folder / "account.json"),
            "GOOGLE_ALLOW_HTTP": "true",
            "AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1",
            "AZURE_STORAGE_USE_EMULATOR": "true",
            "AZURITE_BLOB_STORAGE_URL": url,
        }
    finally:
        await runner.cleanup()
