from __future__ import annotations

import csv
import io
import re
import sys
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.jobs import mobile

from capledger import CustomerLedgerQuery, GroupLedgerQuery, OrgScope
from capledger.backfill import CustomersError, CustomersReport, read_customers
from capledger.backfill.customers import read_lines
from capledger.backfill.query_codec import TemplateEncoder, decode_template, make_query

if TYPE_CHECKING:
    from pathlib import Path

    from capledger.queries import LedgerQuery

HEADER = b"identifier_name,identifier_value\n"


def read(text: bytes) -> list[CustomerLedgerQuery]:
    return list(read_lines([text]))


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
        (HEADER, "a header and no customers"),
        (HEADER + b"\n , \n", "a header and no customers"),
        (b"mobile,917\n", "line 1 .* put a header before it"),
        (b"a@b.example\n", "line 1 .* put a header before it"),
        (b"name,city\n", "line 1 .* must be a header with identifier_name and"),
        (b"identifier_value\n", "line 1 .* must be a header"),
        (b"mobile,email\n", "line 1 .* by mobile and by email: choose one"),
        (HEADER[:-1] + b",Identifier Name\n", "line 1 .* identifier_name twice"),
        (HEADER + b"mobile,917\nmobile\n", "line 3 .* 1 field, and the header 2"),
        (HEADER + b"\nmobile,917,x\n", "line 3 .* 3 fields"),
        (HEADER + b"mobile, \n", "line 2 .*it names no customer: fill in"),
        (HEADER + b"mobile,917\n,917\n", "line 3 .*it names no customer: fill in"),
        (HEADER + b'mobile,"917\n', "line 2 .*a quote is opened and never closed"),
        (HEADER + b"mobile,917,%s\n" % (b"x" * 140_000), "line 2 .*more than 131,072 characters: close its quote"),
        (HEADER + b"mobile,\xff917\n", "line 2 .*not UTF-8"),
        (
            b'{"identifier_name":"mobile","identifier_value":"917"}\n{"identifier_name":"mobile"}\n',
            "line 2 .*once",
        ),
        (b'{"identifier_name":"mobile","identifier_value":"917","email":"x"}\n', "line 1 .*name the customer once"),
        (b'{"identifier_name":"mobile","identifier_value":"917","x":1}\n', "line 1 .*unknown field `x`: remove it, or"),
        (b'{"identifier_name":"mobile","identifier_value":"917"}\n917\n', "line 2 .*Expected `object`"),
        (b'{"identifier_name":"mobile","identifier_value":"917"\n', "line 1 .*the JSON object is cut off: write each"),
    ],
)
def test_malformed_lines_are_named(text: bytes, said: str) -> None:
    """A line that cannot be used is an error with its number and without its content."""
    with pytest.raises(CustomersError, match=said) as caught:
        read(text)

    assert "917" not in str(caught.value)


EXPECTED = [CustomerLedgerQuery.mobile(mobile(1)), CustomerLedgerQuery.mobile(mobile(2))]
SHEET = "Name,Mobile,City\n\u00c5sa,917000000001,K\u00f8ge\n\u00d8ystein,917000000002,\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_spreadsheets_of_any_dialect(encoding: str, line_end: str, separator: str) -> None:
    """Encoding, line ends, separator and case of the header are detected, and blank lines skipped."""
    data = (SHEET + ",,\n\n").replace("\n", line_end).replace(",", separator).encode(encoding)
    reader = read_lines([data[:7], data[7:50], data[50:]])

    assert list(reader) == EXPECTED
    assert reader.report == CustomersReport(rows=2, ignored_columns=("Name", "City"))


