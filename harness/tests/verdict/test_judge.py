"""Every row of the verdict table, the order of judgement, and what can never pass."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import BadInput, GoldenError
from harness.facts import Bug, Expect, Integer, KernelCase, KernelLab, Reproducer, Revert, edit, faults, watch
from harness.facts.place import CPU, CaseKey, Tier
from harness.observation import Attestation, Exit, Fault, Module, Point
from harness.tests.samples import (
    FUNCTION,
    LAUNCH,
    PROVENANCE,
    REVERTED_HASH,
    STRAY,
    TREE,
    arm,
    case,
    expecting,
    golden,
    point,
    replaced,
    result,
)
from harness.verdict import (
    Arm,
    Evidence,
    EvidenceClass,
    Judgement,
    Verdict,
    conclude,
    exit_code,
    golden_of,
    judge,
)

OTHER = Fault(kind="nan", buffer="out")
SMALLER = replace(STRAY, last=9, count=2)


def verdict(evidence: Evidence) -> Verdict | None:
    return judge(evidence).verdict


def test_the_table_has_nine_verdicts_and_two_of_them_succeed() -> None:
    assert len(Verdict) == 9
    assert {one for one in Verdict if one.success} == {Verdict.PASS, Verdict.UNSUPPORTED}


# --- each row ----------------------------------------------------------------------------------


def test_pass_tells_what_the_reverted_arm_showed() -> None:
    assert judge(case()) == Judgement(Verdict.PASS, f"reverted arm faults: {STRAY.signature}")


def test_a_missing_feature_is_unsupported_and_named() -> None:
    judgement = judge(case(missing=("aiter", "rocm")))
    assert judgement == Judgement(Verdict.UNSUPPORTED, "this machine lacks aiter, rocm")


def attested(name: str, **facts: Any) -> Attestation:
    """An arm's own attestation, with some of it changed."""
    seen = arm(name).observation
    assert seen is not None
    assert seen.attestation is not None
    return replace(seen.attestation, **facts)


UNPROVEN: list[tuple[dict[str, Any], str]] = [
    ({"unresolved": "the launch\nfailed"}, "the launch failed"),
    ({"attestation": None}, "no attestation"),
    ({"attestation": {"modules": ()}}, "toy.pages was never loaded"),
    ({"attestation": {"entered": ()}}, "none of Pages.count was entered"),
    ({"points": ()}, "no point was observed"),
]


@pytest.mark.parametrize("name", ["fixed", "reverted"])
@pytest.mark.parametrize(("facts", "reason"), UNPROVEN)
def test_an_arm_that_proves_nothing_is_unresolved(name: str, facts: dict[str, Any], reason: str) -> None:
    facts = {
        key: attested(name, **value) if isinstance(value, dict) else value for key, value in facts.items()
    }
    judgement = judge(replaced(case(), name, **facts))
    assert judgement == Judgement(Verdict.UNRESOLVED, f"{name} arm: {reason}")


def test_what_kept_an_arm_from_the_function_is_told() -> None:
    ended = point(16, STRAY, Fault(kind="exception", message="no interface"))
    judgement = judge(replaced(case(), "fixed", points=(ended,), attestation=attested("fixed", entered=())))
    told = "none of Pages.count was entered; seen before: exception (no interface)"
    assert judgement == Judgement(Verdict.UNRESOLVED, f"fixed arm: {told}")


@pytest.mark.parametrize("name", ["fixed", "reverted"])
def test_an_arm_that_ran_other_code_is_unresolved(name: str) -> None:
    module = Module(name="toy.pages", path="toy/pages.py", sha256="d" * 64)
    lying = Attestation(tree=TREE, root="/trees/toy", modules=(module,), entered=(FUNCTION,))
    judgement = judge(replaced(case(), name, attestation=lying))
    assert judgement.verdict is Verdict.UNRESOLVED
    assert "was loaded as dddddddddddd" in judgement.reason


@pytest.mark.parametrize("name", ["fixed", "reverted"])
def test_an_arm_that_did_not_come_back_is_unresolved(name: str) -> None:
    judgement = judge(case(**{name: Arm()}))
    assert judgement == Judgement(Verdict.UNRESOLVED, f"{name} arm: nothing came back")


@pytest.mark.parametrize("name", ["fixed", "reverted"])
def test_attesting_nothing_is_no_attestation(name: str) -> None:
    old = getattr(case(), name)
    judgement = judge(case(**{name: replace(old, wanted={}, functions=())}))
    assert judgement == Judgement(Verdict.UNRESOLVED, f"{name} arm: no module was named that it must attest")


