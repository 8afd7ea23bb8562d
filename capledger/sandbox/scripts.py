"""Which requests go wrong: scripts for ``Sandbox(faults=...)``. Each keeps a count of its own, so use it once."""

from __future__ import annotations

from itertools import count
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from capledger.sandbox.request_log import LoggedRequest
    from capledger.sandbox.turns import Fault, FaultScript


def always(fault: Fault) -> FaultScript:
    """Every request."""
    return lambda _: fault


def nth(number: int, fault: Fault) -> FaultScript:
    """The request of this number, from 1."""
    return numbered({number: fault})


def first(number: int, fault: Fault) -> FaultScript:
    """The first so many requests."""
    return numbered(dict.fromkeys(range(1, number + 1), fault))


def numbered(faults: Mapping[int, Fault]) -> FaultScript:
    """Faults by the number of the request, from 1."""
    numbers = count(1)
    return lambda _: faults.get(next(numbers))


def every(number: int, fault: Fault) -> FaultScript:
    """Every so many requests: ``every(3, f)`` plays on the third, the sixth and so on."""
    numbers = count(1)
    return lambda _: fault if next(numbers) % number == 0 else None


def when(matches: Callable[[LoggedRequest], bool], script: FaultScript) -> FaultScript:
    """A script for the requests that match, counted by themselves."""
    return lambda logged: script(logged) if matches(logged) else None


def on_ledgers(script: FaultScript) -> FaultScript:
    """A script for requests for ledger pages alone."""
    return when(lambda logged: logged.path.endswith("/getCustomerLedgerInfo"), script)


def on_events(script: FaultScript) -> FaultScript:
    """A script for requests for event details alone."""
    return when(lambda logged: logged.path.endswith("/getLedgerExplodeInfo"), script)


def on_tokens(script: FaultScript) -> FaultScript:
    """A script for requests for tokens alone."""
    return when(lambda logged: logged.path.endswith("/oauth/token/generate"), script)


def either(*scripts: FaultScript) -> FaultScript:
    """The first fault that any of the scripts plays; all of them count the request."""
    return lambda logged: next((fault for fault in [script(logged) for script in scripts] if fault is not None), None)


def random_faults(seed: int, share: float, choices: Sequence[Fault]) -> FaultScript:
    """A random one of ``choices`` for this share (0 to 1) of the requests, the same for the same seed."""
    random = Random(seed)
    return lambda _: random.choice(choices) if random.random() < share else None
