"""What typer reads from the command line beyond numbers and texts."""

from __future__ import annotations

from datetime import datetime

import typer

from capledger.queries import OrgScope


def read_moment(text: str) -> datetime:
    """A day or a moment in ISO 8601; without an offset it is in the server's time."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("not a date: such as 2026-01-31, 2026-01-31T18:00:00 or ...T18:00:00+05:30") from None


def read_scope(text: str) -> OrgScope:
    """``own``, ``all``, or one or two organisations by their ids."""
    match text:
        case "own":
            return OrgScope.own()
        case "all":
            return OrgScope.all()
    try:
        return OrgScope.other(*(int(number) for number in text.split(",")))
    except ValueError:
        raise typer.BadParameter("not a scope: own, all, or one or two ids such as 50405,50406") from None
