"""Pages staged in ``job.sqlite``, each with the cursor behind it, until their customer's ledger is complete.

From there :mod:`capledger.backfill.batches` moves them into data files of about a million rows. So a killed process
loses only the responses in flight, and a file never contains part of a ledger that failed in the end.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    import sqlite3

#: Assignments for a customer of whom only the entries in data files are left.
ROWS_IN_FILES: Final = """
    rows = (SELECT ifnull(sum(rows), 0) FROM parts WHERE customer = id),
    first_entry = iif(EXISTS (SELECT 1 FROM parts WHERE customer = id), first_entry, NULL),
    last_entry = iif(EXISTS (SELECT 1 FROM parts WHERE customer = id), last_entry, NULL)
"""


@frozen
class StagedPage:
    """A page to be staged, and the cursor behind it."""

    customer: int
    packed: bytes
    rows: int
    cursor: str | None
    first: str | None = None
    """Date of the page's first entry, in ISO 8601 and UTC; None for a page without entries."""
    last: str | None = None
    """Date of the page's last entry."""
    run: int = 1
    """Number of the run that saw the entries first."""


def compress_page(page: StagedPage) -> bytes:
    """Return the body of a page as it is stored."""
    return zlib.compress(page.packed, 1)


def stage_page(connection: sqlite3.Connection, page: StagedPage, body: bytes) -> None:
    """Store a page, and its customer's cursor behind it."""
    if page.rows:
        number = connection.execute(
            "INSERT INTO pages (customer, rows, run) VALUES (?, ?, ?)", (page.customer, page.rows, page.run)
        ).lastrowid
        connection.execute("INSERT INTO bodies VALUES (?, ?)", (number, body))
    connection.execute(
        "UPDATE customers SET cursor = :cursor, rows = rows + :rows, "
        "first_entry = min(ifnull(first_entry, :first), ifnull(:first, first_entry)), "
        "last_entry = max(ifnull(last_entry, :last), ifnull(:last, last_entry)) WHERE id = :customer",
        {name: getattr(page, name) for name in ("cursor", "rows", "first", "last", "customer")},
    )


def release_pages(connection: sqlite3.Connection, customer: int) -> None:
    """Mark the pages of a customer, whose ledger is complete, as ready for a data file."""
    connection.execute("UPDATE pages SET ready = 1 WHERE customer = ?", (customer,))


def drop_pages(connection: sqlite3.Connection, customer: int) -> None:
    """Drop what was fetched for a customer, so that it is fetched from its beginning."""
    connection.execute("DELETE FROM bodies WHERE id IN (SELECT id FROM pages WHERE customer = ?)", (customer,))
    connection.execute("DELETE FROM pages WHERE customer = ?", (customer,))
    connection.execute(
        "DELETE FROM balances WHERE customer = ? AND customer NOT IN (SELECT customer FROM parts)", (customer,)
    )
    connection.execute(f"UPDATE customers SET cursor = NULL, {ROWS_IN_FILES} WHERE id = ?", (customer,))  # noqa: S608 - a constant
