"""The points of a parameter space, and what is smaller than a point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import BadInput, FactsError
from harness.facts import Boolean, Choice, Grid, Integer, Integers, KernelCase, KernelLab, Lists, watch
from harness.sweep import space


def call(lab: KernelLab, *, page: int, lens: tuple[int, ...], mode: str) -> Mapping[str, Any]:
    return {}


def fits(params: Mapping[str, Any]) -> None:
    if sum(params["lens"]) > 40:
        raise BadInput("lens: too long")


CASE = KernelCase(
    call=call,
    imports=(),
    check=fits,
    params={
        "page": Integer(4, sweep=(1, 2, 8)),
        "lens": Integers((3, 5), sweep=Lists(lengths=(1, 2), values=(1, 7, 30))),
        "mode": Choice("a", ("a", "b")),
    },
    grid=Grid(page=[4, 16]),
    watch=watch("oob-write"),
)


def test_axes_are_sweeps_grids_defaults_and_every_word() -> None:
    page, lens, mode = space.axes(CASE)
    assert list(page) == [1, 2, 4, 8, 16] and list(mode) == ["a", "b"]
    assert len(lens) == len(list(lens)) == 1 + 3 + 9 and (30, 7) in list(lens)
    assert space.size([page, lens, mode]) == 5 * 13 * 2


def padded(lab: KernelLab, *, rows: int, pad: bool) -> Mapping[str, Any]:
    return {}


def test_a_boolean_has_two_values_of_which_no_is_the_smaller() -> None:
    case = KernelCase(
        call=padded,
        imports=(),
        params={"rows": Integer(2, sweep=(1, 2)), "pad": Boolean(True)},
        grid=Grid(pad=[False, True]),
        watch=watch("oob-write"),
    )
    assert list(space.axes(case)[1]) == [False, True]
    assert len(space.points(case, seed=0, limit=100)) == 4
    assert {"rows": 2, "pad": False} in space.smaller(case, {"rows": 2, "pad": True})
    assert space.smaller(case, {"rows": 1, "pad": False}) == []


def test_a_small_space_is_walked_whole_without_what_means_nothing() -> None:
    points = space.points(CASE, seed=0, limit=1000)
    assert points[0] == CASE.default and len({space.key(point) for point in points}) == len(points)
    assert len(points) == 5 * (13 - 1) * 2  # (30, 30) is too long
    assert all(sum(point["lens"]) <= 40 for point in points)


def test_a_large_one_is_sampled_alike_for_one_seed() -> None:
    points = space.points(CASE, seed=7, limit=20)
    assert points == space.points(CASE, seed=7, limit=20) != space.points(CASE, seed=8, limit=20)
    assert len(points) == 20 and points[0] == CASE.default
    assert {len(point["lens"]) for point in points} == {1, 2}


def test_a_point_that_means_nothing_is_left_out() -> None:
    assert space.means_something(CASE, CASE.default)
    assert not space.means_something(CASE, {**CASE.default, "lens": (30, 30)})
    assert not space.means_something(CASE, {**CASE.default, "page": 0})


POINTS = st.fixed_dictionaries(
    {
        "page": st.integers(1, 64),
        "lens": st.lists(st.integers(1, 20), min_size=1, max_size=2).map(tuple),
        "mode": st.sampled_from(["a", "b"]),
    }
)


@given(POINTS)
def test_smaller_points_are_smaller_accepted_and_sorted(point: dict[str, Any]) -> None:
    smaller = space.smaller(CASE, point)
    weights = [space.weight(CASE, one) for one in smaller]
    assert weights == sorted(weights) and all(weight < space.weight(CASE, point) for weight in weights)
    assert all(space.means_something(CASE, one) for one in smaller)
    assert bool(smaller) is (space.weight(CASE, point) > space.weight(CASE, SMALLEST))


SMALLEST = {"page": 1, "lens": (1,), "mode": "a"}


def test_nothing_is_smaller_than_the_smallest() -> None:
    assert space.smaller(CASE, SMALLEST) == []


def test_numbers_that_belong_together_shrink_together() -> None:
    def reaches(params: Mapping[str, Any]) -> None:
        if params["lens"][0] < params["page"]:
            raise BadInput("lens: shorter than a page")

    case = KernelCase(
        call=call, imports=(), check=reaches, params={**CASE.params, "page": Integer(3)}, watch=CASE.watch
    )
    smaller = space.smaller(case, {"page": 16, "lens": (16,), "mode": "a"})
    assert {"page": 8, "lens": (8,), "mode": "a"} in smaller


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Integer(4, sweep=(0, 1)), "goes below 1"),
        (lambda: Integers((1,), sweep=Lists((1,), (0,))), "goes below 1"),
        (lambda: Integers((1,), sweep=Lists((0,), (1,))), "shorter than 1"),
        (lambda: Lists((), (1,)), "no lengths"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_at_once(make: Any, problem: str) -> None:
    with pytest.raises(FactsError, match=problem):
        make()
