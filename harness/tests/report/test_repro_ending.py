"""The plan of one bug, its evidence, and how its run ends."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import permutations
from typing import Any

import pytest

from harness import catalogue
from harness.facts import CPU, Launch, Platform, ReportedServer, Reproducer, Subject, Tier
from harness.matrix import Status
from harness.matrix.last_measured import Release
from harness.observation import Fault
from harness.report import repro_ending, repro_evidence, terminal
from harness.report import repro_plan as plan_report
from harness.report.repro_ending import Ending
from harness.report.repro_evidence import Evidence
from harness.source.tree import Tree
from harness.suite import Request
from harness.suite.repro_plan import Last, Step
from harness.tests.report.runs import judged, passing, regressed, unsupported
from harness.tests.samples import STRAY, arm, case, expecting, point
from harness.tests.toyland.bench import bug, subject
from harness.verdict import EvidenceClass, Result, Verdict

REPORTED = ReportedServer(
    model="a/model", launches=(Launch(platform="rocm", flags={}),), client="ask it", expect="it dies"
)
BUG = replace(bug("pr101_stray_store"), server=subject("pr202_wrong_token").server, reported=REPORTED)
CONFIGURATION = subject("config_toy")


def step(tier: Tier, of: Subject = BUG, **facts: Any) -> Step:
    return Step(request=Request(reproducer=of, tier=tier), **{"platform": CPU, **facts})


PUT_OFF = step(Tier.SERVER, put_off="a server takes minutes", command="refault repro pr101 --tier server")
LACKING = step(Tier.SERVER, missing=("aiter", "rocm"))


def told(*results: Result, steps: tuple[Step, ...] = (step(Tier.KERNEL), PUT_OFF), **facts: Any) -> str:
    """What a run of the bug alone tells; nothing of its evidence where that is not `brief`."""
    brief = facts.pop("brief", True)
    ending = Ending(**{"subject": BUG, "steps": steps, "results": results, "measured": (), **facts})
    file = io.StringIO()
    console = terminal.console(file)
    if brief:
        evidence = Evidence(console, [result.key for result in results])
        for result in results:
            evidence.add(result)
        evidence.end()
    repro_ending.show(ending, console)
    return file.getvalue()


def test_verdict_evidence_releases_commands_and_what_is_missing() -> None:
    lines = told(passing()).splitlines()
    assert lines == [
        "PASS kernel cpu, 0.2 + 0.2 s, default point page_size=16",
        "  fixed    clean at all 2 points",
        f"  reverted {STRAY.signature}",
        "           1 of all 2 points fault",
        "",
        "1 PASS",
        "",
        "affected   declared: from 9.9.0 on, fixed in 9.9.8",
        "           measured: not yet; refault matrix pr101",
        "by hand    refault show pr101                        its revert, and servers to start by hand",
        "           refault repro pr101 --detail              both arms side by side, with all evidence",
        "           refault serve pr101 --arm reverted        its server with the fix undone, left up",
        "           refault repro pr101 --tier server --keep  both, judged and left up",
        "not shown  server on cpu, though it can be: refault repro pr101 --tier server",
        "           the report's own server: a/model on rocm",
    ]


def test_after_a_fuller_report_only_what_follows_is_told() -> None:
    lines = told(passing(), brief=False).splitlines()
    assert lines[0] == "" and lines[1].startswith("affected ")


def test_a_failing_verdict_brings_all_of_its_evidence() -> None:
    assert "attestation fixed" in told(regressed()) and "attestation" not in told(passing())


def test_no_command_is_told_that_does_not_work_here() -> None:
    text = told(unsupported(), steps=(LACKING,))
    assert "UNSUPPORTED kernel cpu: this machine lacks hip" in text
    assert "server: this machine lacks aiter, rocm" in text
    assert "refault serve" not in text and "--keep" not in text and "--detail" not in text


def test_commands_are_for_the_tree_that_was_run() -> None:
    text = told(passing(), target="9.9.8")
    assert "refault repro pr101 --detail --sglang 9.9.8 " in text and "refault show pr101 " in text


@pytest.mark.parametrize(
    ("version", "said"),
    [("9.9.7", "; so 9.9.7 is affected"), ("9.9.8", "; so 9.9.8 is fixed"), ("9.9.8.dev1", "")],
)
def test_the_tree_s_release_is_held_against_the_declared_range(version: str, said: str) -> None:
    assert (
        f"declared: from 9.9.0 on, fixed in 9.9.8{said}" in told(passing(), version=version).splitlines()[7]
    )


def test_measured_releases_are_told_in_ranges() -> None:
    found = [("9.9.1", "affected"), ("9.9.2", "affected"), ("9.9.3", "affected"), ("9.9.8", "fixed")]
    measured = [Release(release=name, status=Status(word), on=date(2026, 1, 2)) for name, word in found]
    line = "measured: 9.9.1 to 9.9.3 (3 releases) affected; 9.9.8 fixed (refault matrix, 2026-01-02)"
    assert line in told(passing(), measured=measured)


def test_a_configuration_has_no_releases_and_its_own_server() -> None:
    steps = (step(Tier.SERVER, CONFIGURATION),)
    text = told(passing(tier="server"), subject=CONFIGURATION, steps=steps)
    assert "affected" not in text and "refault serve config_toy --arm fixed" in text
    assert "not shown  nothing: every case that was asked for ran here" in text


def test_a_signature_is_said_to_prove_nothing() -> None:
    seen = Fault(kind="signature", buffer="table", message="i32 stored as i64")
    evidence = case(
        expect=expecting("signature"), reverted=arm("reverted", point(16, seen), point(1)), golden=None
    )
    text = told(
        replace(judged(evidence, tier="codegen", verdict=Verdict.PASS), evidence=EvidenceClass.SIGNATURE)
    )
    assert "1 of all 2 points have the signature" in text
    assert "it identifies the kernel and proves none" in text


def test_many_faults_and_long_notes_fit_a_screen() -> None:
    violations = [replace(STRAY, buffer=f"table{number}") for number in range(9)]
    main = point(16, *violations, notes=("long " * 100, "second", "third"))
    text = told(judged(case(reverted=arm("reverted", main, point(1)), golden=None), verdict=Verdict.PASS))
    assert text.count("oob-write") == repro_evidence.FAULTS and "and 5 more" in text
    assert "second" in text and "third" not in text
    assert max(map(len, text.splitlines())) < 170


def test_control_characters_do_not_reach_the_terminal() -> None:
    main = point(16, STRAY, notes=("\x1b[31mred",))
    assert "\x1b" not in told(judged(case(reverted=arm("reverted", main, point(1)))))


# --- meanwhile ---------------------------------------------------------------------------------------


def rows() -> list[Result]:
    """Three that passed, in the order of their platforms."""
    return [passing(platform=name) for name in ("cpu", "cuda-sm90", "rocm-gfx942")]


def told_by(evidence_of: Sequence[Result], *came: Result) -> tuple[list[str], list[str]]:
    """What is told of results as they come, and then at the end; the first line of each, and the summary."""
    file = io.StringIO()
    evidence = Evidence(terminal.console(file), [result.key for result in evidence_of])
    for result in came:
        evidence.add(result)
    meanwhile = file.getvalue()
    evidence.end()
    return _heads(meanwhile), _heads(file.getvalue()[len(meanwhile) :])


def _heads(text: str) -> list[str]:
    return [line.partition(",")[0] for line in text.splitlines() if line and not line.startswith(" ")]


def test_evidence_is_told_as_soon_as_that_before_it_is() -> None:
    first, second, third = rows()
    assert told_by(rows(), first) == (["PASS kernel cpu"], ["1 PASS"])
    assert told_by(rows(), third, second) == (
        [],
        ["PASS kernel cuda-sm90", "PASS kernel rocm-gfx942", "2 PASS"],
    )
    heads = ["PASS kernel cpu", "PASS kernel cuda-sm90", "PASS kernel rocm-gfx942"]
    for order in permutations(rows()):
        assert told_by(rows(), *order) == (heads, ["3 PASS"])


# --- before it ---------------------------------------------------------------------------------------


def planned(*steps: Step) -> list[str]:
    tree = Tree(root=catalogue.golden_folder(), version="9.9.8", origin="installed")
    return list(plan_report.lines(steps[0].request.reproducer, tree, steps))


def test_a_plan_says_what_runs_how_long_it_took_and_what_does_not() -> None:
    last = Last(at=datetime(2026, 1, 1, tzinfo=UTC), arms={"fixed": 3.2, "reverted": 4.0})
    lacking = step(Tier.KERNEL, platform=Platform.parse("cuda"), missing=("cuda",))
    lines = planned(step(Tier.KERNEL, last=last), lacking, PUT_OFF)
    assert lines[0].startswith("#101: ") and lines[1] == "sglang 9.9.8 (installed)"
    assert lines[2].startswith("  run      kernel  cpu   ")
    assert lines[2].endswith("; last time 3 s (fixed) and 4 s (reverted)")
    assert lines[3] == "  not run  kernel  cuda  this machine lacks cuda"
    assert lines[4] == (
        "  not run  server  cpu   a server takes minutes; ask for it: refault repro pr101 --tier server"
    )


def test_a_case_that_never_ran_has_no_record() -> None:
    assert planned(step(Tier.SERVER, CONFIGURATION))[2].endswith("; no record yet of how long it takes")


@pytest.mark.parametrize("of", [BUG, CONFIGURATION])
def test_every_tier_of_a_subject_has_a_line(of: Subject) -> None:
    assert isinstance(of, Reproducer) or of.tiers == ("server",)
    assert len(planned(*(step(tier, of) for tier in of.tiers))) == 2 + len(of.tiers)
