"""``capledger check``: whether the service, the credentials and the clocks work together; the first command to run."""

import asyncio
import re
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
import typer
from aiohttp import TraceConfig
from attrs import asdict, define, field, frozen
from rich.table import Table
from rich.text import Text

from capledger._sansio.context import RequestContext
from capledger._sansio.dates import NotADateError, read_date
from capledger._sansio.decoder import Decoder
from capledger._sansio.requests import LedgerRequests
from capledger._transport.client import Transport
from capledger._transport.retry import RetryPolicy
from capledger.cli import options
from capledger.cli.connection import Connection, read_connection
from capledger.cli.exit_codes import FAILED, UsageError, exit_on_error, exit_with, name_variables, writing_to_stdout
from capledger.cli.progress import format_duration
from capledger.cli.tables import StdoutConsole, format_count
from capledger.errors import (
    ApiError,
    AuthenticationError,
    CapledgerError,
    ConfigurationError,
    LimitTooLargeError,
    PermissionDeniedError,
    RateLimitedError,
    SpanTooLongError,
)
from capledger.models import LedgerPage, WalkReport
from capledger.queries import CustomerLedgerQuery

if TYPE_CHECKING:
    from collections.abc import Iterator

EPILOG = options.epilog(
    "capledger check",
    "capledger check mobile 917406401004",
    "capledger check mobile 917406401004 --json | jq .ok",
    connected=True,
)

#: Most requests of one check, a token's included.
MAX_REQUESTS: Final = 5
_PAGE_LIMIT, _RANGE_DAYS = 100, 90
#: Limits to try after a refusal that states none: those of the vendor's other pages.
_LOWER_PAGE_LIMIT, _LOWER_RANGE_DAYS = 10, 30
#: Largest difference in seconds between the clocks that is no failure.
_MAX_DIFFERENCE: Final = 60.0
#: A customer that nobody has.
_NOBODY: Final = ("externalId", "capledger-check")
#: Fewest columns of a terminal in which details have a column of their own.
_TABLE_WIDTH: Final = 60
_STYLES: Final = {"ok": "green", "failed": "bold red", "unknown": "yellow"}

OptionalIdentifierName = Annotated[
    str | None, typer.Argument(metavar="[IDENTIFIER_NAME]", help="Kind of identifier: mobile, email, id, ...")
]
OptionalIdentifierValue = Annotated[
    str | None, typer.Argument(metavar="[IDENTIFIER_VALUE]", help="A customer with entries, to check zone and limits.")
]

Result = Literal["ok", "failed", "unknown"]


def check(
    *,
    identifier_name: OptionalIdentifierName = None,
    identifier_value: OptionalIdentifierValue = None,
    as_json: options.JsonResult = False,
) -> None:
    """Check the connection with at most five requests, and print what works.

    Reaches the service, authenticates, compares its clock with this machine's and
    its dates with CAPLEDGER_TIMEZONE, and finds the largest page and date range
    that it accepts. Zone and limits need a customer with entries.
    """
    with exit_on_error():
        subject = _subject(identifier_name, identifier_value)
        report = asyncio.run(ServiceCheck(read_connection(), subject).run())
        with writing_to_stdout():
            _print(report, as_json=as_json)
        failed = [item.name for item in report.checks if item.result == "failed"]
        if failed:
            exit_with(FAILED, f"the check failed: {', '.join(failed)}")


def _subject(name: str | None, value: str | None) -> tuple[str, str] | None:
    if name is not None and value is None:
        raise UsageError("IDENTIFIER_VALUE is missing: give both, as in capledger check mobile 917406401004")
    return None if name is None or value is None else (name, value)


@frozen(kw_only=True)
class CheckedItem:
    """The result of one check."""

    name: str
    result: Result
    detail: str


@define(kw_only=True)
class CheckReport:
    """The results of all checks; --json prints the same."""

    ok: bool
    """Whether no check failed."""
    requests: int
    """Number of requests sent."""
    page_limit: int | None = None
    """Largest number of entries in a response; None where it is not known."""
    range_limit_days: int | None = None
    """Longest date range of a request in days; None where it is not known."""
    clock_difference_seconds: float | None = None
    """This machine's clock less the service's; None where it is not known."""
    checks: list[CheckedItem] = field(factory=list)


