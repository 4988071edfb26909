"""A result beside its golden."""

from __future__ import annotations

from pathlib import Path

from harness.golden import GoldenStore
from harness.report.html import Sources
from harness.tests.report.html.pages import made
from harness.tests.report.runs import judged, passing, run
from harness.tests.samples import arm, case, golden, point


def test_the_golden_and_the_difference_from_it(tmp_path: Path) -> None:
    store = GoldenStore(tmp_path)
    store.save(golden(case()))
    sources = Sources(goldens=store)
    assert "as golden; recorded on this very tree" in made(run(passing()), sources=sources)
    changed = judged(case(reverted=arm("reverted", point(16), point(1))))
    text = made(run(changed), sources=sources)
    assert "2 differences from the golden" in text
    assert "<td><code>reverted, default point</code></td><td><code>outcome</code></td>" in text


def test_a_golden_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    store = GoldenStore(tmp_path)
    store.save(golden(case())).write_text("{")
    assert "unreadable" in made(run(passing()), sources=Sources(goldens=store))
