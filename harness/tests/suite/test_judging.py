"""Every verdict, from what real arms left."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BadInput, Forged
from harness.facts import CPU, CaseKey, Expect, Grid, Integer, Reproducer, Revert, Tier, edit, faults
from harness.observation import Attestation, Exit, Module, Observation
from harness.source import age
from harness.source.age import Age
from harness.source.tree import at
from harness.suite import judging
from harness.tests.suite.planted import STORE, STRAY, TROUBLED, told
from harness.tests.toyland import upstream
from harness.tests.toyland.bench import Bench, bug
from harness.verdict import Verdict

SUM = "numel = pages * page_size"


# --- the toy's bugs --------------------------------------------------------------------------------


SHOWN = {
    "pr101_stray_store": STRAY,
    "pr102_wrong_slot": "index-range values",
    "pr103_size_mismatch": "exception (RuntimeError in stage: The size of tensor a (4) must match",
    "pr104_short_indptr": "short-buffer indptr numel=4 needed=5",
    "pr105_null_address": "crash (SIGSEGV)",
    "pr106_endless_drain": "hang (",
}
ENDED = {"pr105_null_address": "crash", "pr106_endless_drain": "time-out"}


@pytest.mark.parametrize("name", SHOWN)
def test_each_planted_bug_is_unrecorded_then_passes(name: str, fresh: Bench) -> None:
    reproducer = bug(name)
    first = fresh.record(reproducer)
    assert first.fixed and first.fixed.main.outcome == "clean"
    second = fresh.judge(reproducer).result
    reason = told(second, Verdict.PASS)
    assert reason.startswith("reverted arm faults: ") and SHOWN[name] in reason
    for arm in second.arms.values():  # also the one that crashed, and the one that hung
        assert arm.attestation and arm.attestation.entered == reproducer.revert.functions
        assert [module.path for module in arm.attestation.modules] == ["sglang/pages.py"]
    assert second.reverted and second.reverted.exit.how == ENDED.get(name, "clean")


def test_the_pass_shows_points_notes_and_both_attestations(recorded: Bench) -> None:
    result = recorded.judge(STORE).result
    assert told(result, Verdict.PASS) == f"reverted arm faults: {STRAY}"
    assert result.fixed and result.reverted and result.drift == ()
    assert [point.params["page_size"] for point in result.reverted.points] == [4, 1]
    assert [point.outcome for point in result.reverted.points] == ["fault", "clean"]
    assert "the table holds 3 entries; 12 are filled" in result.reverted.main.notes
    hashes = [arm.attestation and arm.attestation.modules[0].sha256 for arm in result.arms.values()]
    assert len(set(hashes)) == 2
    assert result.fixed.main.results["half"]["summary"]["max"] == 6.0


def test_two_runs_of_a_case_show_the_same(recorded: Bench) -> None:
    first, second = (recorded.judge(STORE).result for _ in range(2))
    for name, arm in first.arms.items():
        assert [point.digest for point in arm.points] == [point.digest for point in second.arms[name].points]


def test_a_crash_is_told_of_the_point_where_it_happened(fresh: Bench) -> None:
    crash = bug("pr105_null_address")
    assert crash.kernel
    mapped = {"mapped": Integer(1, minimum=0)}
    later = replace(crash.kernel, params=mapped, grid=Grid(mapped=[1, 0]))
    result = fresh.judge(replace(crash, kernel=later)).result
    assert told(result, Verdict.TOOTHLESS)  # its default point does nothing
    assert result.reverted
    seen = [(point.params["mapped"], point.signatures) for point in result.reverted.points]
    assert seen == [(1, ()), (0, ("crash (SIGSEGV)",))]


# --- the verdicts ----------------------------------------------------------------------------------


def test_unsupported_names_what_the_machine_lacks(fresh: Bench) -> None:
    result = fresh.judge(bug("pr109_needs_both_vendors")).result
    assert told(result, Verdict.UNSUPPORTED) == "this machine lacks cuda, rocm"
    assert result.arms == {}


def test_unrecorded_is_told_apart_from_a_point_the_golden_lacks(recorded: Bench) -> None:
    assert STORE.kernel
    wider = replace(STORE, kernel=replace(STORE.kernel, grid=Grid(page_size=[1, 2, 4])))
    expect = Expect(reverted=replace(STORE.expect.reverted, only={"page_size": [2, 4]}))
    reason = told(recorded.judge(replace(wider, expect=expect)).result, Verdict.UNRECORDED)
    assert "page_size=2" in reason and "record --update" in reason


@pytest.mark.parametrize(
    ("numel", "stray"),
    [
        ("pages", STRAY),
        ("pages * (page_size // 2)", "numel=6 first=6 last=11 count=6"),
    ],
)
def test_a_lost_or_half_lost_fix_is_regressed(
    numel: str, stray: str, recorded: Bench, tmp_path: Path
) -> None:
    altered = replace(recorded, folder=tmp_path).on(upstream.altered(SUM, f"numel = {numel}"))
    assert stray in told(altered.judge(STORE).result, Verdict.REGRESSED)


def test_a_differing_declared_output_is_regressed_on_any_tree(recorded: Bench) -> None:
    pages = upstream.altered("lane, mask=", "lane + 1, mask=")
    reason = told(recorded.on(pages, "shifted").judge(STORE).result, Verdict.REGRESSED)
    assert "fixed arm differs from its golden" in reason and "table" in reason


def test_a_trace_binds_on_the_golden_s_own_tree_only(recorded: Bench, tmp_path: Path) -> None:
    other = upstream.altered("BLOCK=64", "BLOCK=128")
    drifted = recorded.on(other, "wider").judge(STORE).result
    assert "BLOCK" in drifted.drift[0] and told(drifted, Verdict.PASS)
    golden = recorded.goldens.load(CaseKey(STORE.id, Tier.KERNEL, CPU))
    assert golden
    same = recorded.on(other, "wider again")
    bound = replace(golden, provenance={**golden.provenance, "tree": same.tree.content_hash})
    moved = replace(same, folder=tmp_path)
    moved.goldens.save(bound)
    reason = told(moved.judge(STORE).result, Verdict.REGRESSED)
    assert "trace" in reason and "BLOCK" in reason


def test_toothless_says_what_was_measured(fresh: Bench) -> None:
    harmless = Revert(edit(in_function="build_table", replace=SUM, by="numel = page_size * pages * 1"))
    reason = told(fresh.judge(replace(STORE, revert=harmless)).result, Verdict.TOOTHLESS)
    assert "the table holds 12 entries; 12 are filled" in reason
    by_hand = fresh.judge(STORE, {"page_size": 1}).result
    assert told(by_hand, Verdict.TOOTHLESS) and by_hand.judged_by == "by hand"


def test_changed_against_the_expectation_and_against_the_golden(recorded: Bench) -> None:
    elsewhere = Expect(reverted=replace(STORE.expect.reverted, buffer="page_table"))
    reason = told(recorded.judge(replace(STORE, expect=elsewhere)).result, Verdict.CHANGED)
    assert "oob-write into page_table by fill_kernel was expected" in reason
    worse = Revert(edit(in_function="build_table", replace=SUM, by="numel = pages - (page_size > 1)"))
    reason = told(recorded.judge(replace(STORE, revert=worse)).result, Verdict.CHANGED)
    assert "numel=2" in reason


def test_a_fault_outside_the_shape_of_the_bug_is_changed(fresh: Bench) -> None:
    everywhere = Revert(edit(in_function="build_table", replace=SUM, by="numel = pages * page_size - 1"))
    reason = told(fresh.judge(replace(STORE, revert=everywhere)).result, Verdict.CHANGED)
    assert "page_size=1" in reason and "it must stay clean there" in reason


def test_stale_names_the_nearest_statement(recorded: Bench) -> None:
    rewritten = upstream.altered(SUM, "numel = page_size * pages")
    reason = told(recorded.on(rewritten, "rewritten").judge(STORE).result, Verdict.STALE)
    assert "`numel = pages * page_size` found 0 times" in reason
    assert "`numel = page_size * pages`" in reason


def test_stale_where_the_statement_is_there_twice(recorded: Bench) -> None:
    twice = upstream.altered(SUM, f"{SUM}\n    {SUM}")
    assert "found 2 times" in told(recorded.on(twice, "twice").judge(STORE).result, Verdict.STALE)


def test_a_lost_fix_is_regressed_also_where_the_revert_is_stale(recorded: Bench) -> None:
    lost = upstream.altered(SUM, "numel = pages * 1")
    assert STRAY in told(recorded.on(lost, "lost").judge(STORE).result, Verdict.REGRESSED)


LOST = upstream.altered(SUM, "numel = pages * 1")


def aged(tree: Bench, monkeypatch: pytest.MonkeyPatch, **shown: str) -> Bench:
    """The same bench, where every tree shows this age."""
    monkeypatch.setattr(age, "of", lambda tree: Age(**shown))
    return tree


def test_a_tree_that_shows_to_be_older_than_the_fix_is_unfixed(
    recorded: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = aged(replace(recorded, folder=tmp_path).on(LOST), monkeypatch, has="9.9.6", lacks="9.9.7")
    reason = told(older.judge(STORE).result, Verdict.UNFIXED)
    shown = "this tree has what came with 9.9.6 and nothing of what came with 9.9.7"
    assert (
        reason == f"not fixed in this release yet: 9.9.8 has the fix, and {shown}; fixed arm faults: {STRAY}"
    )
    alone = older.judge(STORE, asked=("fixed",)).result
    assert told(alone, Verdict.UNFIXED) == reason


@pytest.mark.parametrize("release", ["9.9.8", "9.9.9"])
def test_a_release_that_had_the_fix_and_lost_it_is_regressed(
    release: str, recorded: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = aged(replace(recorded, folder=tmp_path).on(LOST), monkeypatch, release=release)
    assert STRAY in told(later.judge(STORE).result, Verdict.REGRESSED)


def test_what_a_tree_claims_to_be_makes_no_lost_fix_an_old_release(recorded: Bench, tmp_path: Path) -> None:
    lost = replace(recorded, folder=tmp_path).on(LOST)
    (lost.tree.folder / "version.py").write_text('__version__ = "0.5.9"\n')
    claiming = replace(lost, tree=at(lost.tree.root))
    assert claiming.tree.version == "0.5.9"
    assert STRAY in told(claiming.judge(STORE).result, Verdict.REGRESSED)


def test_an_old_release_that_has_the_fix_and_faults_all_the_same_is_regressed(
    recorded: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undone = upstream.altered(
        "torch.zeros(numel, dtype", "torch.zeros(pages, dtype"
    )  # the fix itself is there
    broken = aged(replace(recorded, folder=tmp_path).on(undone), monkeypatch, release="9.9.6")
    assert STRAY in told(broken.judge(STORE).result, Verdict.REGRESSED)


def test_reformatting_the_fix_changes_nothing_but_the_tree(recorded: Bench) -> None:
    reformatted = upstream.altered(SUM, "numel = (  # entries\n        pages\n        * page_size\n    )")
    result = recorded.on(reformatted, "reformatted").judge(STORE).result
    assert told(result, Verdict.PASS) == f"reverted arm faults: {STRAY}"


# --- a revert that is broken -----------------------------------------------------------------------


MISMATCH = bug("pr103_size_mismatch")
FILL = "out[:count].copy_(source[:count])"


def undone(by: str, **declared: Any) -> Reproducer:
    """#103 with another revert, and what its reverted arm is declared to raise."""
    broken = Revert(edit(in_function="stage", replace=FILL, by=by))
    return replace(MISMATCH, revert=broken, expect=Expect(reverted=faults("exception", **declared)))


