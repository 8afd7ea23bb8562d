"""Scripts for ``Sandbox(faults=...)``: which requests get a fault. Each script counts requests, so use it once."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from capledger.sandbox.faults.context import Fault, FaultScript
    from capledger.sandbox.request_log import LoggedRequest


def always(fault: Fault) -> FaultScript:
    """Return a script that plays the fault on every request."""
    return lambda _: fault


def nth(number: int, fault: Fault) -> FaultScript:
    """Return a script that plays the fault on the n-th request, counted from 1."""
    return numbered({number: fault})


def first(number: int, fault: Fault) -> FaultScript:
    """Return a script that plays the fault on the first ``number`` requests."""
    return numbered(dict.fromkeys(range(1, number + 1), fault))


def numbered(faults: Mapping[int, Fault]) -> FaultScript:
    """Return a script that plays faults by the number of the request, counted from 1."""
    numbers = count(1)
    return lambda _: faults.get(next(numbers))


def every(number: int, fault: Fault) -> FaultScript:
    """Return a script for every n-th request: ``every(3, f)`` plays on the third, the sixth and so on."""
    numbers = count(1)
    return lambda _: fault if next(numbers) % number == 0 else None


def when(matches: Callable[[LoggedRequest], bool], script: FaultScript) -> FaultScript:
    """Return a script for the requests that match; only these are counted."""
    return lambda logged: script(logged) if matches(logged) else None


def on_ledgers(script: FaultScript) -> FaultScript:
    """Return a script for requests to the ledger endpoint only."""
    return when(lambda logged: logged.path.endswith("/getCustomerLedgerInfo"), script)


def on_events(script: FaultScript) -> FaultScript:
    """Return a script for requests to the event details endpoint only."""
    return when(lambda logged: logged.path.endswith("/getLedgerExplodeInfo"), script)


def on_balances(script: FaultScript) -> FaultScript:
    """Return a script for requests to the balance endpoint only."""
    return when(lambda logged: logged.path.endswith("/getCustomerLedgerBalance"), script)


def on_tokens(script: FaultScript) -> FaultScript:
    """Return a script for requests for tokens only."""
    return when(lambda logged: logged.path.endswith("/oauth/token/generate"), script)


def on_reused_connections(script: FaultScript) -> FaultScript:
    """Return a script for requests on a connection that had a request before."""
    return when(lambda logged: logged.reused, script)


def either(*scripts: FaultScript) -> FaultScript:
    """Return a script that plays the first fault of several scripts; each of them counts the request."""
    return lambda logged: next((fault for fault in [script(logged) for script in scripts] if fault is not None), None)


def random_faults(seed: int, share: float, choices: Sequence[Fault]) -> FaultScript:
    """Return a script that plays a random one of ``choices`` on a share (0 to 1) of the requests, by seed."""
    random = Random(seed)
    return lambda _: random.choice(choices) if random.random() < share else None
