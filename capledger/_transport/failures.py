"""Errors of aiohttp and of the system as errors of ours, with reasons that people understand.

Only classes, numbers and host names are read: messages of aiohttp's errors can hold the URL, with its query.
"""

from __future__ import annotations

import errno
import os
import ssl
from typing import Final

import aiohttp

from capledger.errors import CapledgerError, ConfigurationError, ConnectionFailedError, RequestTimeoutError

#: Errors of a connection that was established and was lost before any byte of a response.
LOST: Final = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError, aiohttp.ClientConnectionResetError)


def is_reset(error: aiohttp.ClientError) -> bool:
    """Return whether one of the errors in :data:`LOST` is that of a connection which had been established."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return False
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # else it is what had arrived of the response
    return True


def mapped_error(error: Exception) -> CapledgerError:
    """Return the error of ours for one of an exchange."""
    kind = type(error).__name__
    if isinstance(error, TimeoutError):
        return RequestTimeoutError(f"no connection in time ({kind})")
    if isinstance(error, aiohttp.InvalidURL) or not isinstance(error, aiohttp.ClientError | OSError):
        return ConfigurationError(f"the HTTP session cannot send this request ({kind})")
    return ConnectionFailedError(_message_of(error))


def _message_of(error: aiohttp.ClientError | OSError) -> str:
    if isinstance(error, aiohttp.ClientPayloadError):
        return f"the response was cut off or corrupted ({type(error).__name__})"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"the host name {error.host} cannot be resolved: check its spelling, and this machine's network"
    if isinstance(error, aiohttp.ClientSSLError):
        return _message_of_tls(error)
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"the connection to the proxy failed{_reason_of(error)}"
    return f"the connection to the service failed{_reason_of(error)}"


def _message_of_tls(error: aiohttp.ClientSSLError) -> str:
    """Return why there is no secure connection, as OpenSSL words it."""
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error.os_error
    if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLCertVerificationError) and cause.reason:
        return f"no secure connection to the service: it does not speak TLS as expected ({cause.reason})"
    reason = getattr(cause, "verify_message", "").rstrip(".") or type(error).__name__
    return f"no secure connection to the service: its certificate is not accepted ({reason})"


def _reason_of(error: aiohttp.ClientError | OSError) -> str:
    """Return why a connection was refused or lost, in the system's words and with its name for the error."""
    number = error.errno if isinstance(error, OSError) else None
    if number is not None and number in errno.errorcode:
        return f": {os.strerror(number).lower()} ({errno.errorcode[number]})"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return ": it was closed before a response"
    if isinstance(error, aiohttp.ClientConnectorError):
        return ": none of its addresses can be reached"
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return f" (the proxy answered HTTP {error.status})"
    if isinstance(error, aiohttp.ClientResponseError):
        return ": the response is not HTTP"
    return f" ({type(error).__name__})"
