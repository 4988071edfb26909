"""Decisions: what blocks, what does not, and what is said about it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.facts import CPU, Platform
from harness.gate.decision import decide
from harness.gate.results import Build
from harness.tests.gate.invented import BUILD, KNOWN, ON_CPU, decided, policy, results, row
from harness.verdict import EvidenceClass, Verdict

TWO_PLATFORMS = ON_CPU + ON_CPU.replace("cpu", "rocm-gfx942").replace("kernel", "server")
SERVED = ON_CPU.replace('["kernel"]', '["kernel"]\nrepeats = 4')


def quarantine(**facts: str) -> str:
    own = {"reproducer": '"101"', "owner": '"ann"', "reason": '"waits"', "expires": "2026-06-15", **facts}
    return "\n[[quarantine]]\n" + "".join(f"{key} = {value}\n" for key, value in own.items())


def test_a_pass_passes(tmp_path: Path) -> None:
    found = decided(tmp_path, ON_CPU, row())
    assert found.word == "pass" and [entry.reproducer for entry in found.passed] == ["pr101_stray_store"]
    assert found.to_json()["blocking"] == []


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.PASS])
def test_every_other_verdict_blocks_and_says_what_to_do(tmp_path: Path, verdict: Verdict) -> None:
    (entry,) = decided(tmp_path, ON_CPU, row(verdict, reason="because")).blocking
    told = entry.to_json()
    assert told["verdict"] == verdict.value and told["reason"] == f"because: {entry.remedy}"
    assert len(entry.remedy) > 20
    assert set(told) == {"reproducer", "tier", "platform", "verdict", "evidence", "reason"}


@pytest.mark.parametrize(
    ("verdict", "version", "told"),
    [
        (
            Verdict.UNFIXED,
            None,
            "take over #101, which upstream has since 9.9.8; see it with `refault repro pr101",
        ),
        (Verdict.REGRESSED, "9.9.9", "upstream has #101 since 9.9.8, and this build lost it"),
        (Verdict.REGRESSED, "9.9.7", "and this build lost it"),  # what it claims to be is no excuse
        (Verdict.REGRESSED, None, "--sglang PATH"),
    ],
)
def test_a_fix_that_is_not_there_says_where_it_is(
    tmp_path: Path, verdict: Verdict, version: str | None, told: str
) -> None:
    build = Build(tree="b" * 64, version=version)
    (entry,) = decided(tmp_path, ON_CPU, row(verdict), build=build).blocking
    assert told in entry.remedy


def test_what_ran_on_a_release_of_its_own_is_no_evidence_of_the_build(tmp_path: Path) -> None:
    text = ON_CPU + ON_CPU.replace("101", "104")
    elsewhere = replace(row(reproducer="pr104_short_indptr"), retired=True)
    found = decided(tmp_path, text, row(), elsewhere)
    assert found.word == "pass" and [entry.reproducer for entry in found.passed] == ["pr101_stray_store"]
    assert [entry.reproducer for entry in found.retired] == ["pr104_short_indptr"]
    alone = decided(tmp_path, ON_CPU.replace("101", "104"), elsewhere)
    assert alone.word == "block" and alone.blocking[0].reason == "not one result is a PASS"
    broken = replace(row(Verdict.TOOTHLESS, reproducer="pr104_short_indptr"), retired=True)
    assert decided(tmp_path, text, row(), broken).word == "block"


def test_a_policy_may_let_a_fix_that_is_not_there_yet_through_and_never_a_lost_one(tmp_path: Path) -> None:
    text = 'block = ["REGRESSED", "TOOTHLESS"]\n' + ON_CPU + ON_CPU.replace("101", "104")
    passing = row(reproducer="pr104_short_indptr")
    found = decided(tmp_path, text, row(Verdict.UNFIXED), passing)
    assert found.word == "pass" and [entry.verdict for entry in found.let_through] == [Verdict.UNFIXED]
    assert decided(tmp_path, text, row(Verdict.REGRESSED), passing).word == "block"
    assert decided(tmp_path, ON_CPU, row(Verdict.UNFIXED), passing).word == "block"  # by default it blocks


def test_a_platform_without_results_blocks(tmp_path: Path) -> None:
    text = ON_CPU + ON_CPU.replace("cpu", "rocm-gfx942")
    (entry,) = decided(tmp_path, text, row()).blocking
    assert entry.verdict is None and entry.reason == "no results from rocm-gfx942, only from cpu"
    assert "--merge" in entry.remedy and "on rocm-gfx942" in entry.remedy


def test_one_that_was_not_run_blocks(tmp_path: Path) -> None:
    text = ON_CPU.replace('["101"]', '["101", "104"]')
    (entry,) = decided(tmp_path, text, row()).blocking
    assert entry.reproducer == "pr104_short_indptr" and "not run" in entry.reason


def test_one_arm_alone_is_no_evidence(tmp_path: Path) -> None:
    (entry,) = decided(tmp_path, ON_CPU, row(None)).blocking
    assert "one arm only" in entry.reason


def test_compiled_for_a_chip_is_not_run_on_it(tmp_path: Path) -> None:
    """A codegen result has the chip it compiled for as its platform, and was made on a CPU."""
    text = ON_CPU.replace("cpu", "rocm-gfx942")
    (entry,) = decided(tmp_path, text, row(tier="codegen", platform="rocm-gfx942")).blocking
    assert entry.tier == "kernel"


def test_a_case_for_any_chip_counts_for_the_one_it_ran_on(tmp_path: Path) -> None:
    text = ON_CPU.replace("cpu", "rocm-gfx942")
    assert decided(tmp_path, text, row(platform="rocm", machine="rocm-gfx942")).word == "pass"
    assert decided(tmp_path, text, row(platform="rocm", machine="rocm-gfx90a")).word == "block"
    assert decided(tmp_path, text, row(platform="rocm")).word == "block"


def test_a_case_for_the_chip_and_one_for_the_family_must_both_hold(tmp_path: Path) -> None:
    text = ON_CPU.replace("cpu", "rocm-gfx942")
    own = row(platform="rocm-gfx942", machine="rocm-gfx942")
    family = row(Verdict.REGRESSED, platform="rocm", machine="rocm-gfx942")
    (entry,) = decided(tmp_path, text, own, family).blocking
    assert entry.verdict is Verdict.REGRESSED


# --- repeats and rates -----------------------------------------------------------------------


def test_fewer_runs_than_asked_block(tmp_path: Path) -> None:
    (entry,) = decided(tmp_path, SERVED, row(), row(), row()).blocking
    assert entry.reason == "run 3 of 4 times that the policy asks for"


def test_one_failure_among_many_blocks(tmp_path: Path) -> None:
    (entry,) = decided(tmp_path, SERVED, *[row()] * 5, row(Verdict.REGRESSED, reason="bad")).blocking
    assert entry.reason == "bad (in 1 of 6 runs)"


@pytest.mark.parametrize(("toothless", "word"), [(1, "pass"), (2, "pass"), (3, "block")])
def test_a_flaky_bug_may_hide_as_often_as_the_policy_says(tmp_path: Path, toothless: int, word: str) -> None:
    rows = [row(Verdict.TOOTHLESS)] * toothless + [row()] * (4 - toothless)
    assert decided(tmp_path, SERVED + "reverted_faults = 0.5\n", *rows).word == word


def test_the_bounds_are_of_their_own_verdicts_alone(tmp_path: Path) -> None:
    text = SERVED + "reverted_faults = 0.0\nfixed_faults = 1.0\n"
    rows = [row(), row(Verdict.REGRESSED), row(Verdict.TOOTHLESS)]
    assert decided(tmp_path, text, *rows, row()).word == "pass"
    assert decided(tmp_path, text, *rows, row(Verdict.STALE)).word == "block"


def test_what_the_policy_lets_through_is_told_and_is_no_pass(tmp_path: Path) -> None:
    text = 'block = ["REGRESSED"]\n' + ON_CPU.replace('["101"]', '["101", "104"]')
    changed = row(Verdict.CHANGED)
    found = decided(tmp_path, text, changed, row(reproducer="pr104_short_indptr"))
    assert found.word == "pass" and [entry.verdict for entry in found.let_through] == [Verdict.CHANGED]
    (entry,) = decided(tmp_path, 'block = ["REGRESSED"]\n' + ON_CPU, changed).blocking
    assert entry.reason == "not one result is a PASS"


# --- quarantine ------------------------------------------------------------------------------


def test_a_quarantine_holds_through_its_last_day(tmp_path: Path) -> None:
    text = ON_CPU.replace('["101"]', '["101", "104"]') + quarantine()
    rows = row(Verdict.REGRESSED), row(reproducer="pr104_short_indptr")
    found = decided(tmp_path, text, *rows)
    assert (
        found.word == "pass" and "quarantined until 2026-06-15 by ann: waits" in found.quarantined[0].reason
    )
    late = decided(tmp_path, text, *rows, today=date(2026, 6, 16))
    assert {entry.verdict for entry in late.blocking} == {Verdict.REGRESSED, None}
    assert "owned by ann, expired on 2026-06-15 (waits)" in late.blocking[1].reason


def test_an_expired_quarantine_blocks_even_where_all_passes(tmp_path: Path) -> None:
    found = decided(tmp_path, ON_CPU + quarantine(expires="2026-06-14"), row())
    assert found.word == "block" and "expired" in found.blocking[0].reason


def test_a_missing_result_cannot_be_quarantined(tmp_path: Path) -> None:
    assert decided(tmp_path, ON_CPU + quarantine()).word == "block"


@pytest.mark.parametrize("facts", [{"tier": '"kernel"'}, {"platform": '"cpu"'}])
def test_a_quarantine_of_a_tier_or_platform(tmp_path: Path, facts: dict[str, str]) -> None:
    text = ON_CPU.replace('["101"]', '["101", "104"]') + quarantine(**facts)
    rows = row(Verdict.STALE), row(reproducer="pr104_short_indptr")
    assert decided(tmp_path, text, *rows).word == "pass"


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"reproducer": '"99"'}, "names 99, which is no reproducer"),
        ({"tier": '"codegen"'}, "in which pr101 has no case"),
        ({"platform": '"cuda-sm90"'}, "names cuda-sm90, of which the policy asks nothing"),
    ],
)
def test_a_quarantine_of_nothing_blocks(tmp_path: Path, facts: dict[str, str], told: str) -> None:
    (entry,) = decided(tmp_path, ON_CPU + quarantine(**facts), row()).blocking
    assert told in entry.reason and entry.remedy == "correct or remove it"


# --- the policy against the catalogue ----------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('["101"]', '["101", "99"]', "gate.toml: require[1] names 99, which is no reproducer"),
        ('["kernel"]', '["kernel", "server"]', "asks for the server tier, in which pr101 has no case"),
        ('["kernel"]', '["kernel", "codegen"]', "asks for the codegen tier, in which pr101 has no case"),
    ],
)
def test_what_cannot_be_met_blocks(tmp_path: Path, old: str, new: str, told: str) -> None:
    (entry,) = decided(tmp_path, ON_CPU.replace(old, new), row()).blocking
    assert told in entry.reason


def test_all_means_all_that_have_the_tier(tmp_path: Path) -> None:
    text = ON_CPU.replace('["101"]', '"all"')
    (entry,) = decided(tmp_path, text, row()).blocking
    assert entry.reproducer == "pr104_short_indptr"
    (entry,) = decided(tmp_path, text.replace("kernel", "server"), row()).blocking
    assert "asks for all server cases for cpu, and there is none" in entry.reason


def test_an_older_release_is_spared_and_that_is_said(tmp_path: Path) -> None:
    text = ON_CPU + ON_CPU.replace('["101"]', '["104"]\nsince = "9.9.9"\nreason = "it is new"')
    found = decided(tmp_path, text, row())
    assert found.word == "pass" and found.not_yet_asked[0].reason == "asked from 9.9.9 on: it is new"
    assert decided(tmp_path, text, row(), build=Build(tree="c", release="9.9.9")).word == "block"


def test_a_release_from_before_the_bug_is_spared_and_that_is_said(tmp_path: Path) -> None:
    """#101 came with 9.9.0."""
    text = ON_CPU + ON_CPU.replace('["101"]', '["104"]')
    older = Build(tree="c", release="9.8.9")
    found = decided(tmp_path, text, row(reproducer="pr104_short_indptr"), build=older)
    (entry,) = found.not_yet_asked
    assert (entry.reproducer, found.word) == ("pr101_stray_store", "pass")
    assert entry.reason == "asked from 9.9.0 on: that release brought the bug"
    assert decided(tmp_path, ON_CPU, build=Build(tree="c", release="9.9.0")).word == "block"
    assert decided(tmp_path, ON_CPU, build=Build(tree="c", version="9.8.9")).word == "block"


