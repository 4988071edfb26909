"""Wilson's interval against known values, and when to stop."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.observation.rates import Rate, until_apart


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


def test_it_stops_once_the_arms_are_apart() -> None:
    rates = until_apart(lambda index: (False, True), most=20)
    assert rates.settled
    assert rates.fixed.runs == rates.reverted.runs == 4
    assert str(rates.reverted) == "4/4 (51% to 100%)"


def test_a_flaky_reproducer_takes_longer_and_keeps_its_rate() -> None:
    rates = until_apart(lambda index: (False, index % 2 == 0), most=40)
    assert rates.settled and 4 < rates.fixed.runs < 40
    assert rates.reverted.hits == (rates.reverted.runs + 1) // 2


def test_arms_that_do_the_same_are_never_apart() -> None:
    rates = until_apart(lambda index: (True, True), most=10)
    assert not rates.settled and rates.fixed.runs == 10
