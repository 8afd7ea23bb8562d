"""``capledger statement``: a statement for a terminal, a program, a browser and a printer."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from support.books import entries_from
from support.shell import MOBILE, run

from capledger import CustomerDetails, books
from capledger.cli.output import write_private
from capledger.cli.statement_html import statement_html
from capledger.cli.statement_tables import account_name, full_name, sparkline
from capledger.sandbox import Sandbox, SandboxCustomer, faults, make_row, seed_rows
from capledger.sandbox.rows import entry_detail

STATEMENT = ("statement", "mobile", MOBILE)
START = datetime(2026, 5, 31, 12)
ROWS = [
    make_row(1, START, points="1000.000"),
    make_row(2, START + timedelta(days=2), points="250.500", currencies={"Coins": "20.000"}),
    make_row(3, START + timedelta(days=9), points="100.250", entry_type="DEBIT", event_name="PointsRedemption"),
    make_row(4, datetime(2026, 7, 1), points="5.000"),
]
CHROMIUM = shutil.which("chromium")
ADDS_UP = "capledger: the books add up: 4 balances of the service agree with the entries\n"


def sandbox(**options: Any) -> Sandbox:
    return Sandbox([SandboxCustomer(MOBILE, ROWS)], **options)


async def test_statement_of_a_month() -> None:
    """A month has opening and closing balances, a sparkline of each account, and its movements."""
    async with sandbox() as box:
        result = await run(box, *STATEMENT, "--month", "2026-06", COLUMNS="110")

    assert (result.code, result.err) == (0, ADDS_UP)
    lines = [line.rstrip() for line in result.lines]
    assert lines[0] == "Statement, 2026-06-01 to 2026-07-01"
    assert [line.split() for line in lines[2:5]] == [
        ["Programme", "Account", "Opening", "Credits", "Debits", "Closing"],
        ["Harbour", "Rewards", "points", "1,000.000", "250.500", "100.250", "1,150.250"],
        ["Harbour", "Rewards", "Coins", "0", "20.000", "0", "20.000"],
    ]
    assert lines[6:8] == ["Harbour Rewards points  █▁", "Harbour Rewards Coins   ▅"]
    assert [line.split()[-2:] for line in lines[10:]] == [
        ["+250.500", "1,250.500"],
        ["+20.000", "20.000"],
        ["-100.250", "1,150.250"],
    ]


async def test_json_is_one_object() -> None:
    """``--json`` prints the whole statement as one object, amounts as strings."""
    async with sandbox() as box:
        result = await run(box, *STATEMENT, "--from", "2026-06-01", "--to", "2026-07-01", "--json")

    document = json.loads(result.out)
    assert (document["start"], document["end"]) == ("2026-06-01T00:00:00", "2026-07-01T00:00:00")
    points = document["accounts"][0]
    assert points["account"]["program_name"] == "Harbour Rewards"
    assert [points[name] for name in ("opening", "credits", "debits", "closing")] == [
        "1000.000",
        "250.500",
        "100.250",
        "1150.250",
    ]
    assert [item["balance"] for item in document["movements"]] == ["1250.500", "20.000", "1150.250"]


async def test_csv_has_a_row_per_movement() -> None:
    """``--csv`` prints every movement with the balance after it."""
    async with sandbox() as box:
        result = await run(box, *STATEMENT, "--csv")

    found = [(row["event_log_id"], row["amount"], row["balance"]) for row in csv.DictReader(io.StringIO(result.out))]
    assert found[0] == ("1", "1000.000", "1000.000")
    assert found[-1] == ("4", "5.000", "1155.250")
    assert len(found) == 5


async def test_wrong_balances_of_the_service_are_told() -> None:
    """A balance that differs from the entries is told on stderr; the statement is printed all the same."""
    script = faults.on_balances(faults.always(faults.wrong_balance("2.000", row=2)))
    async with sandbox(faults=script) as box:
        result = await run(box, *STATEMENT, "--month", "2026-06")

    assert result.code == 0
    assert "the books do not add up: 1 discrepancy, first the closing balance of Harbour Rewards" in result.err
    assert "expected 1150.250, found 1157.250" in result.err


async def test_a_service_without_balances_is_told() -> None:
    """Where the service has no balances, the statement is printed and not compared."""
    script = faults.on_balances(faults.always(faults.api_error(9003)))
    async with sandbox(faults=script) as box:
        result = await run(box, *STATEMENT, "--month", "2026-06", "--json")

    assert (result.code, len(result.lines)) == (0, 1)
    assert "not compared with the service's balances" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--month", "June"), "not a month"),
        (("--month", "2026-13"), "not a month"),
        (("--month", "2026-06", "--to", "2026-07-01"), "two ways to name a period"),
        (("--json", "--csv"), "two output formats"),
        (("--month", "9999-12"), "not a month"),
        (("--from", "2026-07-01", "--to", "2026-06-01"), "--to is before --from"),
        (("--from", "2026-07-01T00:00:00+05:30", "--to", "2026-06-01"), "--to is before --from"),
        (("--to", "9999-12-31T23:59:59.5"), "--to is at the edge of the calendar"),
        (("--html", "/"), "/ is a directory"),
        (("--html", "one.svg", "--plot", "one.svg"), "name the same file"),
        (("--plot", "picture.gif"), "FILE.svg or FILE.png"),
        (("--html", "/no/such/directory/page.html"), "does not exist"),
    ],
)
async def test_wrong_options_send_nothing(arguments: tuple[str, ...], message: str) -> None:
    """Wrong options are a usage error before any request."""
    async with sandbox() as box:
        result = await run(box, *STATEMENT, *arguments)

    assert (result.code, box.requests) == (2, [])
    assert message in result.err


async def test_december_ends_in_january() -> None:
    """The month after December is January."""
    async with sandbox() as box:
        await run(box, *STATEMENT, "--month", "2025-12")

    assert box.requests[-1].query["endDate"] == "2026-01-01T00:00:00"


@pytest.mark.parametrize("suffix", ["svg", "png"])
async def test_plot_is_a_picture(tmp_path: Path, suffix: str) -> None:
    """``--plot`` writes a picture of the kind that the name says."""
    pytest.importorskip("matplotlib")
    path = tmp_path / f"balances.{suffix}"
    async with sandbox() as box:
        result = await run(box, *STATEMENT, "--month", "2026-06", "--plot", str(path))

    assert result.code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().lstrip().startswith(b"\x89PNG" if suffix == "png" else b"<?xml")


def test_sparklines() -> None:
    """A sparkline goes from the lowest to the highest balance; what does not fit is sampled, its end included."""
    assert sparkline([]) == ""
    assert sparkline([Decimal(5)] * 3) == "▅▅▅"
    assert sparkline([Decimal(number) for number in range(8)]) == "▁▂▃▄▅▆▇█"
    assert sparkline([Decimal(number) for number in range(1000)], width=8) == "▁▂▃▄▅▆▇█"


def test_names_of_accounts() -> None:
    """The main category is not named, the documented ones have short names, others their own."""
    names = {
        "Main": "points",
        "DelayedAccrualPointCategory": "promised",
        "ExternalTriggerBasedPointCategory": "trigger-based",
        "Bonus": "points (Bonus)",
    }
    for category, name in names.items():
        assert account_name(books.LedgerAccount(1, None, category)) == name


# The page


class PageParser(HTMLParser):
    """Collects tags and text, and requires every element to be closed."""

    VOID = frozenset({"meta", "link", "br", "path"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def parsed(page: str) -> PageParser:
    parser = PageParser()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def month_page(rows: list[dict[str, Any]], **customer: Any) -> str:
    statement = books.statement(entries_from(rows), datetime(2026, 6, 1), datetime(2026, 7, 1))
    return statement_html(statement, CustomerDetails(**customer) if customer else None)


async def test_page_is_written_for_its_owner_only(tmp_path: Path) -> None:
    """``--html`` writes the page with the customer's name, readable by its owner only, and prints nothing else."""
    path = tmp_path / "statement.html"
    async with sandbox() as box:
        result = await run(box, *STATEMENT, "--month", "2026-06", "--html", str(path))

    assert (result.code, result.out, result.err) == (0, "", ADDS_UP)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "Ada Example · 2026-06-01 to 2026-07-01" in parsed(path.read_text("utf-8")).text


