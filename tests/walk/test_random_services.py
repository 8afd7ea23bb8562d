from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from support.services.describe import describe
from support.services.draw import KINDS, draw_case
from support.services.runner import FAILURES

if TYPE_CHECKING:
    from random import Random

#: Under the profile "fuzz" this one property has so many examples, and few in the usual run.
_EXAMPLES = {"fuzz": 20_000}
_USUAL_EXAMPLES = 200


@settings(
    max_examples=_EXAMPLES.get(settings.get_current_profile_name(), _USUAL_EXAMPLES),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
)
@given(random=st.randoms(use_true_random=False), kinds=st.lists(st.sampled_from(list(KINDS)), max_size=3, unique=True))
def test_no_walk_through_any_service_is_wrong(random: Random, kinds: list[str]) -> None:
    """Whatever a service does, the outcome is exactly the entries, or an error of ours, soon."""
    case = draw_case(random, kinds)

    service = case.service()

    came = case.walk(service)

    note(describe(case, service, came))
    if case.behaviour.totals == "page":  # it states that what it shows is all there is: nothing can prove otherwise
        assert came.outcome != "foreign"
    else:
        assert came.outcome not in FAILURES
