"""Queries of ``mobile`` and its siblings are copies of a checked one: as plain, and as well checked, as any other."""

from __future__ import annotations

import copy
import enum
import pickle
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pandas as pd
import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capledger import CustomerLedgerQuery, InvalidQueryError, OrgScope
from capledger._sansio.requests import LedgerRequests
from capledger.queries.subject import with_changes

if TYPE_CHECKING:
    from collections.abc import Callable

MOBILE = "917406401004"
OPTIONS = [item.name for item in attrs.fields(CustomerLedgerQuery) if not item.name.startswith("identifier")]


class Source(str, enum.Enum):  # noqa: UP042 - StrEnum has another ``str``
    KIOSK = "Kiosk"


class Number(enum.IntEnum):
    SEVEN = 7


#: Values as users pass them: right for some fields, to be converted for others, wrong for the rest.
PLAIN = [
    *(None, True, False, 0, 1, -1, 7, 100, 2**80, 0.0, 1.0, float("nan"), Decimal(7), 7j, object(), int, str),
    *("", " ", "a", "asc", "desc", "ASC", "CUSTOMER", "USERGROUP2", "instore", "Kiosk", "7", "a,b", "\ud800", "\u00e9"),
    *(b"a", (), [], {}, set(), ("a",), ["a", "b"], ["a", ""], ["a,b"], ["\ud800"], [None], [b"a"], [["a"]]),
    *((1, 2), [True], [1.0], range(3), {"b", "a"}, frozenset({2, 1}), {"a": 1}.keys()),
    *(date(2024, 1, 1), date.min, datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC), datetime(1, 1, 1)),
    *(Source.KIOSK, Number.SEVEN, OrgScope, OrgScope.own(), OrgScope.other(50405)),
]
FOREIGN = [
    *(np.int64(7), np.True_, np.float64(7), np.str_("a"), np.array([1, 2]), np.array(["a"]), np.datetime64("2024")),
    *(pd.NaT, pd.NA, pd.Timestamp(2024, 1, 1), pd.Series([1, 2]), pendulum.datetime(2024, 1, 1)),
]
VALUES = [*PLAIN, *FOREIGN]


def outcome_of(make: Callable[..., CustomerLedgerQuery], **values: Any) -> tuple[Any, Any]:
    """Return the values of a query with their exact types, in order, or its error and message."""
    try:
        query = make(**values)
    except Exception as error:  # noqa: BLE001 - the error is what is compared
        return type(error), str(error)
    assert type(query) is CustomerLedgerQuery
    items = [type(item) for value in vars(query).values() if isinstance(value, tuple) for item in value]
    return [(name, type(value), value) for name, value in vars(query).items()], items


def constructed(value: object, **options: Any) -> CustomerLedgerQuery:
    return CustomerLedgerQuery(identifier_name="mobile", identifier_value=value, **options)  # type: ignore[arg-type]  # odd


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_converted_and_checked_as_by_the_constructor(name: str) -> None:
    """The result is the same query or the same error, whatever the value."""
    for value in VALUES:
        expected = outcome_of(constructed, value=MOBILE, **{name: value})

        assert outcome_of(CustomerLedgerQuery.mobile, value=MOBILE, **{name: value}) == expected, value


@pytest.mark.parametrize("name", ["mobile", "email", "customer_id", "external_id"])
def test_every_identifier_is_converted_and_checked_as_by_the_constructor(name: str) -> None:
    """The result is the same query or the same error, whatever the value and the kind of identifier."""
    make = getattr(CustomerLedgerQuery, name)
    kind = make("1").identifier_name

    for value in VALUES:
        expected = outcome_of(CustomerLedgerQuery, identifier_name=kind, identifier_value=value)
        assert outcome_of(make, value=value) == expected, value


