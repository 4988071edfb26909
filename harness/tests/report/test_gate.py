"""A decision as lines, Markdown and HTML: all that blocks is in each, and nothing of it is markup."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.gate.decision import Decision
from harness.report import gate
from harness.tests.gate.invented import ON_CPU, decided, row
from harness.verdict import Verdict

NASTY = "<b>bad</b> | worse"


@pytest.fixture
def blocked(tmp_path: Path) -> Decision:
    text = ON_CPU.replace('["101"]', '["101", "104"]') + ON_CPU.replace("cpu", "cuda-sm90")
    return decided(tmp_path, text, row(Verdict.REGRESSED, reason=NASTY), row(reproducer="pr104_short_indptr"))


def test_the_lines(blocked: Decision) -> None:
    told = list(gate.lines(blocked))
    assert told[0] == f"REGRESSED   pr101 kernel cpu: {NASTY}" and told[1].lstrip().startswith(
        "-> upstream has"
    )
    assert any(line.startswith("missing     pr101 kernel cuda-sm90: no results") for line in told)
    assert told[-1].startswith("BLOCK: sglang 9.9.8 (aaaaaaaaaaaa)") and told[-1].endswith(
        "1 passed, 2 block"
    )


def test_what_is_missing_for_one_reason_is_one_line(tmp_path: Path) -> None:
    text = ON_CPU.replace("cpu", "cuda-sm90").replace('["101"]', '["101", "104"]')
    told = list(gate.lines(decided(tmp_path, text, row())))
    assert told[0].startswith("missing     pr101, pr104 kernel cuda-sm90: no results")


def test_markdown_keeps_its_columns(blocked: Decision) -> None:
    lines = gate.markdown(blocked).splitlines()
    assert lines[0] == "# Gate: BLOCK"
    (line,) = [line for line in lines if "bad" in line]
    assert line.replace("\\|", "").count("|") == 6 and "<b>" not in line
    assert "## What passed" in lines


def test_the_page_is_whole_and_safe(blocked: Decision) -> None:
    page = gate.page(blocked)
    assert (
        page.startswith("<!doctype html>") and "&lt;b&gt;bad&lt;/b&gt; | worse" in page and "<b>" not in page
    )
    assert "http" not in page and "<script" not in page and "prefers" not in page
    assert page.count("<table role=table>") == page.count("</table>") == 2
