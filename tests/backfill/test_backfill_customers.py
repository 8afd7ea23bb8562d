from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.jobs import mobile

from capledger import CustomerLedgerQuery, GroupLedgerQuery, OrgScope
from capledger.backfill import CustomersError, read_customers
from capledger.backfill.customers import read_lines
from capledger.backfill.query_codec import TemplateEncoder, decode_template, make_query

if TYPE_CHECKING:
    from pathlib import Path

    from capledger.queries import LedgerQuery

HEADER = b"identifier_name,identifier_value\n"


def read(text: bytes) -> list[CustomerLedgerQuery]:
    return list(read_lines(text.splitlines(keepends=True)))


@pytest.mark.parametrize(
    "text",
    [
        b"identifier_name,identifier_value,source,account_id\nmobile,91,WEB_ENGAGE,7\nemail,a@b.example,,\n",
        b"\xef\xbb\xbfidentifier_value,identifier_name,account_id,source\r\n91,mobile,7,WEB_ENGAGE\r\n\r\na@b.example,email,,\r\n",
        (
            b'{"identifier_name":"mobile","identifier_value":91,"source":"WEB_ENGAGE","account_id":7}\n'
            b'\n{"identifier_name":"email","identifier_value":"a@b.example"}'
        ),
    ],
    ids=["csv", "csv of a spreadsheet", "json lines"],
)
def test_both_formats(text: bytes) -> None:
    """CSV in any order of columns and JSON lines yield the same queries."""
    expected = [
        CustomerLedgerQuery.mobile("91", source="WEB_ENGAGE", account_id="7"),
        CustomerLedgerQuery.email("a@b.example"),
    ]

    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"mobile,917\n", "line 1 .* must be the header"),
        (HEADER[:-1] + b",name\n", "line 1 .* and no other"),
        (HEADER[:-1] + b",identifier_name\n", "line 1 .* once"),
        (HEADER + b"mobile,917\nmobile\n", "line 3 .* 1 fields, and the header 2"),
        (HEADER + b"\nmobile,917,x\n", "line 3 .* 3 fields"),
        (HEADER + b"mobile, \n", "line 2 .*identifier_value is empty"),
        (HEADER + b"mobile,917\n,917\n", "line 3 .*identifier_name is empty"),
        (HEADER + b'mobile,"917\n', "line 2 .*unexpected end"),
        (HEADER + b"mobile,\xff917\n", "line 2 .*not UTF-8"),
        (b'{"identifier_name":"mobile","identifier_value":"917"}\n{"identifier_name":"mobile"}\n', "line 2 .*missing"),
        (b'{"identifier_name":"mobile","identifier_value":"917","x":1}\n', "line 1 .*unknown field"),
        (b'{"identifier_name":"mobile","identifier_value":"917"}\n917\n', "line 2 .*Expected `object`"),
        (b'{"identifier_name":"mobile","identifier_value":"917"\n', "line 1 .*truncated"),
    ],
)
def test_malformed_lines_are_named(text: bytes, said: str) -> None:
    """A line that cannot be used is an error with its number and without its content."""
    with pytest.raises(CustomersError, match=said) as caught:
        read(text)

    assert "917" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is an error of one line."""
    with pytest.raises(CustomersError, match="No such file"):
        list(read_customers(tmp_path / "x.csv"))


def test_the_range_applies_to_every_query(tmp_path: Path) -> None:
    """Start and end apply to each query."""
    (tmp_path / "c.csv").write_bytes(HEADER + f"mobile,{mobile(1)}\n".encode())
    start, end = datetime(2025, 1, 1), datetime(2025, 2, 1)

    assert list(read_customers(tmp_path / "c.csv", start=start, end=end)) == [
        CustomerLedgerQuery.mobile(mobile(1), start=start, end=end)
    ]


@pytest.mark.parametrize(
    "query",
    [
        CustomerLedgerQuery.mobile("91"),
        GroupLedgerQuery(identifier_value="7", roles=["PRIMARY"], order="desc"),
        CustomerLedgerQuery.email("a@b.example", scope=OrgScope.other(1, 2), account_id="7", page_size=10),
        CustomerLedgerQuery.mobile("91", start=datetime(2025, 1, 1), end=datetime(2025, 1, 2, 3, 4, 5, 6)),
        CustomerLedgerQuery.mobile("91", till_ids=[1, 2], exclude_events=True, alternate_currency_names="Green"),
        CustomerLedgerQuery.mobile("91", exclude_events=["a"], event_filter=["b"], include_concept_details=False),
    ],
    ids=repr,
)
def test_queries_survive_the_plan(query: LedgerQuery) -> None:
    """A query that was recorded as a string is decoded to an equal query."""
    own = (query.identifier_name, query.identifier_value, query.source, query.account_id)

    assert make_query(decode_template(TemplateEncoder().encode(query)), *own) == query


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Any bytes yield queries or a CustomersError."""
    try:
        found = read(HEADER + data)
    except CustomersError:
        return

    assert all(isinstance(query, CustomerLedgerQuery) for query in found)