class ServiceCheck:
    """Sends a few requests, and derives the results from the responses.

    Args:
        connection: to the service.
        subject: name and value of a customer's identifier; None checks without one.
    """

    def __init__(self, connection: Connection, subject: tuple[str, str] | None) -> None:
        name, value = subject or _NOBODY
        self._requests = LedgerRequests(CustomerLedgerQuery(identifier_name=name, identifier_value=value))
        self._connection = connection
        self._has_customer = subject is not None
        self._context = RequestContext(WalkReport())
        self._sent = 0
        self._started = 0.0
        self._response_seconds = 0.0
        self._clock_difference: float | None = None
        self._page_limit, self._range_days = _PAGE_LIMIT, _RANGE_DAYS
        self._refused: set[str] = set()
        self._page: LedgerPage | None = None
        self._error: CapledgerError | None = None

    async def run(self) -> CheckReport:
        """Return the results."""
        transport = Transport(
            self._connection.base_url,
            self._connection.auth,
            Decoder(self._connection.timezone),
            retry=RetryPolicy(attempts=1),
            trace_configs=[self._trace()],
        )
        try:
            await self._probe(transport)
        finally:
            await transport.close()
        return self._report()

    def _trace(self) -> TraceConfig:
        config = TraceConfig()
        config.on_request_start.append(self._on_start)
        config.on_request_end.append(self._on_end)
        return config

    async def _on_start(self, *_: Any) -> None:  # noqa: ANN401 - aiohttp's signature
        self._sent += 1
        self._started = time.time()

    async def _on_end(self, _: Any, __: Any, params: Any) -> None:  # noqa: ANN401 - aiohttp's signature
        now = time.time()
        self._response_seconds = now - self._started
        try:
            date = parsedate_to_datetime(params.response.headers.get("Date", ""))
        except ValueError:
            return
        difference = (now + self._started) / 2 - date.timestamp() - 0.5  # a Date has whole seconds, cut off
        self._clock_difference = round(difference, 1)

    async def _probe(self, transport: Transport) -> None:
        """Request the latest entries with the largest page and range, and with smaller ones after a refusal."""
        while self._page is None and self._sent < MAX_REQUESTS:
            try:
                self._page = await self._fetch(transport, self._range_days)
            except LimitTooLargeError as error:
                self._refused.add("page")
                self._page_limit = stated_limit(error.message, self._page_limit) or _LOWER_PAGE_LIMIT
            except SpanTooLongError as error:
                self._refused.add("range")
                self._range_days = stated_limit(error.message, self._range_days) or _LOWER_RANGE_DAYS
            except ConfigurationError:
                raise
            except CapledgerError as error:
                self._error = error
                return
        if self._page is not None and not self._page.entries and self._has_customer and self._sent < MAX_REQUESTS:
            with suppress(CapledgerError):
                self._page = await self._fetch(transport, None)

    async def _fetch(self, transport: Transport, days: int | None) -> LedgerPage:
        end = datetime.now(self._connection.timezone).replace(tzinfo=None, microsecond=0)
        start = None if days is None else end - timedelta(days=days)
        request = self._requests.page(
            offset=0, limit=self._page_limit, order="DESC", start=start, end=None if days is None else end
        )
        return await transport.fetch(request, self._context)

    def _report(self) -> CheckReport:
        checks = [self._service(), self._credentials(), self._clock(), self._zone(), *self._limits()]
        known = self._page is not None
        return CheckReport(
            ok=all(item.result != "failed" for item in checks),
            requests=self._sent,
            page_limit=self._page_limit if known or "page" in self._refused else None,
            range_limit_days=self._range_days if known or "range" in self._refused else None,
            clock_difference_seconds=self._clock_difference,
            checks=checks,
        )

    @property
    def _responded(self) -> bool:
        """Whether the service's own software responded."""
        understood = ApiError | AuthenticationError | PermissionDeniedError | RateLimitedError
        return self._error is None or isinstance(self._error, understood)

    def _service(self) -> CheckedItem:
        if not self._responded:
            return CheckedItem(name="service", result="failed", detail=name_variables(str(self._error)))
        return CheckedItem(
            name="service", result="ok", detail=f"{self._connection.base_url} in {self._response_seconds:.2f} s"
        )

    def _credentials(self) -> CheckedItem:
        if isinstance(self._error, AuthenticationError | PermissionDeniedError):
            return CheckedItem(name="credentials", result="failed", detail=name_variables(str(self._error)))
        if not self._responded:
            return CheckedItem(name="credentials", result="unknown", detail="the service itself did not respond")
        if isinstance(self._error, RateLimitedError):
            return CheckedItem(name="credentials", result="unknown", detail=str(self._error))
        return CheckedItem(name="credentials", result="ok", detail="accepted for reading ledgers")

    def _clock(self) -> CheckedItem:
        difference = self._clock_difference
        if difference is None:
            return CheckedItem(name="clock", result="unknown", detail="the service stated no time")
        result: Result = "ok" if abs(difference) <= _MAX_DIFFERENCE else "failed"
        detail = "this machine and the service agree within 1 s"
        if abs(difference) >= 1:
            direction = "ahead of" if difference > 0 else "behind"
            detail = f"this machine is {format_duration(abs(difference))} {direction} the service"
        return CheckedItem(name="clock", result=result, detail=detail)

    def _zone(self) -> CheckedItem:
        zone = self._connection.timezone
        differences = list(zone_differences(self._page, self._connection)) if self._page is not None else []
        if any(differences):
            shift = max(differences, key=abs)
            detail = f"the service's dates are not in {zone}: they differ by {shift / timedelta(hours=1):+g} hours"
            return CheckedItem(name="time zone", result="failed", detail=f"{detail}; change CAPLEDGER_TIMEZONE")
        if differences:
            dates = format_count(len(differences), "date")
            return CheckedItem(name="time zone", result="ok", detail=f"{zone}, by {dates} that state theirs")
        return self._zone_by_newest_entry()

    def _zone_by_newest_entry(self) -> CheckedItem:
        zone = self._connection.timezone
        dates = [item.ledger_created_date for item in self._page.entries] if self._page is not None else []
        if not dates:
            return CheckedItem(name="time zone", result="unknown", detail=f"{zone}: {self._without_entries()}")
        age = (datetime.now(UTC) - max(dates)).total_seconds()
        if age < -_MAX_DIFFERENCE:
            detail = (
                f"an entry is dated {format_duration(-age)} ahead: change CAPLEDGER_TIMEZONE ({zone}), or the clock"
            )
            return CheckedItem(name="time zone", result="failed", detail=detail)
        detail = f"{zone}: no entry states its zone; the newest one would be {format_duration(max(age, 0.0))} old"
        return CheckedItem(name="time zone", result="unknown", detail=detail)

    def _limits(self) -> "Iterator[CheckedItem]":
        found = (
            ("page limit", "page", format_count(self._page_limit, "entry", "entries")),
            ("range limit", "range", format_count(self._range_days, "day")),
        )
        for name, kind, limit in found:
            if self._page is None and kind not in self._refused:
                yield CheckedItem(name=name, result="unknown", detail=self._without_entries())
            else:
                yield CheckedItem(name=name, result="ok", detail=f"{limit} in a request")

    def _without_entries(self) -> str:
        if not self._responded or not isinstance(self._error, ApiError | None):
            return "no ledger was received"
        return "the customer has no entries" if self._has_customer else "give a customer with entries"


