"""A statement as one self-contained page: no script, nothing loaded from elsewhere, readable on a phone, printable."""

from __future__ import annotations

from html import escape
from string import Template
from typing import TYPE_CHECKING, Final

from capledger.cli.output import write_private
from capledger.cli.statement_plot import plotted_accounts, step_points
from capledger.cli.statement_tables import account_name, format_period, full_name, is_used, received, shown_movements
from capledger.cli.tables import format_balance, format_date, printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from decimal import Decimal
    from pathlib import Path

    from capledger.books import AccountStatement, RunningBalance, Statement
    from capledger.models import CustomerDetails

_WIDTH, _HEIGHT, _MARGIN = 600, 120, 6

_PAGE: Final = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --accent: #1f5f8b; --down: #a33a2c; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 3rem; max-width: 60rem; background: #fff; color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
h1 { margin: 0; font-size: 1.6rem; line-height: 1.25; }
h2 { margin: 2rem 0 .75rem; font-size: 1.1rem; }
p { margin: .25rem 0; color: var(--soft); }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--soft); font-size: .8rem; font-weight: 600; }
th.number, td.number { text-align: right; white-space: nowrap; }
td { overflow-wrap: anywhere; }
td:first-child { white-space: nowrap; }
td.closing { font-weight: 600; }
td.debit { color: var(--down); }
figure { margin: 0 0 1.25rem; break-inside: avoid; }
figcaption { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 1rem; font-size: .9rem; }
figcaption span { color: var(--soft); font-variant-numeric: tabular-nums; }
svg { display: block; width: 100%; height: 7.5rem; margin-top: .25rem; background: #f6f8fa; border-radius: 4px; }
.axis { display: flex; justify-content: space-between; color: var(--soft); font-size: .8rem; }
svg path { vector-effect: non-scaling-stroke; }
@media (max-width: 40rem) {
  body { padding: 1.25rem 1rem 2rem; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  tr { display: block; padding: .6rem 0; border-bottom: 1px solid var(--line); }
  td { display: flex; justify-content: space-between; gap: 1rem; padding: .1rem 0; border: 0; text-align: right; }
  td::before { content: attr(data-title); color: var(--soft); font-size: .85rem; }
  td:first-child { font-weight: 600; }
}
@media print {
  @page { margin: 15mm; }
  body { padding: 0; max-width: none; font-size: 10pt; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
  svg { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
</style>
</head>
<body>
<header>
<h1>$title</h1>
<p>$subtitle</p>
</header>
<main>
$main
</main>
</body>
</html>
""")


def write_html(path: Path, statement: Statement, customer: CustomerDetails | None) -> None:
    """Write the page."""
    write_private(path, statement_html(statement, customer).encode())


def statement_html(statement: Statement, customer: CustomerDetails | None) -> str:
    """Return the page as a string."""
    names = [] if customer is None else [name for name in (customer.first_name, customer.last_name) if name]
    subtitle = " · ".join([*([" ".join(names)] if names else []), format_period(statement)])
    used = [account for account in statement.accounts if is_used(account)]
    parts = [_accounts(used), *_pictures(statement), _movements(shown_movements(statement))]
    if not used:
        parts = ["<p>No movements and no balances.</p>"]
    return _PAGE.substitute(title="Statement of points", subtitle=_text(subtitle), main="\n".join(parts))


def _text(value: object) -> str:
    return escape(printable(value))


def _table(titles: Iterable[str], rows: Iterable[str]) -> str:
    head = "".join(f"<th{_class(title)}>{title}</th>" for title in titles)
    body = "\n".join(rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


_NUMBERS: Final = frozenset({"Opening", "Credits", "Debits", "Closing", "Amount", "Balance"})


def _class(title: str, extra: str = "") -> str:
    names = f"{'number' if title in _NUMBERS else ''} {extra}".strip()
    return f' class="{names}"' if names else ""


def _cell(title: str, value: object, extra: str = "") -> str:
    return f'<td data-title="{title}"{_class(title, extra)}>{_text(value)}</td>'


def _row(*cells: str) -> str:
    return f"<tr>{''.join(cells)}</tr>"


def _accounts(accounts: Iterable[AccountStatement]) -> str:
    rows = (
        _row(
            _cell("Programme", item.account.program_name),
            _cell("Account", account_name(item.account)),
            _cell("Opening", format_balance(item.opening)),
            _cell("Credits", format_balance(received(item))),
            _cell("Debits", format_balance(item.debits)),
            _cell("Closing", format_balance(item.closing), "closing"),
        )
        for item in accounts
    )
    return f"<h2>Balances</h2>\n{_table(('Programme', 'Account', 'Opening', 'Credits', 'Debits', 'Closing'), rows)}"


def _movements(movements: Iterable[RunningBalance]) -> str:
    rows = [
        _row(
            _cell("Date", format_date(item.movement.date)),
            _cell("Event", item.movement.event_name),
            _cell("Programme", item.movement.account.program_name),
            _cell("Account", account_name(item.movement.account)),
            _cell("Amount", f"{item.movement.amount:+,f}", "debit" if item.movement.amount < 0 else ""),
            _cell("Balance", format_balance(item.balance)),
        )
        for item in movements
    ]
    if not rows:
        return "<p>No movements in this period.</p>"
    return f"<h2>Movements</h2>\n{_table(('Date', 'Event', 'Programme', 'Account', 'Amount', 'Balance'), rows)}"


def _pictures(statement: Statement) -> list[str]:
    accounts = plotted_accounts(statement)
    figures = [_figure(account, *step_points(statement, account)) for account in accounts]
    return ["<h2>Balances over time</h2>", *figures] if figures else []


def _figure(account: AccountStatement, moments: list[datetime], balances: list[Decimal]) -> str:
    name = full_name(account.account)
    lowest, highest = format_balance(min(balances)), format_balance(max(balances))
    label = f"{name}, from {format_balance(balances[0])} to {format_balance(balances[-1])}"
    line, area = _path(moments, balances)
    return (
        f"<figure><figcaption>{_text(name)} <span>{lowest} to {highest}</span></figcaption>\n"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{_text(label)}">'
        f'<path d="{area}" fill="#1f5f8b" fill-opacity="0.12"/>'
        f'<path d="{line}" fill="none" stroke="#1f5f8b" stroke-width="2"/></svg>\n'
        f'<div class="axis"><span>{moments[0]:%Y-%m-%d}</span><span>{moments[-1]:%Y-%m-%d}</span></div></figure>'
    )


def _path(moments: list[datetime], balances: list[Decimal]) -> tuple[str, str]:
    """Return the line of steps, and the area below it, as paths of SVG."""
    seconds = [(moment - moments[0]).total_seconds() for moment in moments]
    lowest, highest = min(balances), max(balances)
    length, height = seconds[-1] or 1.0, float(highest - lowest) or 1.0
    usable = _HEIGHT - 2 * _MARGIN
    heights = [_HEIGHT - _MARGIN - float(balance - lowest) / height * usable for balance in balances]
    places = [second / length * _WIDTH for second in seconds]
    steps = [f"H{x:.1f}V{y:.1f}" for x, y in zip(places[1:], heights[1:], strict=True)]
    line = f"M0 {heights[0]:.1f}{''.join(steps)}H{_WIDTH}"
    return line, f"{line}V{_HEIGHT}H0Z"