def test_claiming_to_be_old_spares_nothing(tmp_path: Path) -> None:
    """What a tree calls itself is no proof of its age."""
    text = ON_CPU + ON_CPU.replace('["101"]', '["104"]\nsince = "9.9.9"\nreason = "it is new"')
    found = decided(tmp_path, text, row(), build=Build(tree="c", version="0.0.1"))
    assert found.word == "block" and not found.not_yet_asked
    assert "claims 0.0.1, not known" in found.build.name


@pytest.mark.parametrize("others", [0, 3])
def test_a_result_that_cannot_be_judged_again_blocks(tmp_path: Path, others: int) -> None:
    """However many others there are of the same case."""
    forged = replace(row(), problem="its arms show nothing")
    (entry,) = decided(tmp_path, ON_CPU, *[row()] * others, forged).blocking[:1]
    assert entry.reason == "cannot be judged again: its arms show nothing"
    assert entry.word == "unproven" and entry.to_json()["verdict"] is None


@pytest.mark.parametrize("platform", ["cuda-sm90", "rocm-gfx942"])
def test_what_was_emulated_counts_for_the_cpu_alone(tmp_path: Path, platform: str) -> None:
    """However many others there are that were seen on the device itself."""
    on_device = ON_CPU.replace('"cpu"', f'"{platform}"')
    real = row(platform=platform, machine=platform)
    emulated = replace(real, evidence=EvidenceClass.EMULATED)
    found = decided(tmp_path, ON_CPU, row(), replace(row(), evidence=EvidenceClass.EMULATED))
    assert found.word == "pass" and [one.word for one in found.passed] == ["PASS (emulated)"]
    assert found.passed[0].to_json()["evidence"] == "emulated"
    (alone,) = decided(tmp_path, ON_CPU, row()).passed
    assert (alone.word, alone.to_json()["evidence"]) == ("PASS", "fault")
    assert decided(tmp_path, on_device, real).word == "pass"
    for rows in ((emulated,), (real, emulated)):
        (entry,) = decided(tmp_path, on_device, *rows).blocking[:1]
        told = f"its evidence is emulated, which counts for the cpu alone and not for {platform}"
        assert (entry.word, entry.reason) == ("unproven", told)