def test_a_revert_that_loses_a_parameter_proves_nothing_and_is_not_run(fresh: Bench) -> None:
    result = fresh.judge(undone("out[:room].copy_(source)")).result
    lost = "reverted arm: the revert is broken: undefined name 'room' in sglang.pages:stage"
    assert told(result, Verdict.UNRESOLVED) == lost
    assert list(result.arms) == ["fixed"]


def test_a_call_that_no_longer_binds_proves_nothing(fresh: Bench) -> None:
    reason = told(fresh.judge(undone("pick(out)")).result, Verdict.UNRESOLVED)
    assert "a call that does not bind, pick() missing a required argument: 'slots'," in reason


HIDDEN = {
    "exec('room')": "the revert is broken: NameError in stage: name 'room' is not defined",
    "out.room": "the revert is broken: AttributeError in stage: 'Tensor' object has no attribute 'room'",
    "from math import room": "the revert is broken: ImportError in stage: cannot import name 'room'",
    "(lambda room: room)()": "the revert is broken: TypeError in stage: ",
}


@pytest.mark.parametrize("by", HIDDEN)
def test_what_only_shows_as_it_runs_proves_nothing_either(by: str, fresh: Bench) -> None:
    assert HIDDEN[by] in told(fresh.judge(undone(by)).result, Verdict.UNRESOLVED)


