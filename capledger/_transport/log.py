"""Log records of the transport: never an identifier, a query string or a credential.

Records carry their data as attributes (``extra``), so that a JSON formatter has them as fields: ``endpoint``,
``customer`` (see :func:`pseudonym`), ``attempt``, ``status``, ``request_id``, ``wait`` in seconds, ``error``, the name
of the error's class, and ``reason``, its message.
"""

from __future__ import annotations

import hashlib
import logging
import os

logger = logging.getLogger("capledger.transport")

_KEY = os.urandom(16)


def pseudonym(identifier: str) -> str:
    """Return eight characters that stand for a customer in the logs of this process.

    Keyed with a secret of this process: one customer can be followed through one log, and nobody can find out who it
    is by hashing all phone numbers.
    """
    return hashlib.blake2s(identifier.encode(errors="surrogatepass"), key=_KEY, digest_size=4).hexdigest()


def log(level: int, message: str, *values: object, endpoint: str, subject: str, **extra: object) -> None:
    """Write a record about a request if the level is enabled; the message begins with ``%s`` for the endpoint."""
    if logger.isEnabledFor(level):
        customer = pseudonym(subject) if subject else None
        logger.log(level, message, endpoint, *values, extra={"endpoint": endpoint, "customer": customer, **extra})