def test_an_arm_that_crashed_without_a_fault_is_unresolved() -> None:
    judgement = judge(replaced(case(), "fixed", exit=Exit(how="crash", signal="SIGSEGV")))
    assert judgement.reason == "fixed arm: it ended by crash, and no fault accounts for that"


def test_a_reverted_arm_that_ran_the_fixed_modules_is_unresolved() -> None:
    evidence = case()
    fixed = evidence.fixed.observation
    assert fixed is not None
    same = replace(evidence.reverted, wanted=evidence.fixed.wanted)
    evidence = replaced(replace(evidence, reverted=same), "reverted", attestation=fixed.attestation)
    assert judge(evidence).reason == "reverted arm: its modules are those of the fixed arm"


@pytest.mark.parametrize("name", ["fixed", "reverted"])
def test_a_point_that_an_arm_does_not_show_is_unresolved(name: str) -> None:
    shown = point(16) if name == "fixed" else point(16, STRAY)
    evidence = replaced(case(points=({"page_size": 16}, {"page_size": 1})), name, points=(shown,))
    judgement = judge(evidence)
    assert judgement == Judgement(Verdict.UNRESOLVED, f"{name} arm: the point page_size=1 was not observed")


def test_a_point_behind_a_crash_is_told_with_the_crash() -> None:
    crash = Fault(kind="crash", message="SIGSEGV")
    ended = arm("reverted", point(16, crash), exit=Exit(how="crash", signal="SIGSEGV", code=-11))
    judgement = judge(case(reverted=ended))
    assert judgement.verdict is Verdict.UNRESOLVED
    told = "the point page_size=1 was not observed, because the arm ended by crash at page_size=16"
    assert told in judgement.reason


def test_a_fault_in_the_fixed_arm_is_a_regression_at_every_point() -> None:
    assert verdict(replaced(case(), "fixed", points=(point(16, SMALLER), point(1)))) is Verdict.REGRESSED
    judgement = judge(replaced(case(), "fixed", points=(point(16), point(1, STRAY))))
    assert judgement.verdict is Verdict.REGRESSED
    assert judgement.reason == f"fixed arm faults at page_size=1: {STRAY.signature}"


def test_a_golden_of_another_release_is_told() -> None:
    reason = f"reverted arm faults: {STRAY.signature}"
    assert judge(case(tree="newer")) == Judgement(Verdict.PASS, f"{reason}; golden of 9.9.9")
    assert judge(case()) == Judgement(Verdict.PASS, reason)
    unnamed = replace(golden(case()), provenance={"tree": TREE})
    assert judge(case(tree="newer", golden=unnamed)).reason == reason


OLDER = "1.2 has the fix, and this tree is 1.1 as published"


def test_a_tree_that_never_had_the_fix_is_told_apart_from_one_that_lost_it() -> None:
    shown = replaced(case(unfixed=OLDER, stale="gone"), "fixed", points=(point(16, SMALLER), point(1)))
    told = f"not fixed in this release yet: {OLDER}; fixed arm faults: {SMALLER.signature}"
    assert judge(shown) == Judgement(Verdict.UNFIXED, told)
    assert verdict(replace(shown, unfixed=None)) is Verdict.REGRESSED


@pytest.mark.parametrize(
    "points",
    [
        (point(16, OTHER), point(1)),  # another fault
        (point(16), point(1, STRAY)),  # not where the bug is
    ],
)
def test_an_old_tree_that_faults_in_another_way_is_a_regression(points: tuple[Point, ...]) -> None:
    assert verdict(replaced(case(unfixed=OLDER), "fixed", points=points)) is Verdict.REGRESSED


def test_an_old_release_may_have_other_bugs_too() -> None:
    more = replaced(case(unfixed=OLDER), "fixed", points=(point(16, STRAY, OTHER), point(1, STRAY)))
    assert verdict(more) is Verdict.UNFIXED


def test_an_old_release_may_call_its_kernel_otherwise() -> None:
    named = replaced(case(unfixed=OLDER), "fixed", points=(point(16, replace(STRAY, kernel="old")), point(1)))
    assert verdict(named) is Verdict.UNFIXED


def test_an_old_tree_that_is_clean_is_not_unfixed() -> None:
    assert verdict(case(unfixed=OLDER)) is Verdict.PASS
    assert verdict(case(unfixed=OLDER, stale="gone", reverted=Arm())) is Verdict.STALE


