"""One reproducer in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.facts import Revert, edit
from harness.report.describe import describe
from harness.source.tree import at
from harness.tests.toyland import upstream
from harness.tests.toyland.bench import bug

STORE = bug("pr101_stray_store")


def test_it_tells_the_bug_its_parameters_and_its_expectation() -> None:
    text = describe(STORE, None)
    for told in (
        "#101: the table has one entry per page",
        "PR #101, issue #1001",
        "9.9.0 up to the release before 9.9.8",
        "stray store",
        "kernel (needs torch, triton)",
        "oob-write in table",
        "fixed arm clean; reverted arm: oob-write of table by fill_kernel",
    ):
        assert told in text, told
    (row,) = (line for line in text.splitlines() if line.split()[:1] == ["page_size"])
    assert row.split() == ["page_size", "4;", "grid", "1,", "4"]
    assert "revert in" not in text


def test_choices_and_lists_are_shown_as_they_are_typed() -> None:
    assert "one of raise, misuse" in describe(bug("pr108_troubled_case"), None)
    assert "slots          6,9" in describe(bug("pr102_wrong_slot"), None)


def test_what_is_not_known_is_said() -> None:
    text = describe(replace(STORE, bug=replace(STORE.bug, pr=None, introduced_in=None)), None)
    assert "PR not known, issue #1001" in text and "the oldest releases up to" in text


def test_the_revert_is_shown_in_the_tree(tmp_path: Path) -> None:
    text = describe(STORE, at(upstream.write(tmp_path)))
    assert f"the revert in sglang {upstream.VERSION} (path):" in text
    assert "-    numel = pages * page_size\n+    numel = pages\n" in text


def test_a_stale_revert_is_told_as_such(tmp_path: Path) -> None:
    other = Revert(edit(in_function="build_table", replace="numel = 3", by="numel = 2"))
    text = describe(replace(STORE, revert=other), at(upstream.write(tmp_path)))
    assert "STALE: in sglang 9.9.9: build_table: `numel = 3` found 0 times; nearest: " in text
