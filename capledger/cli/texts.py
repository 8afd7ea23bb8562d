"""Values as people read them: amounts with their sign, dates in the server's time, no control characters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal


def plain(text: object) -> str:
    """A value as text on one line; characters that would steer a terminal are replaced."""
    return "" if text is None else "".join(sign if sign.isprintable() else "\ufffd" for sign in str(text))


def moment(value: datetime | None) -> str:
    """``2026-06-30 23:59:59``, with milliseconds where there is a fraction."""
    if value is None:
        return ""
    return value.replace(tzinfo=None).isoformat(" ", "milliseconds" if value.microsecond else "seconds")


def amount(value: Decimal | None) -> Text:
    """``+1,459.460``: every digit that came, credits green and debits red."""
    if value is None:
        return Text()
    if not value:
        return Text(f"{value:f}", style="dim")
    return Text(f"{value:+,f}", style="green" if value > 0 else "red")


def money(value: Decimal | None) -> str:
    """``1,250.50``: every digit that came, in the organisation's currency."""
    return "" if value is None else f"{value:,f}"


def amounts(values: Mapping[str, Decimal]) -> Text:
    """One currency a line."""
    lines = [Text.assemble(plain(name), " ", amount(value)) for name, value in values.items()]
    return Text("\n").join(lines)