def test_a_configuration_and_a_control_have_no_fix_that_could_be_missing() -> None:
    shown = replaced(case(unfixed=OLDER), "fixed", points=(point(16, STRAY), point(1)))
    assert verdict(replace(shown, expect=None)) is Verdict.REGRESSED
    assert verdict(replace(shown, control=True)) is Verdict.REGRESSED


def test_a_crash_that_left_points_unseen_is_still_a_regression() -> None:
    crash = Fault(kind="crash", message="SIGSEGV")
    evidence = replaced(case(), "fixed", points=(point(16, crash),), exit=Exit(how="crash", signal="SIGSEGV"))
    assert verdict(evidence) is Verdict.REGRESSED


def test_another_result_of_the_fixed_arm_is_a_regression_on_any_tree() -> None:
    changed = point(1, results={**point(1).results, "lengths": {"values": [1, 3]}})
    judgement = judge(replaced(case(tree="other"), "fixed", points=(point(16), changed)))
    assert judgement.verdict is Verdict.REGRESSED
    assert "differs from its golden at page_size=1: results.lengths.dtype" in judgement.reason


def test_a_stale_revert_says_what_was_looked_for() -> None:
    judgement = judge(case(stale="Pages.count: `n + 1`\nfound 2 times", reverted=Arm()))
    assert judgement == Judgement(Verdict.STALE, "Pages.count: `n + 1` found 2 times")


def test_a_clean_reverted_arm_is_toothless_with_the_measured_reason() -> None:
    measured = point(16, notes=("64 of 80 entries used",))
    judgement = judge(replaced(case(), "reverted", points=(measured, point(1))))
    assert judgement == Judgement(Verdict.TOOTHLESS, "reverted arm is clean: 64 of 80 entries used")
    judgement = judge(replaced(case(), "reverted", points=(point(16), point(1))))
    assert judgement.reason == "reverted arm is clean: no watched fault"


def test_a_grid_point_that_should_bite_and_does_not_is_toothless() -> None:
    evidence = case(expect=expecting(only=None), golden=None)
    assert judge(evidence) == Judgement(
        Verdict.TOOTHLESS, "reverted arm is clean at page_size=1: no watched fault"
    )


def test_a_grid_point_that_should_stay_clean_and_does_not_is_changed() -> None:
    judgement = judge(replaced(case(golden=None), "reverted", points=(point(16, STRAY), point(1, OTHER))))
    assert judgement.verdict is Verdict.CHANGED
    told = f"reverted arm faults at page_size=1: {OTHER.signature}; it must stay clean there"
    assert judgement.reason == told


def test_grid_points_keep_the_types_that_the_reproducer_gave_them() -> None:
    asked = ({"lens": (1, 2)}, {"lens": (3,)})
    seen = [Point(params={"lens": [1, 2]}, faults=(STRAY,)), Point(params={"lens": [3]})]
    evidence = case(
        expect=expecting(only={"lens": [(1, 2)]}),
        fixed=arm("fixed", *(replace(one, faults=()) for one in seen)),
        reverted=arm("reverted", replace(seen[0]), replace(seen[1], faults=(STRAY,))),
        points=asked, golden=None,
    )  # fmt: skip
    assert verdict(evidence) is Verdict.CHANGED
    bites = case(expect=expecting(only={"lens": [(1, 2), (3,)]}), fixed=evidence.fixed,
                 reverted=evidence.reverted, points=asked, golden=None)  # fmt: skip
    assert verdict(bites) is Verdict.UNRECORDED


@pytest.mark.parametrize(
    "expect",
    [expecting("nan"), expecting(buffer="other"), expecting(kernel="other")],
    ids=["kind", "buffer", "kernel"],
)
def test_another_fault_than_the_expected_one_is_changed(expect: Expect) -> None:
    judgement = judge(case(expect=expect))
    assert judgement.verdict is Verdict.CHANGED
    assert judgement.reason.endswith("was expected")


def test_without_a_golden_it_is_unrecorded() -> None:
    judgement = judge(case(golden=None))
    assert judgement.verdict is Verdict.UNRECORDED
    assert "refault record" in judgement.reason


def test_a_golden_of_another_grid_is_unrecorded_and_names_the_point() -> None:
    wider = case(fixed=arm("fixed", point(16), point(1), point(2)),
                 reverted=arm("reverted", point(16, STRAY), point(1), point(2)))  # fmt: skip
    assert "lacks the fixed arm's point page_size=2" in judge(wider).reason
    narrower = case(fixed=arm("fixed", point(16)), reverted=arm("reverted", point(16, STRAY)))
    assert "has a fixed arm's point page_size=1 that is gone" in judge(narrower).reason
    assert verdict(wider) is verdict(narrower) is Verdict.UNRECORDED


