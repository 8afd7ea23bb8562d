"""Importing the package loads only what is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import capledger


def loaded_after(code: str) -> set[str]:
    """Return the modules that a new process has loaded after running the code."""
    printed = subprocess.run(  # noqa: S603 - our own code, in our own interpreter
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(printed.stdout.split())


def test_importing_the_package_loads_nothing_else() -> None:
    """``import capledger`` loads no dependency; what a name needs is loaded with the name."""
    loaded = loaded_after("import capledger")

    assert not loaded & {"aiohttp", "attrs", "cattrs", "msgspec", "yarl", "capledger.session"}


def test_extras_are_loaded_when_they_are_used() -> None:
    """Importing all public names loads no package of an extra, and not the sandbox."""
    loaded = loaded_after("from capledger import *")

    assert "capledger.session" in loaded
    assert not loaded & {"typer", "rich", "pyarrow", "duckdb", "capledger.cli", "capledger.sandbox"}


def test_the_http_client_is_loaded_with_the_first_session() -> None:
    """All names load neither aiohttp nor cattrs; a session needs the former, an unusual response the latter."""
    names = loaded_after("from capledger import *")
    session = loaded_after(
        "from capledger import *; LedgerSession('https://eu.api.capillarytech.com', BasicAuth('u', 'p'))"
    )

    assert not names & {"aiohttp", "cattrs", "email.utils", "zoneinfo"}
    assert "aiohttp" in session
    assert "cattrs" not in session


@pytest.mark.parametrize("name", capledger.__all__)
def test_each_name_is_imported_from_its_module(name: str) -> None:
    """A name can be imported whatever was imported before, and stays in the package from then on."""
    vars(capledger).pop(name, None)

    assert getattr(capledger, name) is vars(capledger)[name]


def test_an_unknown_name_is_an_error_that_names_it() -> None:
    """A misspelt name is an AttributeError that names it, and ``dir`` lists the public names."""
    with pytest.raises(AttributeError, match="'capledger' has no attribute 'LedgerSesion'"):
        capledger.LedgerSesion  # type: ignore[attr-defined]  # noqa: B018 - the access is what is tested

    assert dir(capledger) == capledger.__all__
