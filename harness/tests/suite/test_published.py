"""Arms that run on published releases: of bugs that upstream has rewritten away, and in place of reverts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.facts import Released, Reproducer, Retired, Tier
from harness.source import age, known
from harness.source.age import Age
from harness.source.tree import Tree
from harness.suite import planning
from harness.tests.matrix.samples import RELEASES
from harness.tests.source import toy_wheel
from harness.tests.suite.planted import STORE, STRAY, told
from harness.tests.toyland import upstream
from harness.tests.toyland.bench import Bench, subject
from harness.verdict import Result, Verdict

GONE = upstream.PAGES.replace("build_table", "make_table")
RETIRED = replace(STORE, retired=Retired(since="9.9.9", on="9.9.8", reason="tables are made elsewhere"))
RELEASED = replace(
    STORE,
    revert=Released(release="9.9.7", functions=("build_table",), reason="the fix came with a rewriting"),
)


def shown(tree: Tree) -> Age:
    """Releases are what they say; any other tree is of the newest."""
    return Age(release=tree.version) if tree.origin == "released" else Age(has="9.9.9")


@pytest.fixture
def published(fresh: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A bench beside an index of toy releases, with a cache of its own."""
    for version, files in RELEASES.items():
        toy_wheel.write(tmp_path / "wheels", version, files, package="sglang")
    for name, value in toy_wheel.index(tmp_path / "wheels").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(age, "of", shown)
    return replace(fresh, cache=tmp_path / "cache")


def again(one: Bench, reproducer: Reproducer) -> Result:
    """Recorded, and judged once more."""
    one.record(reproducer)
    return one.judge(reproducer).result


# --- retired -----------------------------------------------------------------------------------------


def test_what_upstream_has_rewritten_away_runs_on_its_own_release(published: Bench) -> None:
    later = published.on(GONE)
    result = again(later, RETIRED)
    where = "retired since 9.9.9 (tables are made elsewhere), run on 9.9.8"
    assert told(result, Verdict.PASS) == f"{where}: reverted arm faults: {STRAY}"
    assert result.retired == RETIRED.retired and result.qualities == ("retired",)
    roots = {arm.attestation.root for arm in result.arms.values() if arm.attestation}
    assert str(later.tree.root) not in roots and any(root.endswith("9.9.8") for root in roots)
    assert Result.from_json(result.to_json()).retired == RETIRED.retired


def test_a_tree_that_still_has_the_fix_is_run_itself(published: Bench) -> None:
    result = again(published, RETIRED)
    assert told(result, Verdict.PASS) == f"reverted arm faults: {STRAY}" and result.retired is None