@pytest.mark.parametrize("kept", ["fixed", "reverted"])
def test_a_golden_that_lost_an_arm_does_not_pass(kept: str) -> None:
    whole = case().golden
    assert whole is not None
    assert verdict(case(golden=replace(whole, arms={kept: whole.arms[kept]}))) is Verdict.UNRECORDED


def test_another_fault_than_the_golden_one_is_changed() -> None:
    judgement = judge(replaced(case(tree="other"), "reverted", points=(point(16, SMALLER), point(1))))
    assert judgement.verdict is Verdict.CHANGED
    assert f"golden {STRAY.signature}, seen {SMALLER.signature}" in judgement.reason


RAISED = Fault(kind="exception", message="RuntimeError in Pages.count: sizes (5) and (6) differ")
ELSEWHERE = replace(RAISED, message="RuntimeError in Pages.tally: the size of a tensor must match")


def renamed(golden_fault: Fault, seen: Fault, tree: str) -> Judgement:
    """The judgement of a reverted arm that shows another fault than its golden, on some tree."""
    expect = expecting(golden_fault.kind)
    stored = golden(
        case(expect=expect, reverted=arm("reverted", point(16, golden_fault), point(1)), golden=None)
    )
    return judge(
        case(expect=expect, reverted=arm("reverted", point(16, seen), point(1)), golden=stored, tree=tree)
    )


@pytest.mark.parametrize(
    ("golden_fault", "seen"),
    [(RAISED, ELSEWHERE), (STRAY, replace(STRAY, kernel="fill_rows"))],
    ids=["exception", "kernel"],
)
def test_names_and_wording_bind_on_the_golden_s_own_tree_and_drift_elsewhere(
    golden_fault: Fault, seen: Fault
) -> None:
    line = f"faults: golden {golden_fault.signature}, seen {seen.signature}"
    here, elsewhere = renamed(golden_fault, seen, TREE), renamed(golden_fault, seen, "other")
    assert (here.verdict, here.drift) == (Verdict.CHANGED, ())
    assert here.reason == f"reverted arm differs from its golden: {line}"
    assert (elsewhere.verdict, elsewhere.drift) == (Verdict.PASS, (f"reverted arm: {line}",))


@pytest.mark.parametrize(
    ("golden_fault", "seen"),
    [
        (RAISED, replace(RAISED, message="IndexError in Pages.count: sizes (5) and (6) differ")),
        (RAISED, replace(RAISED, process="scheduler")),
        (STRAY, replace(STRAY, buffer="row")),
        (STRAY, replace(STRAY, kernel="fill_rows", count=5)),
        (replace(OTHER, message="of what was never written"), replace(OTHER, message="of a division")),
    ],
)
def test_what_a_fault_is_binds_on_every_tree(golden_fault: Fault, seen: Fault) -> None:
    judgement = renamed(golden_fault, seen, "other")
    assert judgement.verdict is Verdict.CHANGED
    assert f"golden {golden_fault.signature}, seen {seen.signature}" in judgement.reason


def test_other_names_at_several_points_drift_in_one_line() -> None:
    evidence = case(
        expect=expecting(only=None), golden=None, reverted=arm("reverted", point(16, STRAY), point(1, STRAY))
    )
    named = replace(STRAY, kernel="fill_rows")
    seen = replaced(
        replace(evidence, golden=golden(evidence), tree="other"),
        "reverted",
        points=(point(16, named), point(1, named)),
    )
    (line,) = judge(seen).drift
    assert line.endswith(f"seen {named.signature}; faults at 1 other points have other names too")


def led_elsewhere(tree: str, *, seen: Fault | None) -> Judgement:
    """The judgement of a reverted arm whose second point depends on the release."""
    expect = expecting(only=None, varies={"page_size": [1]})
    recorded = arm("reverted", point(16, STRAY), point(1, STRAY))
    stored = golden(case(expect=expect, reverted=recorded, golden=None))
    shown = arm("reverted", point(16, STRAY), point(1, *([seen] if seen else [])))
    return judge(case(expect=expect, reverted=shown, golden=stored, tree=tree))


