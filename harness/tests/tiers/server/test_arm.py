"""The server tier on the toy's server: real processes, a real tiny model, and its real reference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from harness.facts import CPU, CaseKey, Subject, Tier, watch
from harness.golden import form
from harness.observation import Exit
from harness.process import descendants
from harness.process.job import read_json
from harness.process.pool import Pool
from harness.serving.ending import Ending
from harness.suite import Judged, Request, Suite
from harness.tests.gate import reread
from harness.tests.toyland import bench
from harness.tests.toyland.bench import Bench, subject
from harness.tiers.server.arm import TIMES, Run
from harness.tiers.server.check_answers import Judged as Answers
from harness.verdict import EvidenceClass, Result, Verdict

CONFIGURATION = subject("config_toy")
ENDED = Ending(exit=Exit(how="stopped"))
SHOWN = {
    "pr201_stray_store": "oob-write into table by fill_kernel in scheduler",
    "pr202_wrong_token": "wrong-value tokens",
    "pr203_size_mismatch": "exception in scheduler (RuntimeError in stage: The size of tensor a (2)",
    "pr205_null_address": "crash in scheduler (Fatal Python error: Segmentation fault)",
    "pr206_endless_drain": "hang (no token for 10 s)",
    "pr208_token_of_a_graph": "wrong-value tokens",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, cache: Path, kernel_pool: Pool) -> Bench:
    """The toy with its server; goldens are added by the tests."""
    return bench.lay_out_server(tmp_path_factory.mktemp("served"), cache, kernel_pool)


@pytest.fixture(scope="module")
def judged(served: Bench) -> Mapping[str, Judged]:
    """Every toy of the server tier, run once, two arms at a time."""
    subjects = [CONFIGURATION, *map(subject, SHOWN)]
    requests = [Request(reproducer=one, tier=Tier.SERVER) for one in subjects]
    found = Suite(served.setting, pool=served.pool).run(requests)
    return {one.result.reproducer: one for one in found}


def reason(result: Result, verdict: Verdict) -> str:
    assert result.verdict is verdict, f"{result.verdict}: {result.reason}"
    return result.reason


# --- what is seen ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHOWN)
def test_each_planted_bug_shows_in_the_reverted_arm_alone(name: str, judged: Mapping[str, Judged]) -> None:
    result = judged[name].result
    assert reason(result, Verdict.UNRECORDED)
    assert result.fixed and result.fixed.main.faults == () and result.fixed.main.findings == ()
    assert result.reverted
    shown = [one for one in result.reverted.main.signatures if one.startswith(SHOWN[name])]
    assert len(shown) == 1, result.reverted.main.signatures


def test_what_graphs_on_the_cpu_show_is_emulated_and_told_so(judged: Mapping[str, Judged]) -> None:
    result = judged["pr208_token_of_a_graph"].result
    assert result.evidence is EvidenceClass.EMULATED and result.fixed and result.fixed.attestation
    assert "torch.cuda.Stream: the CPU's" in result.fixed.attestation.patches
    others = {one.result.evidence for name, one in judged.items() if name != "pr208_token_of_a_graph"}
    assert others == {EvidenceClass.FAULT}


def test_answers_that_bind_nothing_are_told_and_kept_in_no_golden(
    judged: Mapping[str, Judged], served: Bench, tmp_path: Path
) -> None:
    """The same arms, as the case would observe them with `answers_bind` off."""
    fixed = judged["config_toy"].result.fixed
    assert fixed and CONFIGURATION.server
    case = replace(CONFIGURATION.server, watch=watch("oob-write"), answers_bind=False)
    payload = {
        "platform": "cpu",
        "root": str(served.setting.tree.root),
        "package": "sglang",
        "reverted": None,
    }
    run = Run(payload, tmp_path, case, {})
    seen = fixed.main
    answers = Answers(
        requests=dict(seen.results["requests"]), compared={}, faults=(), notes=(), trace=tuple(seen.trace)
    )
    point = run.observed(answers, ENDED, ())
    assert (dict(point.results), point.trace) == ({}, ())
    assert point.compared["requests"] == seen.results["requests"]
    bound = Run(payload, tmp_path, CONFIGURATION.server, {}).observed(answers, ENDED, ())
    assert bound.results["requests"] == seen.results["requests"] and bound.trace


@pytest.mark.parametrize("name", SHOWN)
def test_every_process_attests(name: str, judged: Mapping[str, Judged]) -> None:
    """Also that of an arm whose scheduler crashed or hung."""
    one: Subject = subject(name)
    for arm in judged[name].result.arms.values():
        assert arm.attestation
        assert set(arm.attestation.processes) == {"server", "scheduler"}
        assert arm.attestation.processes["server"].entered == ()
        assert arm.attestation.processes["scheduler"].entered == one.revert.functions  # type: ignore[attr-defined]
        assert [module.path for module in arm.attestation.modules] == ["sglang/pages.py"]


@pytest.mark.parametrize("name", [*SHOWN, "config_toy"])
def test_it_is_judged_the_same_again(name: str, judged: Mapping[str, Judged], served: Bench) -> None:
    """From its document, before it was recorded and after."""
    one, bare = judged[name], replace(served, folder=served.folder / name)
    assert reread.problem(bare, one, subject(name)) is None
    bare.keep(one)
    assert "and its arms show PASS" in str(reread.problem(bare, one, subject(name)))
    assert reread.problem(bare, one, subject(name), verdict=Verdict.PASS) is None


def test_answers_are_the_reference_s_and_are_kept_by_request(judged: Mapping[str, Judged]) -> None:
    fixed = judged["config_toy"].result.fixed
    assert fixed
    requests = fixed.main.results["requests"]
    assert list(requests) == ["r1-000", "r1-001", "alone-000"]
    assert requests["r1-000"] == requests["alone-000"] and len(requests["r1-000"]["tokens"]) == 3
    compared = fixed.main.compared["answers"]
    assert (compared["requests"], compared["elements"]) == (3, 9) and compared["max_abs"] < 1e-4
    assert [event["request"] for event in fixed.main.trace] == list(requests)


def test_a_stray_is_told_with_its_request_and_line(judged: Mapping[str, Judged]) -> None:
    reverted = judged["pr201_stray_store"].result.reverted
    assert reverted and reverted.main.faults[0].count is None  # how much strays depends on the batch
    told = next(note for note in reverted.main.notes if "fill_kernel" in note)
    assert "count=" in told and "EXTEND of r0-000" in told and "at fill_kernel:" in told


def test_a_wrong_token_is_told_beside_the_reference_s(judged: Mapping[str, Judged]) -> None:
    reverted = judged["pr202_wrong_token"].result.reverted
    assert reverted
    assert "r1-000: token 0 is" in reverted.main.notes[0]
    assert "the float64 reference's is" in reverted.main.notes[0]


def test_a_server_s_times_are_kept_in_their_order(judged: Mapping[str, Judged]) -> None:
    fixed = judged["config_toy"].result.fixed
    assert fixed and fixed.log
    times = read_json(Path(fixed.log).parent / "server-0" / TIMES)
    assert 0 < times["ready"] < times["first"] < times["last"] < times["end"] < fixed.seconds


def test_a_server_that_is_watched_for_leaks_is_left_alone_until_it_has_looked(
    judged: Mapping[str, Judged],
) -> None:
    fixed = judged["config_toy"].result.fixed
    assert fixed and fixed.log and CONFIGURATION.server and "leak" in CONFIGURATION.server.watch.kinds
    log = (Path(fixed.log).parent / "server-0" / "server.log").read_text()
    assert log.count("told its state") == 2


def test_nothing_of_a_server_is_left(judged: Mapping[str, Judged], served: Bench) -> None:
    """Ten servers have ended, in five different ways."""
    assert judged
    below = descendants.descendants(served.pool.supervisor)
    assert [process.name for process in below if not process.name.startswith("refault-")] == []


# --- goldens ---------------------------------------------------------------------------------------


def test_a_configuration_passes_as_golden_and_departs_from_it(
    judged: Mapping[str, Judged], served: Bench
) -> None:
    first = served.keep(judged["config_toy"])
    golden = served.goldens.load(CaseKey("config_toy", Tier.SERVER, CPU))
    assert golden and set(golden.arms) == {"fixed"}
    second = served.judge(CONFIGURATION, tier=Tier.SERVER).result
    assert reason(second, Verdict.PASS) == "the configuration starts, answers and stays clean, as golden"
    assert second.configuration and list(second.arms) == ["fixed"]
    assert first.fixed and second.fixed and first.fixed.main.results == second.fixed.main.results
    other = served.goldens.path(CaseKey("config_toy", Tier.SERVER, CPU))
    token = golden.arms["fixed"][0].point.results["requests"]["r1-000"]["tokens"][0]
    altered = json.loads(other.read_text().replace(f'"tokens": [{token},', f'"tokens": [{token + 1},'))
    other.write_text(json.dumps({**altered, "digest": form.digest(altered)}))
    departed = served.judge(CONFIGURATION, tier=Tier.SERVER).result
    assert "fixed arm differs from its golden" in reason(departed, Verdict.REGRESSED)


# --- servers that never serve ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ("die", "exception in scheduler (ValueError in forward: toy size 3 does not match 4)"),
        ("die-quietly", "ended by itself with code 3; last line: the last thing it says"),
        ("segfault", "Segmentation fault"),
    ],
)
def test_a_server_that_dies_at_its_start_is_unresolved_with_its_fault_and_log(
    trouble: str, told: str, served: Bench
) -> None:
    never = subject("pr207_never_starts")
    result = served.judge(never, {"trouble": trouble}, asked=("fixed",), tier=Tier.SERVER).result
    said = reason(result, Verdict.UNRESOLVED)
    assert told in said and "server.log" in said
    assert result.fixed and result.fixed.seconds < 30  # at once, and not when its time was up