def test_what_an_emulator_showed_is_never_asked_for_by_the_chip_s_name(tmp_path: Path) -> None:
    emulated = replace(row(platform="emulated-gfx942"), evidence=EvidenceClass.EMULATED)
    found = decided(tmp_path, ON_CPU.replace('"cpu"', '"rocm-gfx942"'), emulated)
    assert found.blocking[0].reason == "no results from rocm-gfx942, only from cpu"
    (entry,) = decided(tmp_path, ON_CPU.replace('"cpu"', '"emulated-gfx942"'), emulated).blocking[:1]
    assert "for which pr101 has none" in entry.reason  # the toy's case names no chip


def test_one_beside_the_policy_is_told(tmp_path: Path) -> None:
    forged = replace(row(reproducer="pr104_short_indptr"), problem="odd")
    found = decided(tmp_path, ON_CPU, row(), forged)
    assert found.word == "pass" and found.unasked[0].reason == "cannot be judged again: odd"


def test_a_file_that_does_not_count_blocks(tmp_path: Path) -> None:
    shown = replace(results(row()), refused=(("r.json", "it is not signed"),))
    found = decide(policy(tmp_path, ON_CPU), shown, KNOWN, date(2026, 6, 15))
    assert found.word == "block" and found.blocking[0].word == "refused"
    assert found.blocking[0].reason == "r.json does not count: it is not signed"