def test_what_the_undone_fix_leads_to_may_hang_on_the_release_where_that_is_declared() -> None:
    here, elsewhere = led_elsewhere(TREE, seen=OTHER), led_elsewhere("other", seen=OTHER)
    line = f"faults: golden {STRAY.signature}, seen {OTHER.signature}"
    assert here.verdict is Verdict.CHANGED and line in here.reason
    assert (elsewhere.verdict, elsewhere.drift) == (Verdict.PASS, (f"reverted arm at page_size=1: {line}",))


def test_where_it_hangs_on_the_release_a_fault_is_due_all_the_same() -> None:
    assert led_elsewhere("other", seen=None).verdict is Verdict.TOOTHLESS


# --- traces ------------------------------------------------------------------------------------

PARTED = ({"event": "phase", "name": "replay"}, {**LAUNCH, "grid": [8]})


@pytest.mark.parametrize(
    ("name", "strays", "expected"),
    [("fixed", (), Verdict.REGRESSED), ("reverted", (STRAY,), Verdict.CHANGED)],
)
def test_the_trace_binds_on_the_golden_tree_only(name: str, strays: Any, expected: Verdict) -> None:
    parted = point(16, *strays, trace=PARTED)
    line = "trace differs from event 1 of 2 on (launch fill), event.grid[0]: golden 4, seen 8"
    here = judge(replaced(case(), name, points=(parted, point(1))))
    assert (here.verdict, here.drift) == (expected, ())
    remedy = "`refault record pr1_pages --tier kernel --update` replaces its golden"
    changed = f"; nothing else differs there: if the reproducer itself was changed, {remedy}"
    assert here.reason == f"{name} arm differs from its golden: {line}{changed}"
    elsewhere = judge(replaced(case(tree="other"), name, points=(parted, point(1))))
    assert (elsewhere.verdict, elsewhere.drift) == (Verdict.PASS, (f"{name} arm: {line}",))


def test_no_golden_is_to_be_replaced_where_more_than_the_trace_differs() -> None:
    lost = replace(point(16, trace=PARTED), results={})
    reason = judge(replaced(case(), "fixed", points=(lost, point(1)))).reason
    assert "results" in reason and "trace differs from event 1" in reason and "--update" not in reason


def test_an_unknown_tree_never_binds_a_trace() -> None:
    unknown = replace(case(golden=None), tree="")
    stored = golden(unknown)
    evidence = replaced(replace(unknown, golden=stored), "fixed", points=(point(16, trace=PARTED), point(1)))
    assert verdict(evidence) is Verdict.PASS


def test_traces_of_other_points_bind_by_their_digest_and_drift_in_one_line() -> None:
    parted = (point(16), point(1, trace=PARTED))
    assert verdict(replaced(case(), "fixed", points=parted)) is Verdict.REGRESSED
    both = (point(16, trace=PARTED), point(1, trace=PARTED))
    judgement = judge(replaced(case(tree="other"), "fixed", points=both))
    assert judgement.verdict is Verdict.PASS
    assert [line.endswith("; traces of 1 other points differ too") for line in judgement.drift] == [True]


def test_the_last_bits_of_a_float_do_not_fail_a_trace() -> None:
    near = {**LAUNCH, "wrote": {"rms": 0.5000001, "shape": [4]}}
    trace = ({"event": "phase", "name": "replay"}, near)
    evidence = replaced(case(), "fixed", points=(point(16, trace=trace), point(1, trace=trace)))
    assert verdict(evidence) is Verdict.PASS


def test_findings_are_drift_and_never_a_verdict() -> None:
    judgement = judge(replaced(case(), "fixed", points=(point(16, findings=(OTHER,)), point(1))))
    assert judgement.verdict is Verdict.PASS
    assert judgement.drift == (f"fixed arm: findings: golden absent, seen {OTHER.signature}",)


# --- the order ---------------------------------------------------------------------------------


def test_the_order_of_the_table_holds() -> None:
    """Spoil everything, then mend one step after the other: the verdicts come in the table's order."""
    stale, faulty = "Pages.count: nothing like it", arm("fixed", point(16, STRAY), point(1))
    steps: list[dict[str, Any]] = [
        {"missing": ()},
        {"fixed": faulty},
        {"fixed": case().fixed},
        {"stale": None},
        {"reverted": arm("reverted", point(16), point(1))},
        {"reverted": arm("reverted", point(16, OTHER), point(1))},
        {"reverted": case().reverted},
        {"golden": case().golden},
    ]
    evidence = case(missing=("hip",), fixed=Arm(), stale=stale, reverted=Arm(), golden=None)
    seen = [verdict(evidence)]
    for step in steps:
        evidence = replace(evidence, **step)
        seen.append(verdict(evidence))
    order = "UNSUPPORTED UNRESOLVED REGRESSED STALE UNRESOLVED TOOTHLESS CHANGED UNRECORDED PASS"
    assert [one and one.value for one in seen] == order.split()


