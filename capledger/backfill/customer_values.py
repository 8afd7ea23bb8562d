"""Values in a file of customers: spoiled ones are refused, and mobile numbers are brought to digits."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from capledger.backfill.errors import CustomersError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What a spreadsheet makes of a long number.
_SCIENTIFIC: Final = re.compile(r"[+-]?\d+([.,]\d+)?E\+\d+", re.IGNORECASE)
_DECIMAL: Final = re.compile(r"\d+[.,]0+")
_THOUSANDS: Final = re.compile(r"\d{1,3}(?:,\d{3}){2,}")
#: What a spreadsheet shows for a number that is wider than its column, and for a formula that failed.
_MARK: Final = re.compile(r"#{3,}|#(?:DIV/0|N/A|NAME|NULL|NUM|REF|VALUE)[!?]?", re.IGNORECASE)
#: How people write telephone numbers.
_FORMATTED_MOBILE: Final = re.compile(r"[+(]{0,2}[0-9][0-9\s()\-\u2010\u2011\u2013]*")
#: Most digits of a telephone number (E.164).
_MOBILE_DIGITS: Final = 15
_DIGITS: Final = re.compile(r"[0-9]+")
_ADDRESS: Final = re.compile(r"[^\s,;<>]+@[^\s,;<>@]+")
_NOT_A_DIGIT: Final = re.compile(r"[^0-9]")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

_AS_TEXT: Final = "format the column as text in the spreadsheet and export it again"
#: Numbers that are no identifiers any more, in a file of any format.
_SPOILED_NUMBERS: Final = (
    (_SCIENTIFIC, f"a number was shortened by a spreadsheet, and digits are lost: {_AS_TEXT}"),
    (_DECIMAL, f"a number has a decimal point, added by a spreadsheet: {_AS_TEXT}"),
    (_THOUSANDS, f"a number has thousands separators, added by a spreadsheet: {_AS_TEXT}"),
)
#: Marks of spreadsheets, which other programs do not write.
_SPOILED_CELLS: Final = (
    (re.compile(r"=.*"), "a value is a formula: export values, without = and quotes"),
    (re.compile(r"'.*"), "a value begins with an apostrophe, a spreadsheet's mark of text: remove it"),
    (_MARK, "a value is an error or a mark of a spreadsheet: correct the cell and export it again"),
)
#: Columns that qualify the identifier, with values that only the service knows.
_QUALIFIERS: Final = frozenset({"source", "account_id"})
#: What programs write where there is no value.
_PLACEHOLDER: Final = re.compile(r"n/a|null|none|nan|undefined|-+|\?+", re.IGNORECASE)
#: No address is a formula of a quoted string, and any other one may be an address.
_SPOILED_ADDRESSES: Final = ((re.compile(r'=\s*".*'), _SPOILED_CELLS[0][1]),)


#: A number or an address, which no header is.
_CUSTOMER: Final = re.compile(r"[+('=\"]*[0-9][0-9\s().,\-E+\"]{2,}|.*@.*", re.IGNORECASE)


def looks_like_customer(value: str) -> bool:
    """Return whether a value can be that of a customer and not a header."""
    return _CUSTOMER.fullmatch(value) is not None


def check_csv_value(column: str, value: str) -> None:
    """Check a value of a CSV file.

    Raises:
        CustomersError: it has characters that are never part of it, or was spoiled by a spreadsheet.
    """
    check_characters(value)
    if column not in _QUALIFIERS and _PLACEHOLDER.fullmatch(value):
        raise CustomersError("a value stands for none, such as N/A or null: correct it, or remove the line")
    _refuse(value, _SPOILED_ADDRESSES if column == "email" else (*_SPOILED_NUMBERS, *_SPOILED_CELLS))


def check_json_value(column: str, value: str) -> None:
    """Check a value of a file of JSON lines.

    Raises:
        CustomersError: it has characters that are never part of it, or is a number that a spreadsheet spoiled.
    """
    check_characters(value)
    _refuse(value, () if column == "email" else _SPOILED_NUMBERS)


def _refuse(value: str, spoiled: Iterable[tuple[re.Pattern[str], str]]) -> None:
    for pattern, message in spoiled:
        if pattern.fullmatch(value):
            raise CustomersError(message)


def check_characters(value: str) -> None:
    """Check that a value has only characters that can be part of it.

    Raises:
        CustomersError: it has a line break, a control character, an invisible one, or bytes that are not a character.
    """
    if _REPLACEMENT in value:
        raise CustomersError("a value has a character that could not be decoded: export the file as UTF-8")
    if value.isprintable():
        return
    for character in value:
        if character in "\r\n":
            raise CustomersError("a value has a line break within it: remove it")
        category = unicodedata.category(character)
        if category in {"Cc", "Zl", "Zp"}:
            raise CustomersError("a value has a control character, such as NUL, within it: remove it")
        if category == "Cf":
            raise CustomersError("a value has an invisible character within it, such as a zero-width space: remove it")
        if category == "Cs":
            raise CustomersError("it is not UTF-8: export the file as UTF-8")


def check_identifier(name: str, value: str) -> None:
    """Check that an identifier can be one of its kind, so that no request is sent for one that cannot.

    Raises:
        CustomersError: there is none, a mobile number has no digits, or an address is none or several.
    """
    if not (name and value):
        raise CustomersError("it names no customer: fill in the identifier, or remove the line")
    if name.casefold() == "mobile" and not _DIGITS.fullmatch(value):
        raise CustomersError("a mobile number has other characters than digits: correct it, or remove the line")
    if name.casefold() == "email" and not _ADDRESS.fullmatch(value):
        raise CustomersError("an e-mail address is not like name@host: correct it, or remove the line")


def digits_of_mobile(value: str) -> str:
    """Return a mobile number without ``+`` and separators; anything else as it is.

    Raises:
        CustomersError: it has too many digits for one number.
    """
    if value.isdigit() or not _FORMATTED_MOBILE.fullmatch(value):
        return value
    digits = _NOT_A_DIGIT.sub("", value)
    if len(digits) > _MOBILE_DIGITS:
        raise CustomersError("there is more than one mobile number in a value: put each on its own line")
    return digits