@pytest.mark.parametrize(
    ("text", "query"),
    [
        (b"mobile\n917\n", CustomerLedgerQuery.mobile("917")),
        (b"E-Mail\na@b.example\n", CustomerLedgerQuery.email("a@b.example")),
        (b"External ID;Source\nA=1;WEB_ENGAGE\n", CustomerLedgerQuery.external_id("A=1", source="WEB_ENGAGE")),
        (b"customerId,accountId\n7,8\n", CustomerLedgerQuery.customer_id("7", account_id="8")),
        (b"sep=;\r\nmobile;name\r\n917;x\r\n", CustomerLedgerQuery.mobile("917")),
        (b"mobile,name\n917,x,,\n", CustomerLedgerQuery.mobile("917")),
        (b'{"mobile":917,"source":"ALL"}\n', CustomerLedgerQuery.mobile("917", source="ALL")),
        (b'{"external_id":"x"}\n', CustomerLedgerQuery.external_id("x")),
    ],
)
def test_one_column_is_enough(text: bytes, query: CustomerLedgerQuery) -> None:
    """A column named after the identifier takes the place of the pair of columns."""
    assert read(text) == [query]


def test_other_columns_may_have_any_bytes() -> None:
    """A column that is not used may be in another encoding."""
    reader = read_lines(["mobile,n\u00e4me\n917000000001,\u00c5sa\n917000000002,\n".encode("latin-1")])

    assert list(reader) == EXPECTED
    assert reader.report.ignored_columns == ("n?me",)


def test_columns_can_be_mapped() -> None:
    """Columns under other names are given by name, and a mapped identifier is preferred to others."""
    text = b"Phone no.,Email,Channel\n917000000001,a@b.example,ALL\n"
    reader = read_lines([text], {"mobile": "phone no", "source": "Channel"})

    assert list(reader) == [CustomerLedgerQuery.mobile(mobile(1), source="ALL")]
    assert reader.report.ignored_columns == ("Email",)
    with pytest.raises(CustomersError, match="no column for mobile"):
        list(read_lines([text], {"mobile": "Telephone"}))
    with pytest.raises(CustomersError, match="no column phone: choose from identifier_name"):
        read_customers("x.csv", column_names={"phone": "Phone"})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("9.17406E+11", "shortened by a spreadsheet"),
        ('"9,17406e+11"', "shortened by a spreadsheet"),
        ("917406401004.0", "decimal point"),
        ('"917406401004,00"', "decimal point"),
        ('"=""917406401004"""', "a formula"),
        ('"917,406,401,004"', "thousands separators"),
        ("########", "an error or a mark of a spreadsheet"),
        ("#REF!", "an error or a mark of a spreadsheet"),
        ("#N/A", "an error or a mark of a spreadsheet"),
        ("'917406401004", "an apostrophe"),
        ("917406\u200b401004", "an invisible character"),
        ("\ufeff917406401004", "an invisible character"),
        ('"917406\n401004"', "a line break"),
        ("917406\x00401004", "a control character"),
        ("917406\ufffd401004", "could not be decoded"),
        ("917406401004 917406401005", "more than one mobile number"),
        ("917406401004/917406401005", "other characters than digits"),
        ("unknown", "other characters than digits"),
        ("N/A", "a value stands for none"),
        ("-", "a value stands for none"),
        ("", "it names no customer"),
    ],
)
def test_spoiled_values_are_refused(value: str, message: str) -> None:
    """What a spreadsheet has spoiled is refused with the line and what to do, and without the value."""
    line = 4 if "\n" in value else 3
    text = f"mobile,name\n917000000001,x\n{value},y\n"
    with pytest.raises(CustomersError, match=f"line {line} of the customers: .*{message}.*: ") as caught:
        read(text.encode())

    assert "917" not in str(caught.value)


@pytest.mark.parametrize("value", ["9.17406E+11", "917406401004.0", "917,406,401,004"])
def test_spoiled_values_of_json_are_refused(value: str) -> None:
    """JSON lines that were made of a spreadsheet have the same numbers, spoiled in the same ways."""
    text = f'{{"mobile":"917000000001"}}\n{{"mobile":"{value}"}}\n'
    with pytest.raises(CustomersError, match=r"line 2 of the customers: .*spreadsheet"):
        read(text.encode())
    assert read(b'{"external_id":"\'=x"}\n') == [CustomerLedgerQuery.external_id("'=x")]