def test_a_lost_fix_is_worse_news_than_a_stale_revert() -> None:
    gone = case(stale="gone", fixed=arm("fixed", point(16, STRAY), point(1)), reverted=Arm())
    assert verdict(gone) is Verdict.REGRESSED
    stale = case(stale="gone", reverted=Arm())
    differing = replaced(stale, "fixed", points=(point(16, results={}), point(1)))
    assert verdict(differing) is Verdict.REGRESSED


# --- by hand, and one arm ------------------------------------------------------------------------


def by_hand(**facts: Any) -> Evidence:
    own = {"fixed": arm("fixed", point(3)), "reverted": arm("reverted", point(3, OTHER)), "by_hand": True}
    return case(**{**own, **facts})


def test_a_point_by_hand_passes_without_a_golden_and_with_any_watched_fault() -> None:
    assert verdict(by_hand(golden=None)) is verdict(by_hand()) is Verdict.PASS


def test_a_golden_says_nothing_about_a_point_by_hand() -> None:
    other = point(16, results={}, findings=(OTHER,), trace=())
    hand = case(
        by_hand=True, fixed=arm("fixed", other), reverted=arm("reverted", replace(other, faults=(STRAY,)))
    )
    assert judge(hand) == Judgement(Verdict.PASS, f"reverted arm faults: {STRAY.signature}")


def test_a_point_by_hand_can_be_toothless_regressed_stale_or_unresolved() -> None:
    assert verdict(by_hand(reverted=arm("reverted", point(3)))) is Verdict.TOOTHLESS
    assert verdict(by_hand(fixed=arm("fixed", point(3, STRAY)))) is Verdict.REGRESSED
    assert verdict(by_hand(stale="gone")) is Verdict.STALE
    assert verdict(by_hand(reverted=Arm())) is Verdict.UNRESOLVED


@pytest.mark.parametrize("name", ["fixed", "reverted"])
def test_one_arm_alone_has_no_verdict_where_nothing_speaks_against_it(name: Any) -> None:
    judgement = judge(case(asked=(name,)))
    assert judgement.verdict is None
    assert "there is no verdict" in judgement.reason
    assert judge(case(asked=(name,), golden=None)).verdict is None


def test_the_fixed_arm_alone_can_fail() -> None:
    alone = case(asked=("fixed",), reverted=Arm(), stale="gone")
    assert verdict(alone) is None
    assert verdict(replaced(alone, "fixed", points=(point(16, STRAY), point(1)))) is Verdict.REGRESSED
    assert verdict(replaced(alone, "fixed", points=(point(16, results={}), point(1)))) is Verdict.REGRESSED
    assert verdict(replaced(alone, "fixed", attestation=None)) is Verdict.UNRESOLVED


def test_the_reverted_arm_alone_can_fail() -> None:
    alone = case(asked=("reverted",), fixed=Arm())
    assert verdict(replace(alone, stale="gone")) is Verdict.STALE
    assert verdict(replaced(alone, "reverted", points=(point(16), point(1)))) is Verdict.TOOTHLESS
    assert verdict(replaced(alone, "reverted", points=(point(16, SMALLER), point(1)))) is Verdict.CHANGED
    assert verdict(replaced(alone, "reverted", unresolved="lost")) is Verdict.UNRESOLVED


# --- signatures ----------------------------------------------------------------------------------


def test_a_signature_is_never_worded_as_a_fault() -> None:
    compiled = Fault(kind="signature", kernel="last_loc", message="i32 stored into i64")
    own = {"expect": expecting("signature"), "golden": None}
    bites = case(reverted=arm("reverted", point(16, compiled), point(1)), **own)
    for evidence in (
        replace(bites, golden=golden(bites)),
        replace(bites, reverted=arm("reverted", point(16), point(1))),
        replace(bites, fixed=arm("fixed", point(16, compiled), point(1))),
    ):
        assert "fault" not in judge(evidence).reason


# --- what can never pass -------------------------------------------------------------------------

maybe_stray = st.sampled_from([(), (STRAY,), (OTHER,), (STRAY, OTHER)])
maybe_entered = st.sampled_from([(), (FUNCTION,)])
endings = st.sampled_from([Exit(how="clean"), Exit(how="crash", signal="SIGSEGV"), Exit(how="lost")])


