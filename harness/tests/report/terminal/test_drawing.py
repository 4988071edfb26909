"""The table on a terminal, and in a pipe."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from harness.observation import Fault
from harness.report.terminal import explain
from harness.tests.report.terminal.rows import LONG, faulty, printed, row
from harness.tests.samples import arm, case, point
from harness.verdict import EvidenceClass


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


def test_what_rests_on_less_than_the_real_thing_says_so() -> None:
    weaker = replace(row(), evidence=EvidenceClass.EMULATED)
    lines = printed(row(), weaker, detail=True).splitlines()
    assert "PASS  " in lines[1] and "(" not in lines[1]
    assert "PASS (emulated)  " in lines[2]
    assert sum(line.startswith("PASS (emulated) pr1_pages kernel cpu") for line in lines) == 1


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


@pytest.mark.parametrize("width", [None, 80])
def test_markup_and_control_characters_in_messages_are_harmless(width: int | None) -> None:
    odd = Fault(kind="exception", message="list[int] [red]x[/nope] \x1b[31m\x07 :smile:")
    text = printed(row(case(fixed=arm("fixed", point(16, odd), point(1)))), width=width)
    squeezed = re.sub(r"[\s│┃]", "", text)
    assert "list[int][red]x[/nope]" in squeezed
    assert ":smile:" in squeezed
    assert "\x07" not in text
    assert "\x1b" not in explain(row(case(fixed=arm("fixed", point(16, odd), point(1)))))
