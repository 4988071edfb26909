"""Halving: the boundary is found wherever it is, in as few probes as promised, and never by a skip."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.bisect.search import Answer, Boundary, Step, most, search
from harness.errors import BadInput
from harness.observation.rates import Rate

GOOD, BAD, SKIPPED = Answer.GOOD, Answer.BAD, Answer.SKIPPED


def answering(truth: dict[str, Answer], first: Answer) -> Boundary:
    def probe(name: str) -> Step:
        return Step(name=name, answer=truth[name], reason="so", rate=Rate(truth[name] is BAD, 1))

    return search(list(truth), first, probe)


@given(st.integers(2, 200), st.data(), st.sampled_from([GOOD, BAD]))
def test_every_boundary_is_found_in_time(count: int, data: st.DataObject, first: Answer) -> None:
    at = data.draw(st.integers(1, count - 1))
    other = BAD if first is GOOD else GOOD
    truth = {str(index): first if index < at else other for index in range(count)}
    found = answering(truth, first)
    assert (found.before.name, found.after.name, found.between) == (str(at - 1), str(at), ())
    assert len(found.steps) <= most(count)
    assert found.word == ("introduced" if first is GOOD else "fixed")


@pytest.mark.parametrize(("candidates", "steps"), [(2, 2), (3, 2), (5, 3), (6, 4), (9, 4), (17, 5)])
def test_the_promise_is_log2_and_one(candidates: int, steps: int) -> None:
    assert most(candidates) == steps
    assert candidates == 2 or steps == math.ceil(math.log2(candidates - 1)) + 1


@given(st.integers(2, 60), st.data())
def test_what_cannot_be_judged_only_widens_the_place(count: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, count - 1))
    inner = range(1, count - 1)
    skipped = data.draw(st.sets(st.sampled_from(inner))) if count > 2 else set()
    truth = {
        str(index): SKIPPED if index in skipped else BAD if index < at else GOOD for index in range(count)
    }
    found = answering(truth, BAD)
    low = max(index for index in range(at) if index not in skipped)
    high = min(index for index in range(at, count) if index not in skipped)
    assert (found.before.name, found.after.name) == (str(low), str(high))
    assert [step.name for step in found.between] == [str(index) for index in range(low + 1, high)]
    names = [step.name for step in found.steps]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("answers", "first", "told"),
    [
        ([GOOD, GOOD], GOOD, "1 was given as bad and is good"),
        ([BAD, BAD, BAD], GOOD, "0 was given as good and is bad"),
        ([BAD, BAD, SKIPPED], BAD, "2 was given as good and cannot be judged"),
    ],
)
def test_an_end_that_is_not_what_was_said_is_told(answers: list[Answer], first: Answer, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        answering({str(index): answer for index, answer in enumerate(answers)}, first)


def boundary(bad: Rate, *good: Rate) -> Boundary:
    steps = [Step(name="b", answer=BAD, reason="", rate=bad)]
    steps += [Step(name=f"g{n}", answer=GOOD, reason="", rate=rate) for n, rate in enumerate(good)]
    return Boundary(before=steps[0], after=steps[1], between=(), steps=tuple(steps))


def test_more_runs_make_surer_and_more_good_ones_less_sure() -> None:
    few, many = boundary(Rate(10, 20), Rate(0, 5)), boundary(Rate(10, 20), Rate(0, 40))
    assert few.confidence < many.confidence < 1
    assert boundary(Rate(10, 20), Rate(0, 40), Rate(0, 40)).confidence < many.confidence
    lowest = Rate(10, 20).interval()[0]
    assert many.confidence == pytest.approx(1 - (1 - lowest) ** 40)
    assert not many.always and boundary(Rate(3, 3), Rate(0, 3)).always
