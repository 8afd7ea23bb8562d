"""Faults that are events in time: a change of a ledger, other rules for one request, or several faults at once."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from aiohttp import web
from attrs import evolve

from capledger.sandbox.faults.context import Fault, FaultContext

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from capledger.sandbox.rows import LedgerRow
    from capledger.sandbox.server import Sandbox

    _Changes = Mapping[str, Any]


def other_rules(**changes: Any) -> Fault:  # noqa: ANN401 - the fields of Rules
    """Respond to the request by other rules: ``other_rules(total="page")`` changes these fields of ``Rules``."""

    async def respond(context: FaultContext) -> web.Response:
        return await context.regular_response(changes)

    return Fault(f"other_rules {', '.join(changes)}", respond)


def write(change: Callable[[Sandbox], object], *, after: bool = False) -> Fault:
    """
    Change the sandbox when the request arrives, or ``after`` its response was made, and respond regularly.

    ``change`` is called with the sandbox, and may be a coroutine function.
    """

    async def respond(context: FaultContext) -> web.Response:
        response = await context.regular_response() if after else None
        changed = change(context.sandbox)
        if isawaitable(changed):
            await changed
        return response or await context.regular_response()

    return Fault("write", respond)


def append_row(identifier_value: str, row: LedgerRow, *, after: bool = False) -> Fault:
    """Add an entry to a ledger when the request arrives, or ``after`` its response was made."""
    fault = write(lambda sandbox: sandbox.append(identifier_value, row), after=after)
    return evolve(fault, name="append_row")


def remove_rows(identifier_value: str, event_log_id: int, *, after: bool = False) -> Fault:
    """Remove the entries of an event when the request arrives, or ``after`` its response was made."""
    fault = write(lambda sandbox: sandbox.remove(identifier_value, event_log_id), after=after)
    return evolve(fault, name="remove_rows")


def chain(*faults: Fault) -> Fault:
    """Apply several faults to one request: each one changes the response of the one before it."""

    async def respond(context: FaultContext) -> web.StreamResponse:
        *inner, outer = faults
        for fault in inner:
            context = evolve(context, respond=_respond_with(fault, context))
        return await outer.respond(context)

    return Fault(", ".join(fault.name for fault in faults), respond)


def _respond_with(fault: Fault, context: FaultContext) -> Callable[[_Changes, _Changes], Awaitable[web.Response]]:
    """Return a function that responds with a fault, for the next fault of a chain."""

    async def respond(parameters: _Changes, rules: _Changes) -> web.Response:
        async def inner(own_parameters: _Changes, own_rules: _Changes) -> web.Response:
            return await context.respond({**parameters, **own_parameters}, {**rules, **own_rules})

        response = await fault.respond(evolve(context, respond=inner))
        if not isinstance(response, web.Response):
            raise TypeError(f"only the last fault of a chain can stream its response, not {fault.name!r}")
        return response

    return respond
