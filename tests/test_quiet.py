"""A failing run leaks neither credentials nor personal data: not in logs, errors, reprs or cursors."""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import logging
import pickle
import traceback
import types
import warnings
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from support.clock import LoopClock, run

from capledger import (
    BasicAuth,
    CapledgerError,
    CustomerLedgerQuery,
    EventDetailsQuery,
    LedgerSession,
    OAuthClientCredentials,
    RetryPolicy,
)
from capledger.sandbox import Fault, Sandbox, SandboxCustomer, faults, seed_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

USER, PASSWORD = "till.quorra", "zanzibar-zwieback"
KEY, SECRET = "key-of-xylophones", "secret-of-yttrium"
MOBILE, NAME, SURNAME, EXTERNAL = "917455512377", "Quintessa", "Vanderbloom", "EXT-OKAPI-77"
ROWS = seed_rows(3, 30, datetime(2024, 1, 1), datetime(2024, 3, 1), customer_id=718_281_828)

HASHED = hashlib.md5(PASSWORD.encode(), usedforsecurity=False).hexdigest()
BASIC = base64.b64encode(f"{USER}:{HASHED}".encode()).decode()
SECRETS = [USER, PASSWORD, KEY, SECRET, MOBILE, NAME, SURNAME, EXTERNAL, HASHED, HASHED.upper(), BASIC]

FAULTS: list[Fault] = [
    faults.status(503, f"no ledger of {MOBILE}"),
    faults.status(500, f"<html>{NAME} {SURNAME}</html>"),
    faults.api_error(8015, f"{MOBILE} not found"),
    faults.api_error(9999, f"unexpected: {MOBILE}"),
    faults.gateway_error(401, f"{USER} may not"),
    faults.too_many("1"),
    faults.reset(),
    faults.cut_body(),
    faults.stall(),
    faults.html(),
    faults.nan(),
    faults.null_entry(),
    faults.json_body({"ledgerEntries": [{"eventLogId": f"{MOBILE}x", "eventName": {MOBILE: MOBILE}}]}),
    faults.json_body({MOBILE: 1, "ledgerEntries": {MOBILE: MOBILE}}),
    faults.redirect(f"https://elsewhere.example/?q={MOBILE}"),
    faults.repeat_page(),
    faults.short_page(),
    faults.warning_beside(11002, f"events of {MOBILE} are pending"),
]


def reachable(*roots: Any) -> Iterator[Any]:
    """Yield every object of this library that a debugger could reach from the given ones."""
    seen: set[int] = set()
    waiting = list(roots)
    while waiting:
        found = waiting.pop()
        module = type(found).__module__ or ""
        container = isinstance(found, dict | list | tuple | set | frozenset)
        if (
            id(found) in seen
            or not (container or module.startswith("capledger"))
            or isinstance(found, types.ModuleType)
        ):
            continue
        seen.add(id(found))
        if not container:
            yield found
        waiting += gc.get_referents(found)


def decoded(cursor: str) -> str:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()


def representations(values: Iterable[Any]) -> Iterator[str]:
    """Yield each value as a debugger, a format string or a log shows it."""
    for value in values:
        yield from (repr(value), str(value), f"{value}")


def contents_of(error: BaseException | None) -> Iterator[str]:
    """Yield an error with its fields, its traceback, its causes and its contexts."""
    while error is not None:
        yield from traceback.format_exception(error)
        yield repr(error) + str(error) + repr(error.args) + repr(vars(error))
        cursor = getattr(error, "cursor", None)
        yield decoded(cursor) if cursor else ""
        yield from contents_of(error.__cause__)
        error = error.__context__


async def fail(fault: Fault, auth: Any) -> list[str]:
    """Return all output and all objects, as strings, of a run whose walks fail."""
    customer = SandboxCustomer(MOBILE, ROWS, first_name=NAME, last_name=SURNAME, external_id=EXTERNAL)
    script = faults.when(lambda logged: logged.method == "GET" and len(box.requests) > 2, faults.always(fault))
    box = Sandbox([customer], users={USER: PASSWORD}, clients={KEY: SECRET}, faults=script)
    output: list[str] = []
    async with box:
        retry = RetryPolicy(attempts=2)
        async with LedgerSession(box.url, auth, timezone=UTC, clock=LoopClock(), retry=retry, timeout=5) as session:
            query = CustomerLedgerQuery.mobile(MOBILE, page_size=10)
            walk = session.entries(query)
            details = EventDetailsQuery(identifier_name="mobile", identifier_value=MOBILE, event_ids=[1, 2])
            again = session.entries(query, resume_from=walk.cursor)
            events = session.events(details)
            pages: list[Any] = []
            outcomes: list[Any] = []
            errors: list[CapledgerError] = []
            try:
                outcomes += [outcome async for outcome in session.fetch_many([query, query])]
            except CapledgerError as error:
                errors.append(error)
            errors += [outcome.error for outcome in outcomes if outcome.error is not None]
            for items in (walk.pages(), again.pages(), events):
                try:
                    pages += [item async for item in items]
                except CapledgerError as error:
                    errors.append(error)
            for failure in errors:
                output += contents_of(failure)
                output.append(pickle.dumps(failure).decode("latin-1"))
            output += representations(reachable(session, walk, events, query, details, auth, pages, outcomes, errors))
            output += [walk.cursor, decoded(walk.cursor), *(decoded(outcome.cursor) for outcome in outcomes)]
            tokens = {sent.headers.get("x-cap-api-oauth-token") for sent in box.requests} - {None}
    assert not [text for text in output for token in tokens if str(token) in text]
    return output


@pytest.mark.parametrize(
    "auth", [BasicAuth(USER, PASSWORD), OAuthClientCredentials(KEY, SECRET)], ids=["basic", "oauth"]
)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_failing_run_leaks_nothing(fault: Fault, auth: Any, caplog: pytest.LogCaptureFixture) -> None:
    """No secret is in the logs at DEBUG, the warnings, the errors, the cursors, or the repr of any reachable object."""
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        output = run(fail(fault, auth))
        gc.collect()
    output += [json.dumps(vars(record), default=repr) + record.getMessage() for record in caplog.records]
    output += [str(warning.message) for warning in caught]

    assert [record for record in caplog.records if record.name.startswith("capledger")]
    assert len(output) > 100
    assert [(secret, text[:300]) for text in output for secret in SECRETS if secret in text] == []


def test_the_search_finds_a_leak() -> None:
    """An error that contains a secret is found, so that the search itself works."""
    open_secret = CapledgerError(f"about {MOBILE}")

    assert any(MOBILE in text for text in contents_of(open_secret))
    assert any(MOBILE in text for text in representations(reachable([{"errors": (open_secret,)}])))
