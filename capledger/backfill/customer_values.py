"""Values in a file of customers: spoiled ones are refused, and mobile numbers are brought to digits."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from capledger.backfill.errors import CustomersError

#: What a spreadsheet makes of a long number.
_SCIENTIFIC: Final = re.compile(r"[+-]?\d+([.,]\d+)?E\+\d+", re.IGNORECASE)
_DECIMAL: Final = re.compile(r"\d+[.,]0+")
#: How people write telephone numbers.
_FORMATTED_MOBILE: Final = re.compile(r"[+(]{0,2}[0-9][0-9\s()\-\u2010\u2011\u2013]*")
#: Most digits of a telephone number (E.164).
_MOBILE_DIGITS: Final = 15
_NOT_A_DIGIT: Final = re.compile(r"[^0-9]")
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

_AS_TEXT: Final = "format the column as text in the spreadsheet and export it again"
_SPOILED: Final = (
    (_SCIENTIFIC, f"a number was shortened by a spreadsheet, and digits are lost: {_AS_TEXT}"),
    (_DECIMAL, f"a number has a decimal point, added by a spreadsheet: {_AS_TEXT}"),
    (re.compile(r"=.*"), "a value is a formula: export values, without = and quotes"),
    (re.compile(r"'.*"), "a value begins with an apostrophe, a spreadsheet's mark of text: remove it"),
)


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
    check_value(value)
    if column == "email":
        return
    for pattern, message in _SPOILED:
        if pattern.fullmatch(value):
            raise CustomersError(message)


def check_value(value: str) -> None:
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
