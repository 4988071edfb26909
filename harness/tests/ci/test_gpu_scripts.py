"""The scripts for a GPU machine, as far as they can be told right from wrong without one."""

from __future__ import annotations

import importlib.util
import json
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

CI = Path(__file__).resolve().parents[3] / "ci"


def script(name: str) -> ModuleType:
    loader = SourceFileLoader(f"ci_{Path(name).stem}", str(CI / name))
    spec = importlib.util.spec_from_file_location(loader.name, CI / name, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module  # its dataclasses look themselves up there
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def bench() -> Any:
    return script("bench/fences.py")


@pytest.fixture(scope="module")
def smoke() -> Any:
    return script("gpu/smoke")


PLAIN = {"eager": 2.0, "graph": 1.0}


def test_costs_are_multiples_of_the_plain_step(bench: Any) -> None:
    found = {"plain": PLAIN, "red zones": {"eager": 2.2, "graph": 1.05}, "compute-sanitizer": "not there"}
    times = bench.ratios(found)
    assert times["red zones"] == {"eager": pytest.approx(1.1), "graph": pytest.approx(1.05)}
    assert "compute-sanitizer" not in times
    assert "| compute-sanitizer | not there | | | |" in bench.table(found)


def test_a_way_without_a_graph_is_told_as_such(bench: Any) -> None:
    found = {"plain": PLAIN, "compute-sanitizer, padded, no caching": {"eager": 40.0}}
    assert "| 40.00 | 20.00x | no graphs |" in bench.table(found)


@pytest.mark.parametrize(
    ("times", "dear"),
    [
        ({"eager": 1.25, "graph": 1.10}, []),
        ({"eager": 1.26, "graph": 1.0}, ["red zones, eager: 1.260 times the plain step, more than 1.25"]),
        ({"eager": 1.0}, ["red zones, graph: not measured"]),
    ],
)
def test_what_is_too_dear_is_told(times: dict[str, float], dear: list[str], bench: Any) -> None:
    assert bench.too_dear({"red zones": times, "electric fence": {"eager": 1.0, "graph": 1.0}}) == dear


def test_without_a_plain_step_there_is_nothing_to_compare_with(bench: Any) -> None:
    with pytest.raises(SystemExit, match="the plain step was more than 120 s"):
        bench.ratios({"plain": "more than 120 s"})


def speaker(bench: Any, code: str, folder: Path) -> Any:
    return bench.Turns("plain", [sys.executable, "-c", code], {}, folder / "log")


def test_a_process_is_heard_through_what_else_it_prints(bench: Any, tmp_path: Path) -> None:
    code = (
        "import sys\nprint('noise')\n"
        "for line in sys.stdin:\n"
        f"    print({bench.MARK!r} + '{{\"milliseconds\": ' + line.split()[1] + '}}', flush=True)"
    )
    one = speaker(bench, code, tmp_path)
    try:
        assert one.turn("eager", 7) == 7.0
        assert one.last() == {}
    finally:
        one.end()


def test_a_process_that_ends_says_why(bench: Any, tmp_path: Path) -> None:
    one = speaker(bench, "raise SystemExit('no GPU')", tmp_path)
    try:
        with pytest.raises(RuntimeError, match="ended with 1: no GPU"):
            one.hear(20)
    finally:
        one.end()


def test_every_judged_variant_is_one_of_the_fences(bench: Any) -> None:
    assert all(bench.VARIANTS[name].fence and not bench.VARIANTS[name].temporaries for name in bench.JUDGED)


def results(folder: Path, verdict: str, **params: Any) -> None:
    one = {"reproducer": "pr1_x", "tier": "kernel", "platform": "cuda-sm90", "params": params}
    (folder / "kernel.json").write_text(json.dumps({"results": [{**one, "verdict": verdict}]}))


def test_two_runs_are_compared_by_their_verdicts(smoke: Any, tmp_path: Path) -> None:
    results(tmp_path, "PASS", width=2)
    first = smoke._verdicts(tmp_path, ("kernel", "server"))
    assert first == {"pr1_x kernel cuda-sm90 width=2": "PASS"}
    assert smoke._same(first, dict(first)) == 0


@pytest.mark.parametrize(
    ("first", "second"), [({"a": "PASS"}, {"a": "CHANGED"}), ({"a": "PASS"}, {}), ({}, {})]
)
def test_two_runs_differ_also_where_one_has_no_verdict(
    first: dict[str, str], second: dict[str, str], smoke: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert smoke._same(first, second) == 1
    assert ("DIFFERS" in capsys.readouterr().out) is bool(first)


def test_only_steps_with_verdicts_can_be_run_twice(smoke: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["smoke", "--out", str(tmp_path), "--twice", "--only", "fa3"])
    assert smoke.main() == 2


def test_all_steps_fit_into_their_time_one_by_one(smoke: Any) -> None:
    assert all(step.seconds < smoke.TOTAL for step in smoke.STEPS.values())
    assert {"kernel", "server", "battery"} <= set(smoke.STEPS) and list(smoke.STEPS)[-1] == "clean"
