"""What each arm tells, aspect by aspect."""

from __future__ import annotations

import re

from harness.observation import Exit, Fault
from harness.report.terminal import SHOWN, evidence, explain
from harness.report.terminal.aspects import LONG as ASPECT_LONG
from harness.tests.report.terminal.rows import LONG, printed, row
from harness.tests.samples import arm, case, point, result
from harness.verdict import Arm, EvidenceClass, Judgement, Verdict


def test_the_evidence_tells_exit_log_notes_results_and_attestation() -> None:
    ended = Exit(how="crash", signal="SIGSEGV", code=-11)
    one = arm("fixed", point(16, LONG, notes=("64 of 80 used",)), exit=ended, log="/logs/fixed.txt")
    text = explain(row(case(fixed=one)))
    for told in (
        "crash, SIGSEGV, code -11",
        "/logs/fixed.txt",
        "64 of 80 used",
        '"values": [16, 2]',
        "entered Pages.count",
    ):
        assert told in text


def test_many_findings_are_capped_and_counted() -> None:
    findings = tuple(Fault(kind="nan", buffer=f"b{index}") for index in range(12))
    text = explain(row(case(fixed=arm("fixed", point(16, findings=findings), point(1)))))
    told = [line for line in text.splitlines() if "nan b" in line and "golden" not in line]
    assert len(told) == SHOWN
    assert "and 7 more, 12 in all" in text


def test_a_finding_is_told_once_and_with_its_points() -> None:
    here, there = Fault(kind="nan", buffer="here"), Fault(kind="nan", buffer="there")
    points = point(16, findings=(here,)), point(1, findings=(there,)), point(2, findings=(there,))
    text = explain(row(case(golden=None, fixed=arm("fixed", *points))))
    assert re.search(r"nan here$", text, re.MULTILINE)
    assert re.search(r"nan there, at page_size=1 and 1 more$", text, re.MULTILINE)


def test_other_points_are_counted_and_the_faulty_ones_named() -> None:
    text = explain(row(case(fixed=arm("fixed", point(16), point(1, LONG), point(2)))))
    assert "1 of 2 fault" in text
    assert f"page_size=1: {LONG.signature}" in text


def test_an_unresolved_arm_says_why() -> None:
    lost = arm("fixed", attestation=None, unresolved="the launch failed", exit=Exit(how="lost"))
    text = explain(row(case(fixed=lost)))
    assert "unresolved: the launch failed" in text
    assert "  exit        fixed     lost" in text


def test_a_result_without_arms_is_still_explained() -> None:
    missing = case(missing=("hip",), fixed=Arm(), reverted=Arm())
    assert explain(row(missing)).splitlines()[0].endswith("this machine lacks hip")
    assert "this machine lacks hip" in printed(row(missing), width=80)
    assert evidence(row(missing)) == []


def test_a_signature_is_never_called_a_fault() -> None:
    compiled = Fault(kind="signature", kernel="last_loc", message="i32 stored into i64")
    shown = case(reverted=arm("reverted", point(16, compiled), point(1, compiled)), golden=None)
    told = Judgement(Verdict.PASS, "reverted arm has the signature of the bug")
    text = explain(result(told, shown, evidence=EvidenceClass.SIGNATURE))
    assert "fault" not in text
    assert "signatures" in text


def test_an_exception_is_called_a_fault_where_signatures_are_looked_for() -> None:
    broken = Fault(kind="exception", message="CompilationError in copy_kernel: no such thing")
    shown = case(fixed=arm("fixed", point(16, broken), point(1)), golden=None)
    text = explain(result(Judgement(Verdict.REGRESSED, "it broke"), shown, evidence=EvidenceClass.SIGNATURE))
    assert re.search(r"^  outcome +fixed +fault$", text, re.MULTILINE)
    assert re.search(r"^  faults +fixed +exception \(CompilationError", text, re.MULTILINE)


def test_a_long_value_is_told_part_by_part_and_its_beginning_alone() -> None:
    requests = {f"r0-{index:03}": {"tokens": list(range(200))} for index in range(SHOWN + 2)}
    text = explain(row(case(golden=None, fixed=arm("fixed", point(16, results={"requests": requests})))))
    told = [line for line in text.splitlines() if "requests r0-" in line]
    assert len(told) == SHOWN and all(len(line) < 2 * ASPECT_LONG for line in told)
    assert "all in the JSON" in told[0] and "and 2 more, 7 in all" in text
