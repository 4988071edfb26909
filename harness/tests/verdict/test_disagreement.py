"""Machine code in an emulator beside the interpreter: what is a disagreement, and what it leads to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.observation import Fault, Observation, Point
from harness.tests.samples import STRAY, arm, case, point
from harness.verdict import Arm, Evidence, EvidenceClass, Verdict, judge
from harness.verdict.disagreement import first

CODE = "machine code of gfx942"
OTHER = Fault(kind="nan", buffer="out")


def launch(**facts: Any) -> dict[str, Any]:
    """A launch of one kernel that wrote one argument."""
    wrote = {"values": [1, 2]}
    out = {"dtype": "int32", "shape": [2], "buffer": "out", "written": [0, 1], "wrote": wrote, **facts}
    return {"event": "launch", "kernel": "fill", "grid": [4], "args": {"out": out}}


def shown(*points: Point) -> Observation:
    seen = arm("fixed", *points).observation
    assert seen is not None
    return seen


def beside(*points: Point, **facts: Any) -> Evidence:
    """Evidence that passes, of arms that are emulated, beside an interpreter that showed these points."""
    told = {"fixed": _emulated(case().fixed), "reverted": _emulated(case().reverted)}
    return case(**{**told, "interpreted": arm("fixed", *points), **facts})


def _emulated(one: Arm) -> Arm:
    assert one.observation and one.observation.attestation
    patches = (f"emulated: {CODE}",)
    attested = replace(one.observation.attestation, patches=patches)
    return replace(one, emulates=CODE, observation=replace(one.observation, attestation=attested))


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ({}, None),
        ({"read": [0, 7]}, None),
        ({"wrote": {"values": [1, 3]}}, "launch 0 of fill: out.wrote.values[1] is 2 in the machine code, 3"),
        ({"written": [0, 2]}, "launch 0 of fill: out.written[1] is 1 in the machine code, 2 in the inter"),
    ],
)
def test_launches_write_the_same_whole_numbers(theirs: dict[str, Any], told: str | None) -> None:
    ours, others = (shown(point(1, trace=(launch(**facts),))) for facts in ({}, theirs))
    found = first(ours, others)
    if told is None:
        assert found is None
    else:
        assert found and found.text.startswith(told)
        assert (found.kernel, found.launch, found.argument) == ("fill", 0, "out")


def _reaching(**facts: Any) -> dict[str, Any]:
    """The same launch, which stores in a tensor that it found by an address in memory."""
    pool = {"buffer": "pool", "dtype": "int32", "shape": [2], "written": [0, 0], "wrote": {"values": [7]}}
    return {**launch(), "reached": [{**pool, **facts}]}


def test_what_was_reached_by_an_address_is_compared_too() -> None:
    ours = shown(point(1, trace=(_reaching(),)))
    assert first(ours, ours) is None
    found = first(ours, shown(point(1, trace=(_reaching(wrote={"values": [8]}),))))
    assert found and found.argument == "pool" and "pool.wrote.values[0] is 7 in the" in found.text
    found = first(shown(point(1, trace=(launch(),))), ours)
    assert found and found.argument == "pool"
    only_read = {**launch(), "reached": [{"buffer": "pool", "dtype": "int32", "shape": [2], "read": [0, 1]}]}
    assert first(shown(point(1, trace=(only_read,))), shown(point(1, trace=(launch(),)))) is None


@pytest.mark.parametrize(("mean", "agree"), [(0.51, True), (0.56, False)])
def test_floats_may_be_a_little_apart(mean: float, agree: bool) -> None:
    trace = (launch(wrote={"summary": {"mean": 0.5}}),)
    other = (launch(wrote={"summary": {"mean": mean}}),)
    assert (first(shown(point(1, trace=trace)), shown(point(1, trace=other))) is None) is agree


def test_behind_the_same_stray_access_nothing_is_compared() -> None:
    ours, theirs = point(1, STRAY, results={"a": 1}), point(1, STRAY, results={"a": 2})
    assert first(shown(ours), shown(theirs)) is None
    found = first(shown(replace(ours, faults=())), shown(theirs))
    assert found and found.text.startswith(f"no fault in the machine code, {STRAY.signature} in the inter")


def test_launches_that_are_missing_or_of_another_kernel() -> None:
    ours = shown(point(1, trace=(launch(), launch())))
    found = first(ours, shown(point(1, trace=(launch(),))))
    assert found and found.text == "2 launches in the machine code, 1 in the interpreter"
    found = first(ours, shown(point(1, trace=({**launch(), "kernel": "drain"}, launch()))))
    assert found and found.text == "launch 0 is of fill [4], and drain [4] there"
    found = first(ours, shown(point(2)))
    assert found and found.text == "the interpreter showed no such point"


def test_agreement_passes_as_emulated() -> None:
    evidence = beside(point(16), point(1))
    judged = judge(evidence)
    assert judged.verdict is Verdict.PASS and judged.reason.endswith(f"emulated: {CODE}")
    assert evidence.weight is EvidenceClass.EMULATED


@pytest.mark.parametrize(
    ("facts", "verdict", "told"),
    [
        ({"fixed": [point(16, OTHER), point(1)]}, Verdict.UNRESOLVED, "disagreement with the interpreter"),
        ({"seen": [point(16, OTHER), point(1)]}, Verdict.UNRESOLVED, "disagreement with the interpreter"),
        (
            {"fixed": [point(16, OTHER), point(1)], "seen": [point(16, OTHER), point(1)]},
            Verdict.REGRESSED,
            OTHER.signature,
        ),
    ],
)
def test_only_what_both_show_is_a_regression(facts: dict[str, Any], verdict: Verdict, told: str) -> None:
    fixed = {"fixed": _emulated(arm("fixed", *facts["fixed"]))} if "fixed" in facts else {}
    judged = judge(beside(*facts.get("seen", [point(16), point(1)]), **fixed))
    assert judged.verdict is verdict and told in judged.reason


def test_an_interpreter_that_proves_nothing_is_no_second_opinion() -> None:
    lost = beside(point(16), interpreted=Arm())
    assert judge(lost).reason == "interpreted arm: nothing came back"
    assert judge(lost).verdict is Verdict.UNRESOLVED


@pytest.mark.parametrize("name", ["fixed", "reverted"])
def test_an_opcode_that_is_missing_is_unsupported_in_either_arm(name: str) -> None:
    good = beside(point(16), point(1))
    seen = arm(name, unresolved="ended as exception", unsupported="fill on gfx942: v_sin_f32")
    changed: dict[str, Any] = {name: replace(seen, emulates=CODE)}
    judged = judge(replace(good, **changed))
    assert judged.verdict is Verdict.UNSUPPORTED
    assert judged.reason == f"{name} arm: the emulator does not implement fill on gfx942: v_sin_f32"


def test_an_arm_that_attests_no_emulation_proves_nothing() -> None:
    plain = replace(arm("fixed", point(16), point(1)), emulates=CODE)
    judged = judge(beside(point(16), point(1), fixed=plain))
    assert judged.verdict is Verdict.UNRESOLVED
    assert judged.reason == f"fixed arm: it does not attest that it emulated {CODE}"