@given(st.dictionaries(st.sampled_from(OPTIONS), st.sampled_from(VALUES), min_size=2, max_size=5))
def test_options_are_compared_with_each_other_as_by_the_constructor(options: dict[str, Any]) -> None:
    """Several options make the same query, or are refused by both; of several errors either may be the first."""
    expected = outcome_of(constructed, value=MOBILE, **options)
    outcome = outcome_of(CustomerLedgerQuery.mobile, value=MOBILE, **options)

    assert outcome == expected or expected[0] is outcome[0] is InvalidQueryError


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "till_id": st.sampled_from([None, 0, 5]),
            "till_ids": st.sampled_from([(), [5]]),
            "store_id": st.sampled_from([None, 0]),
            "store_code": st.sampled_from([None, "a"]),
            "start": st.sampled_from([None, date(2024, 1, 2)]),
            "end": st.sampled_from([datetime(2024, 1, 1), datetime(2024, 1, 3), datetime(2024, 1, 1, tzinfo=UTC)]),
            "program_id": st.sampled_from([None, 973]),
            "include_till_concept_events": st.booleans(),
            "include_alternate_currencies": st.booleans(),
            "alternate_currency_names": st.sampled_from([(), "Stars"]),
            "type": st.sampled_from([None, "CUSTOMER", "USERGROUP2"]),
        },
    )
)
def test_right_options_that_exclude_each_other_are_refused(options: dict[str, Any]) -> None:
    """The checks of several fields have the same result and message as in the constructor."""
    expected = outcome_of(constructed, value=MOBILE, **options)

    assert outcome_of(CustomerLedgerQuery.mobile, value=MOBILE, **options) == expected


@pytest.mark.parametrize("keyword", ["tills", "identifier_name", "identifier_value"])
def test_keywords_that_do_not_exist_are_type_errors(keyword: str) -> None:
    """A misspelled option is refused by its name, as is an identifier that is named twice."""
    options: Any = {keyword: "1"}

    with pytest.raises(TypeError, match=keyword):
        CustomerLedgerQuery.mobile(MOBILE, **options)


def test_a_copy_is_a_value_of_its_own() -> None:
    """It pickles, copies, hashes and compares like a constructed query, is frozen, and leaves others as they are."""
    query, other = CustomerLedgerQuery.mobile(MOBILE, till_ids=[2]), CustomerLedgerQuery.mobile("1")

    assert query == constructed(MOBILE, till_ids=[2]) != other
    assert hash(query) == hash(constructed(MOBILE, till_ids=[2]))
    assert repr(query) == repr(constructed(MOBILE, till_ids=[2]))
    assert query.fingerprint_fields() == constructed(MOBILE, till_ids=[2]).fingerprint_fields()
    assert pickle.loads(pickle.dumps(query)) == copy.copy(query) == copy.deepcopy(query) == query  # noqa: S301 - our own
    assert attrs.evolve(query, identifier_value="1", till_ids=()) == other
    assert (other.identifier_value, other.till_ids) == ("1", ())
    for name in ("identifier_value", "new"):
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            setattr(query, name, "2")
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            delattr(query, name)


def test_a_subclass_keeps_its_own_fields_and_checks() -> None:
    """Its class methods return the subclass, with whatever it adds, and its extra fields are sent as before."""

    @attrs.frozen(kw_only=True)
    class IndianQuery(CustomerLedgerQuery):
        circle: str = "KA"

        def __attrs_post_init__(self) -> None:
            if not self.identifier_value.startswith("91"):
                raise InvalidQueryError("not a number of India")

    query = IndianQuery.mobile(MOBILE)
    later = with_changes(query, {"end": datetime(2026, 1, 1)})

    assert later == attrs.evolve(query, end=datetime(2026, 1, 1))
    assert hash(later) == hash(attrs.evolve(query, end=datetime(2026, 1, 1)))
    assert (type(query), query.circle) == (IndianQuery, "KA")
    assert dict(query.fingerprint_fields())["circle"] == "KA"
    assert LedgerRequests(query).page(offset=0, limit=1, order="ASC").params["circle"] == "KA"
    with pytest.raises(InvalidQueryError, match="not a number of India"):
        IndianQuery.mobile("49")