@pytest.mark.parametrize("shows", [Age(has="9.9.8", lacks="9.9.9"), Age(), Age(release="9.9.8")])
def test_a_tree_that_is_not_shown_to_be_later_is_run_itself(
    shows: Age, published: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(age, "of", lambda tree: shows)
    result = published.on(GONE).judge(RETIRED).result
    assert "has no function build_table" in told(result, Verdict.UNRESOLVED) and result.retired is None


def test_a_tier_in_which_the_bug_shows_no_more_is_retired_alone(published: Bench) -> None:
    own = Retired(since="9.9.9", on="9.9.8", reason="nothing reads the table twice", tier="kernel")
    gone = replace(STORE, retired=own, server=subject("config_toy").server)
    result = again(published, gone)
    where = "kernel tier retired since 9.9.9 (nothing reads the table twice), run on 9.9.8"
    assert told(result, Verdict.PASS) == f"{where}: reverted arm faults: {STRAY}"
    assert result.retired == own and Result.from_json(result.to_json()).retired == own
    assert gone.retired_since is None and planning.retirement(published.tree, gone, Tier.SERVER) is None


def test_a_lost_fix_is_never_hidden_by_a_retirement(
    published: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = published.on(upstream.altered("numel = pages * page_size", "numel = pages * 1"))
    monkeypatch.setattr(age, "of", lambda tree: Age(has="9.9.8"))
    assert STRAY in told(lost.judge(RETIRED).result, Verdict.REGRESSED)


def test_a_release_that_cannot_be_had_is_this_case_s_trouble(published: Bench) -> None:
    nowhere = replace(RETIRED, retired=Retired(since="9.9.9", on="9.9.8.post1", reason="gone"))
    result = published.on(GONE).judge(nowhere).result
    assert "9.9.8.post1 is no release that can be had" in told(result, Verdict.UNRESOLVED)


# --- older than the bug ------------------------------------------------------------------------------

LATER = replace(STORE, bug=replace(STORE.bug, introduced_in="9.9.7"))
"""The toy's bug, as though it had come with 9.9.7."""


def test_a_release_from_before_the_bug_has_nothing_to_show(
    published: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "release", lambda tree: "9.9.6")
    result = published.on(GONE).judge(LATER).result
    why = "9.9.6 is older than this bug, which came with 9.9.7, and has no function build_table"
    assert told(result, Verdict.UNSUPPORTED) == why and not result.arms


def test_code_from_before_the_bug_is_run_and_has_nothing_to_be_undone(
    published: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "release", lambda tree: "9.9.6")
    clean = published.on(upstream.altered("numel = pages * page_size", "numel = page_size * pages"))
    reason = told(clean.judge(LATER).result, Verdict.UNSUPPORTED)
    assert reason.startswith("9.9.6 is older than this bug, which came with 9.9.7: ")
    faulty = published.on(upstream.altered("numel = pages * page_size", "numel = pages * 1"), "faulty")
    assert STRAY in told(faulty.judge(LATER).result, Verdict.REGRESSED)


@pytest.mark.parametrize("release", [None, "9.9.7"])
def test_only_a_published_release_shows_to_be_older_than_a_bug(
    release: str | None, published: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "release", lambda tree: release)
    result = published.on(GONE).judge(LATER).result
    assert "has no function build_table" in told(result, Verdict.UNRESOLVED)


# --- released ----------------------------------------------------------------------------------------


def test_a_release_stands_for_the_reverted_arm(published: Bench) -> None:
    result = again(published, RELEASED)
    assert told(result, Verdict.PASS) == f"released arm (9.9.7) faults: {STRAY}"
    assert result.released == "9.9.7" and result.qualities == ("released",)
    reverted = result.reverted and result.reverted.attestation
    assert reverted and reverted.root.endswith("9.9.7") and reverted.entered == ("build_table",)
    assert Result.from_json(result.to_json()).released == "9.9.7"


def test_a_release_that_is_clean_proves_nothing(published: Bench) -> None:
    later = replace(STORE, bug=replace(STORE.bug, fixed_in="9.9.10"))
    rewritten = Released(release="9.9.9", functions=("build_table",), reason="a guess")
    reason = told(published.judge(replace(later, revert=rewritten)).result, Verdict.TOOTHLESS)
    assert reason.startswith("released arm (9.9.9) is clean")
    same = Released(release="9.9.8", functions=("build_table",), reason="a guess")
    reason = told(published.judge(replace(later, revert=same)).result, Verdict.UNRESOLVED)
    assert reason == "reverted arm: its modules are those of the fixed arm"


def test_a_tree_without_the_functions_is_unresolved(published: Bench) -> None:
    reason = told(published.on(GONE).judge(RELEASED).result, Verdict.UNRESOLVED)
    assert "has no function build_table" in reason


def test_a_release_without_the_functions_proves_nothing(published: Bench) -> None:
    older = Released(release="9.9.6", functions=("build_table",), reason="a guess")
    reason = told(published.judge(replace(RELEASED, revert=older)).result, Verdict.UNRESOLVED)
    assert reason.startswith("reverted arm: ")


def test_the_release_itself_is_not_its_own_fix(published: Bench) -> None:
    """Under test is the very release that stands for the reverted arm."""
    affected = upstream.altered("numel = pages * page_size", "numel = pages")
    same = published.on(affected)
    assert STRAY in told(same.judge(RELEASED).result, Verdict.REGRESSED)
