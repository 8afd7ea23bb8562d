"""Proxy and certificates of a session's own client, from its arguments or the environment, as httpx reads it.

``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` (in upper or lower case) choose the proxy;
``SSL_CERT_FILE``, ``SSL_CERT_DIR`` and ``REQUESTS_CA_BUNDLE`` the certificates. ``.netrc`` is never read.
"""

from __future__ import annotations

import os
import ssl
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from urllib.request import getproxies, proxy_bypass

from attrs import field, frozen
from yarl import URL

from capledger._transport.arguments import is_host
from capledger.errors import ConfigurationError

_CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


@frozen
class Proxy:
    """An HTTP proxy, its credentials apart from its URL."""

    url: URL
    headers: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, value: str | URL, source: str) -> Proxy:
        """Return the proxy at a URL, which may have credentials and lack ``http://``.

        Args:
            value: the URL.
            source: name of the argument or variable that it comes from, for the message.

        Raises:
            ConfigurationError: the value is not the URL of an HTTP proxy.
        """
        try:
            url = URL(value if isinstance(value, URL) or "://" in value else f"http://{value}")
        except (TypeError, ValueError):
            url = URL()
        if url.scheme not in {"http", "https"} or not is_host(url.host):
            raise ConfigurationError(f"{source} must be the URL of an HTTP proxy, like http://proxy.example:3128")
        return cls(url.with_user(None).origin(), _proxy_headers(url))


def _proxy_headers(url: URL) -> dict[str, str]:
    if url.user is None:
        return {}
    credentials = b64encode(f"{url.user}:{url.password or ''}".encode()).decode("ascii")
    return {"Proxy-Authorization": f"Basic {credentials}"}


def find_proxy(base_url: URL, proxy: str | URL | None) -> Proxy | None:
    """Return the proxy for requests to a URL: the argument, else that of the environment, else None."""
    if proxy is not None:
        return Proxy.parse(proxy, "proxy")
    proxies = getproxies()
    name = base_url.scheme if base_url.scheme in proxies else "all"
    if name not in proxies or proxy_bypass(f"{base_url.host}:{base_url.port}"):
        return None
    return Proxy.parse(proxies[name], f"{name.upper()}_PROXY")


def check_context(context: object) -> None:
    """Refuse anything but a TLS context and None, whether or not the service's URL needs one.

    Raises:
        ConfigurationError: the argument is of another type.
    """
    if context is not None and not isinstance(context, ssl.SSLContext):
        raise ConfigurationError("ssl must be an ssl.SSLContext, such as ssl.create_default_context(cafile=...)")


def find_certificates(context: ssl.SSLContext | None) -> ssl.SSLContext | None:
    """Return the TLS context: the argument, else one with the environment's certificates, else None for the default.

    Raises:
        ConfigurationError: the certificates cannot be read.
    """
    if context is not None:
        return context
    for name in _CERTIFICATE_VARIABLES:
        if path := os.environ.get(name):
            return _context_of(Path(path), name)
    return None


def _context_of(path: Path, name: str) -> ssl.SSLContext:
    try:
        return _load_context(path, path.stat().st_mtime_ns)
    except (OSError, ssl.SSLError):
        raise ConfigurationError(f"the certificates that {name} names cannot be read") from None


@lru_cache(maxsize=8)
def _load_context(path: Path, modified: int) -> ssl.SSLContext:  # noqa: ARG001 - certificates that were replaced are loaded anew
    """Return a context with the certificates of a file or directory; loading the usual bundle takes 20 ms."""
    is_directory = path.is_dir()
    made = ssl.create_default_context(
        cafile=None if is_directory else str(path), capath=str(path) if is_directory else None
    )
    made.set_alpn_protocols(["http/1.1"])
    return made