def test_a_declared_exception_is_the_bug(fresh: Bench) -> None:
    for by in ("out[:room].copy_(source)", "exec('room')"):
        declared = undone(by, of="NameError", says="'room'")
        assert told(fresh.judge(declared).result, Verdict.UNRECORDED)
    other = undone("exec('room')", of="NameError", says="'count'")
    assert "name 'room'" in told(fresh.judge(other).result, Verdict.UNRESOLVED)


def test_another_exception_than_the_declared_is_changed(fresh: Bench) -> None:
    reason = told(fresh.judge(undone("out.copy_(source)", of="KeyError")).result, Verdict.CHANGED)
    assert "exception (KeyError) was expected" in reason


def test_the_same_exception_of_the_fixed_arm_is_its_fault(fresh: Bench) -> None:
    altered = fresh.on(upstream.altered("count = min(len(out), len(source))", "count = exec('room')"))
    assert "NameError in stage" in told(altered.judge(MISMATCH).result, Verdict.REGRESSED)


# --- unresolved ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("raise", "the case itself failed: ValueError: the case is wrong"),
        ("misuse", "the runner stand-in was asked for 'unknown', which it does not know"),
        ("exit", "the arm's process ended as exception"),
        ("segfault", "the arm's process ended as crash: SIGSEGV"),
        ("sleep", "the arm's process ended as time-out"),
        ("exhaust", "the arm's process ended as out-of-memory"),
        ("unminded", "the arm's process ended as lost: the process that minds it ended"),
    ],
)
def test_a_failure_of_the_machinery_is_unresolved(trouble: str, reason: str, fresh: Bench) -> None:
    result = fresh.judge(TROUBLED, {"trouble": trouble}, asked=("fixed",)).result
    assert reason in told(result, Verdict.UNRESOLVED)


