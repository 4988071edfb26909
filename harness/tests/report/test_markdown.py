"""Results as Markdown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.history import opened
from harness.report import markdown
from harness.report.markdown import escaped, render
from harness.tests.report.runs import HOSTILE, lost, passing, regressed, run, unsupported
from harness.verdict import EvidenceClass


def test_counts_come_first_and_failing_results_before_the_others() -> None:
    text = render([run(passing(), unsupported(), lost(), regressed())])
    assert text.startswith("# Refault: 1 REGRESSED, 1 UNRESOLVED, 1 UNSUPPORTED, 1 PASS\n")
    places = [text.index(word) for word in ("## Failing", "**REGRESSED", "**UNRESOLVED", "| UNSUPPORTED")]
    assert places == sorted(places)
    assert "  - fixed: `oob-write into table by fill numel=8 first=8 last=11 count=4`" in text
    assert "SGLang 9.9.9 (tree `cccccccccccc`) on cpu, 2026-01-02 03:04 UTC" in text


def test_what_rests_on_less_than_the_real_thing_says_so() -> None:
    weaker = [replace(one, evidence=EvidenceClass.EMULATED) for one in (passing(), regressed())]
    text = render([run(*weaker)])
    assert "| PASS (emulated) |" in text and "- **REGRESSED (emulated) " in text


def test_nothing_in_a_result_is_obeyed() -> None:
    text = render([run(lost(reason=HOSTILE))])
    assert "<script" not in text.replace("\\<script", "")
    assert escaped("a|b\n@you `x` <b>") == r"a\|b \@you \`x\` \<b\>"


def test_what_moved_is_named(tmp_path: Path) -> None:
    nights = [
        run(passing(), at="2026-01-01T00:00:00+00:00"),
        run(regressed(), at="2026-01-02T00:00:00+00:00"),
    ]
    with opened(tmp_path / "h") as store:
        for one in nights:
            store.append(one)
        text = render(nights[-1:], store.series())
    assert "## Moved" in text and "PASS became REGRESSED" in text


def test_a_summary_that_is_too_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(markdown, "LIMIT", 1000)
    text = render([run(*(regressed() for _ in range(50)))])
    assert len(text.encode()) < 1100 and "The rest is left out" in text