def test_failures_beside_the_policy_are_told(tmp_path: Path) -> None:
    found = decided(tmp_path, ON_CPU, row(), row(Verdict.REGRESSED, reproducer="pr104_short_indptr"))
    assert found.word == "pass" and [entry.reproducer for entry in found.unasked] == ["pr104_short_indptr"]


def test_a_platform_can_be_asked_alone(tmp_path: Path) -> None:
    ours = policy(tmp_path, ON_CPU + ON_CPU.replace("cpu", "cuda-sm90"))
    found = decide(ours, results(row()), KNOWN, date(2026, 6, 15), [CPU])
    assert found.word == "pass" and found.platforms == (CPU,)
    with pytest.raises(
        BadInput, match=r"--platform rocm: gate\.toml asks nothing of it: it has cpu, cuda-sm90"
    ):
        decide(ours, results(row()), KNOWN, date(2026, 6, 15), [Platform.parse("rocm")])


def test_the_json_says_what_was_decided_on(tmp_path: Path) -> None:
    told = decided(tmp_path, ON_CPU, row()).to_json()
    assert told["decision"] == "pass" and told["sglang"] == {
        "release": "9.9.8",
        "version": "9.9.8",
        "tree": BUILD.tree,
    }
    assert told["policy"]["name"] == "gate.toml" and told["results"] == ["r.json"]
