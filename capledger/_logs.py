"""What the transport tells about its work: never an identifier, a query string or a credential.

Records carry their data as attributes (``extra``), so that a formatter of JSON gets them as fields: ``endpoint``,
``customer`` (see :func:`pseudonym`), ``attempt``, ``status``, ``request_id``, ``wait`` in seconds and ``error``, the
name of its class.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger("capledger.transport")

_KEY = secrets.token_bytes(16)
_LONGEST_ID = 80


def pseudonym(identifier: str) -> str:
    """Return eight characters that stand for a customer in this process's logs.

    Keyed with what no other process knows: the same customer can be followed through one log, and nobody can find out
    who it is by hashing all phone numbers.
    """
    return hashlib.blake2s(identifier.encode(errors="surrogatepass"), key=_KEY, digest_size=4).hexdigest()


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the service's name for this exchange (api-facts 1.3), as far as it can stand in a log line."""
    value = headers.get("X-Cap-Requestid") or headers.get("X-Cap-Request-Id")
    if value is None or len(value) > _LONGEST_ID or not value.isascii() or not value.isprintable():
        return None
    return value


def log(level: int, text: str, *values: object, endpoint: str, subject: str, **extra: object) -> None:
    """Write one record about a request, if anybody listens; the text begins with ``%s`` for the endpoint."""
    if logger.isEnabledFor(level):
        customer = pseudonym(subject) if subject else None
        logger.log(level, text, endpoint, *values, extra={"endpoint": endpoint, "customer": customer, **extra})
