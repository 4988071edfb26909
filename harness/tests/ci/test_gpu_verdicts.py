"""What is told of cases that ran again and again on a GPU."""

from __future__ import annotations

import json
import os
import signal
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from harness.facts import Tier
from harness.golden import GoldenStore
from harness.machine import this_machine
from harness.machine.workspace import Workspace
from harness.source.tree import at
from harness.suite import Request, Setting
from harness.tests.ci.test_gpu_scripts import script
from harness.tests.suite.test_repeat import run as ran
from harness.tests.toyland import upstream
from harness.tests.toyland.bench import bug
from harness.verdict import Verdict

BUGS = ("pr101_stray_store", "pr102_wrong_slot")


@pytest.fixture(scope="module")
def verdicts() -> Any:
    return script("gpu/verdicts.py")


def setting(folder: Path) -> Setting:
    return Setting(
        tree=at(upstream.write(folder / "toy")),
        machine=this_machine(),
        goldens=GoldenStore(folder / "golden"),
        workspace=Workspace(folder / "cache"),
    )


def row(verdicts: Any, verdict: str, case: str = "pr1 kernel", **faults: list[str]) -> Any:
    return verdicts.Row(case, verdict, "as golden", 10.0, faults or {"fixed": [], "reverted": ["oob"]})


def test_steady_is_every_case_as_often_as_asked_and_pass_each_time(verdicts: Any) -> None:
    table = verdicts.Table(2, ["pr1 kernel", "pr2 kernel"])
    table.rows += [row(verdicts, "PASS"), row(verdicts, "PASS"), row(verdicts, "PASS", "pr2 kernel")]
    assert not table.steady  # one run is missing
    table.rows.append(row(verdicts, "PASS", "pr2 kernel"))
    assert table.steady
    table.rows[0] = row(verdicts, "UNSUPPORTED")
    assert not table.steady
    assert not verdicts.Table(2, []).steady


def test_a_release_from_before_a_fix_is_steady_where_it_always_says_so(verdicts: Any) -> None:
    table = verdicts.Table(2, ["pr1 kernel"])
    table.rows += [row(verdicts, "UNFIXED")] * 2
    assert table.steady
    table.rows[1] = row(verdicts, "PASS")
    assert not table.steady


def test_a_flip_is_told_with_its_rate_and_its_faults(verdicts: Any) -> None:
    table = verdicts.Table(4, ["pr1 kernel", "pr2 kernel"])
    table.rows += [row(verdicts, "PASS")] * 3 + [row(verdicts, "CHANGED", fixed=[], reverted=["nan"])]
    text = table.markdown()
    (line,) = [line for line in text.splitlines() if line.startswith("| pr1")]
    assert "| 4 of 4 | PASS 3, CHANGED 1 | 3/4 (30% to 95%) | 0/4 (0% to 49%) | 4/4 (51% to 100%) |" in line
    assert "| pr2 kernel | 0 of 4 | not run |" in text
    assert "- pr1 kernel, 1 times CHANGED: as golden" in text
    assert "- pr1 kernel, reverted arm, 3 times: oob" in text and "1 times: nan" in text


def test_every_run_is_kept_at_once_and_a_new_golden_with_it(verdicts: Any, tmp_path: Path) -> None:
    judged = ran()
    assert judged.result.verdict is Verdict.UNRECORDED
    name = verdicts._name(judged.result)
    kept = verdicts.Kept(tmp_path, Tier.SERVER, verdicts.Table(2, [name]))
    here = setting(tmp_path)
    for number in (1, 2):
        kept.add(judged, here)
        lines = (tmp_path / "verdicts-server.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["verdict"] for line in lines] == ["UNRECORDED"] * number
        assert f"{number} of 2" in (tmp_path / "verdicts-server.md").read_text(encoding="utf-8")
    with tarfile.open(tmp_path / "goldens-server.tgz") as archive:
        names = archive.getnames()
    assert [name.partition("/")[0] for name in names] == ["run-1", "run-2"]


def test_cases_run_in_turn(verdicts: Any, tmp_path: Path) -> None:
    requests = [Request(reproducer=bug(name), tier=Tier.KERNEL) for name in BUGS]
    here = setting(tmp_path)
    kept = verdicts.Kept(tmp_path, Tier.KERNEL, verdicts.Table(2, []))
    verdicts.run(requests, here, kept, 2)
    cases = [row.case.partition(" ")[0] for row in kept.table.rows]
    assert sorted(cases) == sorted([*BUGS, *BUGS]) and set(cases[:2]) == set(BUGS)
    assert {row.verdict for row in kept.table.rows} == {"UNRECORDED"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGALRM])
def test_a_run_ends_in_its_time_and_where_it_is_stopped(verdicts: Any, number: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(verdicts.TimeIsUp), verdicts.limited(0.2 if number == signal.SIGALRM else 30.0):
        if number == signal.SIGTERM:
            os.kill(os.getpid(), number)
        time.sleep(20)
    assert signal.getsignal(number) is before


def test_a_machine_without_a_gpu_has_nothing_to_run(
    verdicts: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verdicts.main(["--out", str(tmp_path), "--tier", "kernel", "27360"]) == 4
    assert (
        "UNSUPPORTED pr27360_fa3_draft_expand_cache_loc: this machine lacks cuda" in capsys.readouterr().out
    )