def test_spoiled_addresses_are_refused() -> None:
    """An address may begin with an apostrophe, and is never a formula with quotes."""
    assert read(b"email\n'o@b.example\n") == [CustomerLedgerQuery.email("'o@b.example")]
    with pytest.raises(CustomersError, match=r"line 2 .* a formula"):
        read(b'email\n"=""a@b.example"""\n')
    for value in ("a.b.example", "a@b.example; c@d.example", "Ada <a@b.example>", "a@", "@b.example"):
        with pytest.raises(CustomersError, match="line 2 of the customers: an e-mail address is not like name@host"):
            read(f"email\n{value}\n".encode())


@pytest.mark.parametrize(
    "header", ['"Name, first";mobile', '"Name, first, last";mobile', "Name, first, last;mobile", '"a;b;c",mobile']
)
def test_separators_within_names_do_not_count(header: str) -> None:
    """The separator is the one that divides the header into columns of which one names the customer."""
    separator = header[header.index("mobile") - 1]
    row = f"x{separator}917000000001\n"
    assert read(f"{header}\n{row}".encode()) == EXPECTED[:1]
    renamed = header.replace("mobile", "Phone")
    assert list(read_lines([f"{renamed}\n{row}".encode()], {"mobile": "Phone"})) == EXPECTED[:1]


def test_a_header_of_any_length_is_one_error() -> None:
    """A first line that is longer than any field, as of a file of another kind, is refused with its number."""
    with pytest.raises(CustomersError, match="line 1 of the customers: "):
        read(b"9" * 200_000)


@pytest.mark.parametrize("value", ["+91 70000 00001", "(91) 7000-000001", "+917000000001", "91\u00a07000\u2011000001"])
def test_mobile_numbers_are_brought_to_digits(value: str) -> None:
    """A mobile number as people write it becomes digits, and is counted."""
    reader = read_lines([f"mobile\n{value}\n917000000002\n".encode()])

    assert list(reader) == EXPECTED
    assert reader.report.reformatted == 1


@pytest.mark.parametrize("path", ["", "."], ids=["no name", "directory"])
def test_a_file_that_cannot_be_read(path: str, tmp_path: Path) -> None:
    """A path that is no file is an error of one line."""
    with pytest.raises(CustomersError, match="the file of customers cannot be read: "):
        list(read_customers(str(tmp_path / path) if path else ""))


def test_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process without standard input is told to name a file."""
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(CustomersError, match="standard input is closed"):
        list(read_customers("-"))


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


VALUES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), min_size=1, max_size=12)


@given(
    rows=st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8),
    separator=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    size=st.integers(1, 50),
)
def test_any_list(rows: list[tuple[str, str]], separator: str, line_end: str, encoding: str, size: int) -> None:
    """What is written as CSV of any dialect is read as it was, or refused where it is a spreadsheet's damage."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator=line_end)
    writer.writerows([("external_id", "source"), *rows])
    data = text.getvalue().encode(encoding)
    try:
        found = list(read_lines(data[start : start + size] for start in range(0, len(data), size)))
    except CustomersError:
        spoiled = re.compile(r"[='].*|\d+[.,]0+|\d{1,3}(,\d{3}){2,}|#{3,}|#(N/A|NUM|NULL|REF|NAME|VALUE)[!?]?")
        placeholder = re.compile(r"n/a|null|none|nan|undefined|-+|\?+", re.IGNORECASE)
        assert any(spoiled.fullmatch(value) for row in rows for value in row) or any(
            placeholder.fullmatch(value) for value, _ in rows
        )
        return

    assert [(query.identifier_value, query.source) for query in found] == rows


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    """Any bytes yield queries or a CustomersError."""
    try:
        found = read(HEADER + data)
    except CustomersError:
        return

    assert all(isinstance(query, CustomerLedgerQuery) for query in found)
