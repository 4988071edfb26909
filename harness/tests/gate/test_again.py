"""Judging again from a document: honest results are what they say, whatever they say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.facts import CodegenCase, Platform, Tier
from harness.gate.again import _put_aside
from harness.observation import Fault, Point
from harness.suite import Request
from harness.tests.gate import reread
from harness.tests.toyland import upstream
from harness.tests.toyland.bench import Bench, bug
from harness.verdict import Verdict

STRAY = "pr101_stray_store"
LOST = upstream.altered("numel = pages * page_size", "numel = pages")
STALE = upstream.altered("numel = pages * page_size", "numel = page_size * pages")


@pytest.mark.parametrize(
    ("name", "pages", "verdict"),
    [
        ("pr101_stray_store", None, Verdict.PASS),
        ("pr104_short_indptr", None, Verdict.UNRECORDED),
        ("pr109_needs_both_vendors", None, Verdict.UNSUPPORTED),
        ("pr108_troubled_case", None, Verdict.UNRESOLVED),
        ("pr101_stray_store", LOST, Verdict.REGRESSED),
        ("pr101_stray_store", STALE, Verdict.STALE),
    ],
)
def test_what_is_honest_is_judged_the_same(
    fresh: Bench, name: str, pages: str | None, verdict: Verdict
) -> None:
    if name == STRAY:
        fresh.record(bug(name))
    on = fresh.on(pages) if pages else fresh
    judged = on.judge(bug(name))
    assert judged.result.verdict is verdict, judged.result.reason
    assert reread.problem(on, judged, bug(name)) is None
    for other in Verdict:
        if other is not verdict:
            assert reread.problem(on, judged, bug(name), verdict=other) is not None, other


def test_a_result_is_of_the_tree_it_was_made_on(fresh: Bench) -> None:
    fresh.record(bug(STRAY))
    judged = fresh.judge(bug(STRAY))
    spare = fresh.on(upstream.PAGES + "\n# another tree\n")
    assert "it attests the tree" in str(reread.problem(spare, judged, bug(STRAY)))


def test_a_point_given_by_hand_is_no_evidence(fresh: Bench) -> None:
    judged = fresh.judge(bug(STRAY), overrides={"tokens": 11})
    assert judged.result.verdict is Verdict.PASS
    assert "is a point given by hand" in str(reread.problem(fresh, judged, bug(STRAY)))


@pytest.mark.parametrize(("platform", "aside"), [("rocm-gfx942", False), ("cuda-sm90", True)])
def test_a_signature_is_put_aside_on_a_control_alone(platform: str, aside: bool) -> None:
    compiled = CodegenCase(call=lambda lab: {}, imports=(), targets=("rocm-gfx942",), controls=("cuda-sm90",))
    subject = replace(bug(STRAY), codegen=compiled)
    request = Request(reproducer=subject, tier=Tier.CODEGEN, platform=Platform.parse(platform))
    assert request.case.is_control(request.platform) is aside
    told = [*_put_aside(Point(params={}, findings=(Fault(kind="signature"),)), request)]
    assert told == ([] if aside else ["signature is put aside as a finding, and the case watches it"])
    assert [*_put_aside(Point(params={}, findings=(Fault(kind="exception"),)), request)]