def test_a_case_that_refuses_its_parameters_is_bad_input(fresh: Bench) -> None:
    with pytest.raises(BadInput, match=r"^trouble: refuse cannot be run: choose another$"):
        fresh.judge(TROUBLED, {"trouble": "refuse"})


def test_a_function_that_was_never_entered_proves_nothing(fresh: Bench) -> None:
    elsewhere = Revert(edit(in_function="drain", remove="drained.set()"))
    result = fresh.judge(replace(STORE, revert=elsewhere)).result
    assert told(result, Verdict.UNRESOLVED) == "fixed arm: none of drain was entered"


def test_a_module_that_was_never_loaded_proves_nothing(fresh: Bench) -> None:
    elsewhere = Revert(edit(in_function="unused", replace="number + 1", by="number"))
    result = fresh.judge(replace(STORE, revert=elsewhere)).result
    assert told(result, Verdict.UNRESOLVED) == "fixed arm: sglang.spare was never loaded"


def test_a_tree_without_the_function_is_unresolved_and_says_so(fresh: Bench) -> None:
    renamed = fresh.on(upstream.PAGES.replace("build_table", "make_table"))
    assert "has no function build_table" in told(renamed.judge(STORE).result, Verdict.UNRESOLVED)


def test_one_arm_alone_has_no_verdict(fresh: Bench) -> None:
    alone = fresh.judge(STORE, asked=("reverted",)).result
    assert alone.verdict is None and list(alone.arms) == ["reverted"] and STRAY in alone.reason


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"tree": "0" * 64}, "the arm attests the tree 000000000000"),
        ({"sha256": "1" * 64}, "sglang.pages was told to be 111111111111, which"),
        ({"path": "sglang/nowhere.py"}, "nowhere.py is not"),
    ],
)
def test_what_was_loaded_is_held_against_the_files(
    changes: dict[str, str], told: str | None, fresh: Bench
) -> None:
    source = fresh.tree.read("pages.py")
    facts = {"path": "sglang/pages.py", "sha256": hashlib.sha256(source).hexdigest()}
    module = Module(name="sglang.pages", **{name: changes.get(name, fact) for name, fact in facts.items()})
    tree = changes.get("tree", fresh.tree.content_hash)
    attested = Attestation(tree=tree, root="/r", modules=(module,))
    seen = Observation(arm="fixed", exit=Exit(how="clean", code=0), attestation=attested)
    if told is None:
        judging._hold_to_files(fresh.tree, seen)
        return
    with pytest.raises(Forged, match=r"^forged or broken: ") as raised:
        judging._hold_to_files(fresh.tree, seen)
    assert told in str(raised.value)