def test_files_are_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be written to its end leaves the earlier one, and nothing else; a new one is private."""
    path = tmp_path / "statement.html"
    path.write_text("earlier")
    path.chmod(0o644)

    with monkeypatch.context() as patches:
        patches.setattr(Path, "replace", _fail)
        with pytest.raises(OSError, match="full"):
            write_private(path, b"later")
    assert [item.name for item in tmp_path.iterdir()] == ["statement.html"]
    assert path.read_text() == "earlier"

    write_private(path, b"later")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("later", 0o600)
    write_private(Path("/dev/null"), b"later")
    assert Path("/dev/null").is_char_device()


def _fail(*_: object) -> None:
    raise OSError("the disk is full")


def test_accounts_without_a_programme_have_a_name() -> None:
    """An account without a programme is named by its currency, in the terminal and on the page."""
    rows = [make_row(1, datetime(2026, 6, 5), entryDetails=[entry_detail("5.000", programName=None, programId=None)])]

    assert "None" not in month_page(rows)
    (account,) = books.statement(entries_from(rows), None, None).accounts
    assert full_name(account.account) == "points"


def test_page_is_self_contained() -> None:
    """The page has no script, no link and no address to load from, and its picture is inline and labelled."""
    page = month_page(ROWS)
    found = parsed(page)

    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in found.tags}
    assert not re.search(r"https?:|url\(|@import|\bsrc=|\bhref=", page)
    pictures = [attributes for tag, attributes in found.tags if tag == "svg"]
    assert [item["aria-label"] for item in pictures] == [
        "Harbour Rewards points, from 1,000.000 to 1,150.250",
        "Harbour Rewards Coins, from 0 to 20.000",
    ]


def test_names_cannot_become_markup() -> None:
    """Names of customers, programmes and events are text, whatever they contain."""
    evil = "<script>alert(1)</script>\"'&"
    rows = [make_row(1, datetime(2026, 6, 5), event_name=evil, entryDetails=[entry_detail("5.000", programName=evil)])]

    found = parsed(month_page(rows, first_name=evil))

    assert "script" not in {tag for tag, _ in found.tags}
    assert evil in "".join(found.text)


def test_page_of_an_empty_ledger() -> None:
    """A ledger without movements has a page too."""
    assert "No movements and no balances." in parsed(month_page([])).text
    assert "No movements in this period." in parsed(month_page(ROWS[:1])).text


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [390, 1200])
def test_page_fits_the_screen_of_a_browser(tmp_path: Path, width: int) -> None:
    """In Chromium nothing is wider than the screen of a phone or a desktop, and every movement is there."""
    rows = seed_rows(5, 60, datetime(2026, 5, 1), datetime(2026, 7, 1))
    probe = (
        "<script>const found = [innerWidth, document.documentElement.scrollWidth, "
        "document.querySelectorAll('[data-title=Date]').length]; "
        "parent.postMessage(found.join(' '), '*')</script></body>"
    )
    page = month_page(rows, first_name="Ada", last_name="Example").replace("</body>", probe)
    (tmp_path / "page.html").write_text(page, "utf-8")
    path = tmp_path / "screen.html"  # no window of Chromium is as narrow as a phone
    path.write_text(
        "<script>addEventListener('message', event => document.title = event.data)</script>"
        f'<iframe src="page.html" width="{width}" height="900" frameborder="0"></iframe>',
        "utf-8",
    )
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]

    shown = subprocess.run(  # noqa: S603 - a browser of this machine, with a page of our own
        [*command, "--window-size=1300,1000", "--virtual-time-budget=1000", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout

    screen, needed, movements = map(int, re.findall(r"<title>(\d+) (\d+) (\d+)</title>", shown)[0])
    assert needed <= screen <= width
    assert screen > width - 20  # less a scroll bar
    assert movements > 10


def test_zones_of_the_period_and_the_entries_may_differ() -> None:
    """A period with a zone is drawn on the clock of the entries."""
    statement = books.statement(entries_from(ROWS), datetime(2026, 6, 1, tzinfo=UTC), None)

    assert parsed(statement_html(statement, None)).text.count("2026-06-01") == 2
