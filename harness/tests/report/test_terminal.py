"""What people read: complete, plain where it is piped, and never cut where numbers stand."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from harness.observation import Exit, Fault
from harness.report.terminal import SHOWN, console, evidence, explain, show, summary
from harness.tests.samples import STRAY, arm, case, point, result
from harness.verdict import Arm, Evidence, Judgement, Result, Verdict, judge

LONG = Fault(kind="oob-write", buffer="cuda_graph_kv_indices", kernel="create_flashinfer_kv_indices_triton",
             numel=1024, first=1024, last=4095, count=3072)  # fmt: skip


def row(evidence: Evidence | None = None, **facts: Any) -> Result:
    evidence = evidence or case()
    return result(judge(evidence), evidence, **facts)


def printed(*rows: Result, width: int | None = None, **options: Any) -> str:
    """What `show` prints: to a pipe, or to a terminal of a given width."""
    file = io.StringIO()
    with pytest.MonkeyPatch.context() as environment:
        if width:
            environment.setenv("FORCE_COLOR", "1")
            environment.setenv("COLUMNS", str(width))
        show(rows, console(file), **options)
    return file.getvalue()


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR", "COLUMNS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def faulty() -> Evidence:
    return case(fixed=arm("fixed", point(16, LONG), point(1)))


def test_the_piped_table_is_plain_aligned_and_uncut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    lines = printed(row(), row(faulty())).splitlines()
    assert lines[0].split() == ["reproducer", "tier", "platform", "verdict", "seconds", "reason"]
    assert lines[1].split()[:5] == ["pr1_pages", "kernel", "cpu", "PASS", "1.2"]
    assert lines[2].endswith(LONG.signature)
    assert {line.index(word) for line, word in zip(lines[:3], ("verdict", "PASS", "REGR"), strict=True)} == {
        lines[0].index("verdict")
    }
    assert "\x1b" not in "".join(lines)


def test_only_failing_results_are_explained_unless_detail_is_asked() -> None:
    assert "attestation" not in printed(row())
    assert "attestation" in printed(row(), detail=True)
    assert printed(row(), row(faulty())).count("attestation") == 1


@pytest.mark.parametrize("width", [60, 80, 200])
def test_no_number_is_lost_on_a_terminal_of_any_width(width: int) -> None:
    text = re.sub(r"\x1b\[[0-9;]*m", "", printed(row(faulty()), width=width))
    assert max(map(len, text.splitlines())) <= width
    squeezed = re.sub(r"[\s│┃]", "", text)
    for number in ("numel=1024", "first=1024", "last=4095", "count=3072"):
        assert number in squeezed
    assert "…" not in text


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[31m" in printed(row(faulty()), width=200)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in printed(row(faulty()), width=200)


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert "┃" not in printed(row(), width=200)


def test_both_arms_stand_side_by_side() -> None:
    lines = explain(row(faulty())).splitlines()
    assert lines[0] == f"REGRESSED pr1_pages kernel cpu (#1): fixed arm faults: {LONG.signature}"
    assert lines[1] == "  params      page_size=16"
    at = next(index for index, line in enumerate(lines) if line.startswith("  faults"))
    assert lines[at] == f"  faults      fixed     {LONG.signature}"
    assert lines[at + 1] == f"              reverted  {STRAY.signature}"


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


def test_drift_is_shown() -> None:
    drifting = row(case(tree="other", fixed=arm("fixed", point(16, trace=()), point(1))))
    assert drifting.verdict is Verdict.PASS
    assert "  drift       fixed arm: trace differs from event 0 of 2 on" in explain(drifting)
    assert "drift: fixed arm" in printed(drifting, width=200, detail=True)


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
    text = explain(result(told, shown, evidence="signature"))
    assert "fault" not in text
    assert "signatures" in text


def test_an_exception_is_called_a_fault_where_signatures_are_looked_for() -> None:
    broken = Fault(kind="exception", message="CompilationError in copy_kernel: no such thing")
    shown = case(fixed=arm("fixed", point(16, broken), point(1)), golden=None)
    text = explain(result(Judgement(Verdict.REGRESSED, "it broke"), shown, evidence="signature"))
    assert re.search(r"^  outcome +fixed +fault$", text, re.MULTILINE)
    assert re.search(r"^  faults +fixed +exception \(CompilationError", text, re.MULTILINE)


@pytest.mark.parametrize("width", [None, 80])
def test_markup_and_control_characters_in_messages_are_harmless(width: int | None) -> None:
    odd = Fault(kind="exception", message="list[int] [red]x[/nope] \x1b[31m\x07 :smile:")
    text = printed(row(case(fixed=arm("fixed", point(16, odd), point(1)))), width=width)
    squeezed = re.sub(r"[\s│┃]", "", text)
    assert "list[int][red]x[/nope]" in squeezed
    assert ":smile:" in squeezed
    assert "\x07" not in text
    assert "\x1b" not in explain(row(case(fixed=arm("fixed", point(16, odd), point(1)))))


def test_the_summary_counts_by_verdict_and_tells_what_is_missing() -> None:
    rows = [row(), row(), row(case(missing=("hip",))), row(case(asked=("fixed",)))]
    assert summary(rows) == "2 PASS, 1 UNSUPPORTED, 1 one arm"
    assert summary(rows, 4) == summary(rows)
    assert summary(rows, 6) == "2 PASS, 1 UNSUPPORTED, 1 one arm; partial: 2 of 6 were not run"
    assert summary([], 2) == "no results; partial: 2 of 2 were not run"
    assert printed(expected=2).splitlines()[-1] == summary([], 2)
