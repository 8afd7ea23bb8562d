from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.services.describe import describe
from support.services.draw import KINDS, Case, draw_case
from support.services.runner import FAILURES

#: Services of the usual run, by seed.
_SEEDS = range(200)


def assert_right(case: Case) -> None:
    """Assert that a walk gives exactly the entries, or an error of ours, soon."""
    service = case.service()

    came = case.walk(service)

    told = describe(case, service, came)
    if case.behaviour.totals == "page":  # it states that what it shows is all there is: nothing can prove otherwise
        assert came.outcome != "foreign", told
    else:
        assert came.outcome not in FAILURES, told


@pytest.mark.parametrize("seed", _SEEDS)
def test_no_walk_through_a_service_of_this_seed_is_wrong(seed: int) -> None:
    """The outcome is exactly the entries, or an error of ours, soon: the same services in each run."""
    random = Random(seed)
    assert_right(draw_case(random, random.sample(sorted(KINDS), random.randrange(4))))


@pytest.mark.parametrize("seed", [916, 1106, 1316, 2049, 2289, 2381, 2458])
def test_replicas_that_lag_state_less_than_there_is(seed: int) -> None:
    """As many rows as one of them states are not all, where another has stated more."""
    assert_right(draw_case(Random(seed), ["lagging replicas", "new order each time"]))


@pytest.mark.skipif(settings.get_current_profile_name() != "fuzz", reason="other services each time: make fuzz")
@settings(
    max_examples=20_000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
)
@given(random=st.randoms(use_true_random=False), kinds=st.lists(st.sampled_from(list(KINDS)), max_size=3, unique=True))
def test_no_walk_through_any_service_is_wrong(random: Random, kinds: list[str]) -> None:
    """Whatever a service does, the outcome is exactly the entries, or an error of ours, soon."""
    assert_right(draw_case(random, kinds))
