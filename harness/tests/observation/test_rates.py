"""Wilson's interval against known values, and when two arms are apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.observation.rates import Rate, Rates


@pytest.mark.parametrize(
    ("hits", "runs", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17:857 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_wilsons(hits: int, runs: int, low: float, high: float) -> None:
    assert Rate(hits, runs).interval() == pytest.approx((low, high), abs=5e-5)


@given(st.integers(0, 60).flatmap(lambda runs: st.tuples(st.integers(0, runs), st.just(runs))))
def test_the_interval_holds_the_rate_and_mirrors(pair: tuple[int, int]) -> None:
    hits, runs = pair
    low, high = Rate(hits, runs).interval()
    assert 0 <= low <= high <= 1
    assert not runs or low <= hits / runs <= high
    assert Rate(runs - hits, runs).interval() == pytest.approx((1 - high, 1 - low))


def test_more_hits_than_runs_is_no_rate() -> None:
    with pytest.raises(ValueError, match="2 of 1"):
        Rate(2, 1)


def test_arms_are_settled_once_no_rate_fits_both() -> None:
    assert Rates(Rate(0, 4), Rate(4, 4)).settled and not Rates(Rate(0, 3), Rate(3, 3)).settled
    assert str(Rate(4, 4)) == "4/4 (51% to 100%)"


def test_a_flaky_reproducer_takes_longer() -> None:
    assert not Rates(Rate(0, 4), Rate(2, 4)).settled and Rates(Rate(0, 40), Rate(20, 40)).settled


def test_arms_that_do_the_same_are_never_apart() -> None:
    assert not Rates(Rate(40, 40), Rate(40, 40)).settled