def stated_limit(message: str, refused: int) -> int | None:
    """Return the limit that a refusal states, if it is smaller than what was refused."""
    return max((number for number in map(int, re.findall(r"\d+", message)) if 0 < number < refused), default=None)


def zone_differences(page: LedgerPage, connection: Connection) -> "Iterator[timedelta]":
    """Yield the differences between dates of entries in the connection's zone and their ISO twins, in whole minutes."""
    for row in msgspec.json.decode(page.raw).get("ledgerEntries") or []:
        try:
            local = read_date(row["ledgerCreatedDate"], connection.timezone)
            exact = read_date(row["ledgerCreatedDateISO"], UTC)
        except (KeyError, TypeError, NotADateError):
            continue
        yield timedelta(minutes=round((local - exact) / timedelta(minutes=1)))


def _print(report: CheckReport, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(msgspec.json.encode(asdict(report)).decode() + "\n")
        return
    console = StdoutConsole()
    if console.width < _TABLE_WIDTH:
        for item in report.checks:
            line = Text.assemble(f"{item.name}: ", (item.result, _STYLES[item.result]), f", {item.detail}")
            console.print(line, soft_wrap=True)
    else:
        console.print(_make_table(report.checks))
    console.print(f"{format_count(report.requests, 'request')} sent")


def _make_table(checks: list[CheckedItem]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for title in ("Check", "Result"):
        table.add_column(title, no_wrap=True)
    table.add_column("Detail", overflow="fold")
    for item in checks:
        table.add_row(item.name, Text(item.result, style=_STYLES[item.result]), item.detail)
    return table