@st.composite
def arms(draw: Any, name: str) -> Arm:
    points = [point(size, *draw(maybe_stray)) for size in draw(st.sampled_from([(16, 1), (16,), ()]))]
    whole = arm(name, *points, exit=draw(endings), unresolved=draw(st.sampled_from([None, None, "lost"])))
    assert whole.observation is not None
    if draw(st.booleans()):
        proof = attested(name, entered=draw(maybe_entered)) if draw(st.booleans()) else None
        whole = replace(whole, observation=replace(whole.observation, attestation=proof))
    return draw(st.sampled_from([whole, whole, Arm(), replace(whole, wanted={})]))  # type: ignore[no-any-return]


cases = st.builds(
    case,
    fixed=arms("fixed"),
    reverted=arms("reverted"),
    golden=st.sampled_from([None, case().golden]),
    tree=st.sampled_from([TREE, "other"]),
    missing=st.sampled_from([(), (), ("hip",)]),
    stale=st.sampled_from([None, None, "gone"]),
    by_hand=st.booleans(),
    asked=st.sampled_from([("fixed", "reverted"), ("fixed", "reverted"), ("fixed",), ("reverted",)]),
)


def _proven(one: Arm) -> bool:
    seen = one.observation
    if seen is None or seen.attestation is None or seen.unresolved:
        return False
    return bool(one.wanted) and seen.attestation.problem(one.wanted, one.functions) is None


@settings(max_examples=400, deadline=None)
@given(cases)
def test_only_two_proven_arms_of_which_the_reverted_one_bites_pass(evidence: Evidence) -> None:
    judgement = judge(evidence)
    assert "\n" not in judgement.reason
    assert judgement.reason
    if judgement.verdict is not Verdict.PASS:
        return
    assert evidence.asked == ("fixed", "reverted")
    assert _proven(evidence.fixed)
    assert _proven(evidence.reverted)
    assert not any(one.faults for one in evidence.fixed.observation.points)  # type: ignore[union-attr]
    assert evidence.reverted.observation.main.faults  # type: ignore[union-attr]
    assert not evidence.missing
    assert evidence.stale is None
    assert evidence.by_hand or evidence.golden


@settings(max_examples=150, deadline=None)
@given(cases)
def test_only_what_would_otherwise_pass_enters_the_goldens(evidence: Evidence) -> None:
    row = result(judge(evidence), evidence)
    if evidence.by_hand or verdict(replace(evidence, golden=None)) is not Verdict.UNRECORDED:
        with pytest.raises(GoldenError, match="not recorded"):
            golden_of(row, evidence, PROVENANCE)
    else:
        stored = golden_of(row, evidence, PROVENANCE)
        assert verdict(replace(evidence, golden=stored)) is Verdict.PASS


@pytest.mark.parametrize("name", ["fixed", "reverted"])
def test_random_evidence_does_reach_a_pass(name: str) -> None:
    """The property above would hold of a judge that never passes anything, too."""
    assert verdict(replaced(case(), name, seconds=9.0)) is Verdict.PASS


# --- results and exit codes ------------------------------------------------------------------------


def _reproducer() -> Reproducer:
    def call(lab: KernelLab, page_size: int) -> dict[str, Any]:
        return {}

    kernel = KernelCase(call=call, params={"page_size": Integer(16)}, imports=(), watch=watch("oob-write"))
    return Reproducer(
        bug=Bug(pr=12, issue=11, fixed_in="0.5.12", symptom="stray store"),
        revert=Revert(edit(in_function=FUNCTION, replace="n + 1", by="n")),
        expect=Expect(reverted=faults("oob-write")),
        kernel=kernel,
        module="toy.pr12_pages",
    )


def test_conclude_names_the_bug_and_how_it_was_judged() -> None:
    row = conclude(_reproducer(), case(), CaseKey("pr12_pages", Tier.KERNEL, CPU), params={"page_size": 16})
    assert (row.reproducer, row.pr, row.issue, row.verdict) == ("pr12_pages", 12, 11, Verdict.PASS)
    assert (row.evidence, row.judged_by, row.failed) == ("fault", "goldens", False)
    told = conclude(_reproducer(), by_hand(expect=expecting("signature")), row.key)
    assert (told.evidence, told.judged_by) == ("signature", "by hand")


