from __future__ import annotations

import subprocess
import sys

import pytest

import capledger


def loaded_after(code: str) -> set[str]:
    """The modules that a new process has loaded once it has run the code."""
    printed = subprocess.run(  # noqa: S603  # our own code, in our own interpreter
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(printed.stdout.split())


def test_importing_the_package_loads_nothing_else() -> None:
    """``import capledger`` waits for no dependency; what a name needs is loaded with the name."""
    loaded = loaded_after("import capledger")

    assert not loaded & {"aiohttp", "attrs", "cattrs", "msgspec", "yarl", "capledger.session"}


def test_extras_are_loaded_when_they_are_used() -> None:
    """All public names can be imported without a package of any extra, and without the sandbox."""
    loaded = loaded_after("from capledger import *")

    assert "capledger.session" in loaded
    assert not loaded & {"typer", "rich", "pyarrow", "duckdb", "capledger.cli", "capledger.sandbox"}


@pytest.mark.parametrize("name", capledger.__all__)
def test_each_name_comes_from_the_module_that_is_said_to_have_it(name: str) -> None:
    """A name is found by itself, whatever was imported before, and stays in the package from then on."""
    vars(capledger).pop(name, None)

    assert getattr(capledger, name) is vars(capledger)[name]


def test_what_is_not_there_says_so() -> None:
    """A misspelt name is an AttributeError that names it, and the names there are can be listed."""
    with pytest.raises(AttributeError, match="'capledger' has no attribute 'LedgerSesion'"):
        capledger.LedgerSesion  # type: ignore[attr-defined]  # noqa: B018  # that is the point

    assert dir(capledger) == capledger.__all__
