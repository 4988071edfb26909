"""Results as plain text."""

from __future__ import annotations

from harness.report.terminal import explain, summary
from harness.tests.report.terminal.rows import LONG, faulty, printed, row
from harness.tests.samples import STRAY, arm, case, point
from harness.verdict import Verdict


def test_both_arms_stand_side_by_side() -> None:
    lines = explain(row(faulty())).splitlines()
    assert lines[0] == f"REGRESSED pr1_pages kernel cpu (#1): fixed arm faults: {LONG.signature}"
    assert lines[1] == "  params      page_size=16"
    at = next(index for index, line in enumerate(lines) if line.startswith("  faults"))
    assert lines[at] == f"  faults      fixed     {LONG.signature}"
    assert lines[at + 1] == f"              reverted  {STRAY.signature}"


def test_drift_is_shown() -> None:
    drifting = row(case(tree="other", fixed=arm("fixed", point(16, trace=()), point(1))))
    assert drifting.verdict is Verdict.PASS
    assert "  drift       fixed arm: trace differs from event 0 of 2 on" in explain(drifting)
    assert "drift: fixed arm" in printed(drifting, width=200, detail=True)


def test_the_summary_counts_by_verdict_and_tells_what_is_missing() -> None:
    rows = [row(), row(), row(case(missing=("hip",))), row(case(asked=("fixed",)))]
    assert summary(rows) == "2 PASS, 1 UNSUPPORTED, 1 one arm"
    assert summary(rows, 4) == summary(rows)
    assert summary(rows, 6) == "2 PASS, 1 UNSUPPORTED, 1 one arm; partial: 2 of 6 were not run"
    assert summary([], 2) == "no results; partial: 2 of 2 were not run"
    assert printed(expected=2).splitlines()[-1] == summary([], 2)
