"""The page on the sandbox: all that it names exists, and all that exists is named."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest

from capledger.sandbox import Fault, Rules, Sandbox, SandboxCustomer, add_twins, faults, make_row

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text()
CALLS = sorted(set(re.findall(r"`((?:Rules|faults\.\w+|make_row|add_twins|box\.\w+)\([^`]+\)|faults\.\w+\(\))`", PAGE)))


@pytest.mark.parametrize("call", CALLS)
def test_each_call_works(call: str) -> None:
    """A call on the page makes what it is said to make."""
    rows = [make_row(number, datetime(2026, 1, 1)) for number in range(3)]
    box = Sandbox([SandboxCustomer("910000000001", rows)])
    names: dict[str, Any] = {"Rules": Rules, "faults": faults, "make_row": make_row, "add_twins": add_twins}
    names |= {"UTC": UTC, "ZoneInfo": ZoneInfo, "datetime": datetime, "rows": rows, "box": box}
    made = eval(call, names)  # noqa: S307 - the calls of the page

    assert isinstance(made, Rules | Fault | dict | list | tuple | int) or made is None or callable(made)


def test_each_field_of_the_rules_is_named() -> None:
    """Every field is in a call on the page."""
    named = {
        name for call in re.findall(r"(?:Rules|other_rules)\(([^`]*)\)", PAGE) for name in re.findall(r"(\w+)=", call)
    }

    assert {field.name for field in attrs.fields(Rules)} - named == set()


def test_each_fault_is_named() -> None:
    """Every fault and every script."""
    named = set(re.findall(r"faults\.(\w+)", PAGE))
    functions = {name for name in faults.__all__ if name[0].islower()}

    assert functions - named == set()
    assert named - functions == set()


def test_the_example_runs() -> None:
    """The Python of the page makes a sandbox."""
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102 - the example of the page

    assert isinstance(names["box"], Sandbox)