@pytest.mark.parametrize("name", ["fixed", "reverted"])
def test_what_an_arm_attests_to_have_emulated_is_told_and_weighed(name: str) -> None:
    part = "CUDA graphs, recorded and replayed on the CPU"
    seen = replaced(case(), name, attestation=attested(name, patches=("torch.x", f"emulated: {part}")))
    row = conclude(_reproducer(), seen, CaseKey("pr12_pages", Tier.KERNEL, CPU))
    assert (row.verdict, row.evidence) == (Verdict.PASS, EvidenceClass.EMULATED)
    assert row.reason == f"reverted arm faults: {STRAY.signature}; emulated: {part}"
    compiled = replace(seen, expect=expecting("signature"), by_hand=True)
    assert conclude(_reproducer(), compiled, row.key).evidence == "signature"


def test_evidence_is_ordered_from_the_strongest_to_the_weakest() -> None:
    assert list(EvidenceClass) == ["fault", "emulated", "signature"]


def test_a_result_leaves_out_the_arm_that_was_not_observed() -> None:
    keys = {"reproducer", "pr", "issue", "tier", "platform", "params", "verdict", "evidence", "reason"}
    data = result(judge(case()), reverted=None).to_json()
    assert set(data) == keys | {"drift", "seconds", "arms"}
    assert list(data["arms"]) == ["fixed"]
    assert data["verdict"] == "PASS"


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ("PASS", 0),
        ("PASS UNSUPPORTED", 0),
        ("UNSUPPORTED UNSUPPORTED", 4),
        ("PASS UNRESOLVED", 3),
        ("UNSUPPORTED UNRESOLVED", 3),
        ("UNRESOLVED TOOTHLESS", 1),
        ("none", 0),
        ("none UNSUPPORTED", 0),
        ("none UNRESOLVED", 3),
        *((f"PASS {word}", 1) for word in ("REGRESSED", "TOOTHLESS", "CHANGED", "STALE", "UNRECORDED")),
    ],
)
def test_exit_codes(verdicts: str, code: int) -> None:
    told = [None if word == "none" else Verdict(word) for word in verdicts.split()]
    assert exit_code([result(Judgement(one, "")) for one in told]) == code


def test_finding_nothing_is_an_error() -> None:
    with pytest.raises(BadInput, match="nothing was run"):
        exit_code([])


def test_the_samples_differ_only_in_their_arm() -> None:
    assert case().reverted.wanted == {"toy.pages": REVERTED_HASH}
    assert verdict(case(golden=golden(case()))) is Verdict.PASS


# --- configurations --------------------------------------------------------------------------------


def configuration(*faults: Fault, **facts: Any) -> Evidence:
    """Evidence of a configuration: no expectation, and the fixed arm alone."""
    own: dict[str, Any] = {"expect": None, "asked": ("fixed",), "tree": TREE}
    alone = Evidence(**own, fixed=arm("fixed", point(16, *faults)))
    return replace(alone, **{"golden": golden(replace(alone, golden=None)) if not faults else None, **facts})


def test_a_configuration_passes_by_its_fixed_arm_alone() -> None:
    assert judge(configuration()) == Judgement(
        Verdict.PASS, "the configuration starts, answers and stays clean, as golden"
    )


def test_a_configuration_without_golden_is_unrecorded_and_can_be_recorded() -> None:
    bare = configuration(golden=None)
    assert verdict(bare) is Verdict.UNRECORDED
    kept = golden_of(result(judge(bare), bare, configuration=True), bare, PROVENANCE)
    assert set(kept.arms) == {"fixed"}


@pytest.mark.parametrize("fault", [STRAY, OTHER])
def test_a_fault_in_a_configuration_is_regressed_and_never_recorded(fault: Fault) -> None:
    faulty = configuration(fault)
    assert judge(faulty) == Judgement(Verdict.REGRESSED, f"fixed arm faults: {fault.signature}")
    with pytest.raises(GoldenError, match="not recorded: REGRESSED"):
        golden_of(result(judge(faulty), faulty, configuration=True), faulty, PROVENANCE)


def test_a_configuration_that_departs_from_its_golden_is_regressed() -> None:
    departed = configuration(fixed=arm("fixed", replace(point(16), results={"scale": 0.75})))
    assert "fixed arm differs from its golden" in judge(departed).reason
    assert verdict(departed) is Verdict.REGRESSED


def test_a_configuration_whose_arm_is_not_attested_is_unresolved() -> None:
    seen = arm("fixed", point(16), attestation=attested("fixed", entered=()))
    assert verdict(configuration(fixed=seen)) is Verdict.UNRESOLVED
