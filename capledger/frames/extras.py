"""Packages that only some formats need."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from capledger.errors import ConfigurationError

if TYPE_CHECKING:
    from types import ModuleType


def import_extra(module: str, extra: str) -> ModuleType:
    """Return a module of an extra.

    Raises:
        ConfigurationError: it is not installed; the message says what to install.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != module:
            raise
        raise ConfigurationError(f"{module} is not installed: pip install 'capledger[{extra}]'") from None
