"""Repeating a case: when it stops, and what it says of arms that fault now and then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.facts import Tier
from harness.observation.rates import Rates
from harness.suite import Judged, Request, Suite, repeat
from harness.suite.repeat import repeated, summed
from harness.tests.samples import STRAY, arm, case, point, result
from harness.tests.toyland.bench import subject
from harness.verdict import Evidence, Verdict, judge

REQUEST = Request(reproducer=subject("pr202_wrong_token"), tier=Tier.SERVER)


def run(fixed: bool = False, reverted: bool = True, **facts: Any) -> Judged:
    """A run in which these arms faulted."""
    arms = {"fixed": arm("fixed", _point(fixed)), "reverted": arm("reverted", _point(reverted))}
    own: dict[str, Any] = {**arms, "golden": None, "points": ()}
    evidence = case(**{**own, **facts})
    return Judged(result=result(judge(evidence), evidence), evidence=evidence)


def _point(faulty: bool) -> Any:
    return point(16, *([STRAY] if faulty else []))


class Played:
    """A suite whose runs are known beforehand."""

    def __init__(self, runs: Sequence[Judged]) -> None:
        self.left = list(runs)

    def run(self, requests: Sequence[Request]) -> Iterator[Judged]:
        assert requests == [REQUEST]
        yield self.left.pop(0)


def play(*runs: Judged, most: int = 20) -> list[Judged]:
    return list(repeated(REQUEST, cast(Suite, Played(runs)), most))


def test_it_stops_as_soon_as_the_arms_are_surely_apart() -> None:
    runs = play(*[run()] * 20)
    assert len(runs) == 4  # Wilson's intervals of 0 and of 4 in 4 are apart; those of 3 in 3 are not
    total = summed(runs).result
    assert total.verdict is Verdict.UNRECORDED
    assert {name: (rate["faults"], rate["runs"]) for name, rate in total.rates.items()} == {
        "fixed": (0, 4), "reverted": (4, 4),
    }  # fmt: skip
    assert total.seconds == pytest.approx(4 * runs[0].result.seconds)
    assert "faults in 0/4 (0% to 49%) runs of the fixed arm, 4/4 (51% to 100%) runs of the reverted arm" in (
        total.reason
    )


def test_a_flaky_bug_is_run_as_often_as_asked_and_never_passes_by_luck() -> None:
    runs = play(run(), run(reverted=False), run(), run(reverted=False), most=4)
    total = summed(runs).result
    assert len(runs) == 4 and total.verdict is Verdict.TOOTHLESS
    assert total.rates["reverted"]["faults"] == 2


def test_one_faulty_run_of_the_fixed_arm_is_the_verdict() -> None:
    total = summed(play(run(), run(fixed=True), run(), most=3)).result
    assert total.verdict is Verdict.REGRESSED and total.rates["fixed"]["faults"] == 1


def test_an_unsupported_case_is_asked_once() -> None:
    lacking = run(missing=("cuda", "rocm"))
    runs = play(lacking, lacking)
    assert len(runs) == 1 and summed(runs).result.verdict is Verdict.UNSUPPORTED


def test_where_no_arm_ran_no_rate_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeat, "_rates", lambda results: Rates())
    lacking = run(missing=("cuda", "rocm"))
    assert summed([lacking]).result.reason == lacking.result.reason == "this machine lacks cuda, rocm"


def test_an_arm_of_which_nothing_came_back_is_in_no_rate() -> None:
    lost = case(golden=None, fixed=arm("fixed", unresolved="its fork server ended"))
    total = summed(play(run(), Judged(result=result(judge(lost), lost), evidence=lost), most=2)).result
    assert total.verdict is Verdict.UNRESOLVED
    assert (total.rates["fixed"]["runs"], total.rates["reverted"]["runs"]) == (1, 2)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=8))
def test_the_sum_is_the_worst_of_its_runs(seen: list[tuple[bool, bool]]) -> None:
    runs = [run(*each) for each in seen]
    verdicts = {each.result.verdict for each in runs}
    total = summed(runs).result
    assert total.verdict in verdicts
    assert (total.verdict is Verdict.REGRESSED) is any(fixed for fixed, _ in seen)
    assert total.rates["reverted"]["faults"] == sum(reverted for _, reverted in seen)


def test_evidence_of_the_worst_run_is_kept() -> None:
    worst = run(fixed=True)
    assert isinstance(summed([run(), worst]).evidence, Evidence)
    assert summed([run(), worst]).evidence is worst.evidence
