"""The arms of one result laid side by side."""

from __future__ import annotations

from harness.observation import Fault
from harness.tests.report.html.pages import made
from harness.tests.report.runs import answering, judged, run
from harness.tests.samples import arm, case


def test_tokens_stand_under_each_other() -> None:
    fixed, reverted = answering({"r00": [5, 6, 7]}), answering({"r00": [5, 9, 7]}, Fault(kind="wrong-value"))
    evidence = case(fixed=arm("fixed", fixed), reverted=arm("reverted", reverted), golden=None)
    text = made(run(judged(evidence, tier="server")))
    assert "1 of 1 requests differ between the arms" in text
    assert '<span class="token differs"><span>6</span><span>≠ 9</span></span>' in text
