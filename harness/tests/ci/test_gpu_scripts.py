"""The scripts for a GPU machine, as far as they can be told right from wrong without one."""

from __future__ import annotations

import importlib.util
import json
import sys
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.machine import amd, torch_build
from harness.tests.machine.kfd import NODES, TREES
from harness.tests.memory.graphs.battery import PROGRAMS, OnDevice

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


@pytest.fixture(scope="module")
def on_amd() -> Any:
    return script("gpu/amd.py")


PLAIN = {"eager": [2.0, 2.2, 1.8], "graph": [1.0, 1.0, 1.0]}
FENCED = {
    "eager": [2.2, 2.42, 1.98],
    "eager, plain": [2.0, 2.2, 1.8],
    "graph": [1.2, 1.3, 1.1],
}


def test_a_fence_is_held_against_the_plain_step_of_its_own_process(bench: Any) -> None:
    found = {"plain": PLAIN, "red zones": FENCED, "compute-sanitizer": "not there"}
    told = bench.costs(found)
    eager, graph = told["red zones"]["eager"], told["red zones"]["graph"]
    assert (eager.low, eager.median, eager.high) == pytest.approx((1.1, 1.1, 1.1))  # drifts together
    assert (graph.low, graph.median, graph.high) == pytest.approx((1.1, 1.2, 1.3))
    assert "compute-sanitizer" not in told
    text = bench.table(found)
    assert "| compute-sanitizer | not there | | | | |" in text
    assert "| red zones | 2.200 (2.090 to 2.310) | 1.100x (1.100 to 1.100) |" in text


def test_a_way_without_a_graph_is_told_as_such(bench: Any) -> None:
    found = {"plain": PLAIN, "compute-sanitizer, padded, no caching": {"eager": [40.0]}}
    assert "| 40.000 (40.000 to 40.000) | 20.000x (20.000 to 20.000) | no graphs |" in bench.table(found)


@pytest.mark.parametrize(("count", "out"), [(1, 0), (5, 0), (6, 0), (7, 0), (9, 1), (15, 3), (25, 7)])
def test_the_interval_of_a_median_is_that_of_its_order_statistics(bench: Any, count: int, out: int) -> None:
    """As the tables of the sign test have them for 95 %."""
    spread = bench.Spread.of([float(value) for value in range(count)])
    assert (spread.low, spread.high) == (out, count - 1 - out)


@pytest.mark.parametrize(
    ("eager", "told"),
    [
        ((1.2, 1.25), []),
        ((1.24, 1.27), ["red zones, eager: 1.255x (1.240 to 1.270) the plain step, which may be more"]),
        ((1.26, 1.27), ["red zones, eager: 1.265x (1.260 to 1.270) the plain step, more than 1.25"]),
        (None, ["red zones, eager: not measured"]),
    ],
)
def test_what_is_promised_is_shown_or_told(
    eager: tuple[float, float] | None, told: list[str], bench: Any
) -> None:
    cheap = bench.Spread.of([1.0, 1.0])
    fence = {"graph": cheap} | ({"eager": bench.Spread.of(eager)} if eager else {})
    problems = bench.judged({"red zones": fence, "electric fence": {"eager": cheap, "graph": cheap}})
    assert len(problems) == len(told)
    assert all(one.startswith(start) for one, start in zip(problems, told, strict=True))


def test_without_a_plain_step_there_is_nothing_to_compare_with(bench: Any) -> None:
    found = {"plain": "not measured: more than 120 s", "red zones": {"eager": [2.0]}}
    assert bench.costs(found) == {} and len(bench.judged({})) == 4


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


def step(smoke: Any, code: str, seconds: float = 60.0) -> Any:
    return smoke.Step((sys.executable, "-c", code, "{out}", "{seconds}"), seconds)


def outcomes(folder: Path) -> dict[str, str]:
    told = json.loads((folder / "smoke.json").read_text(encoding="utf-8"))
    return {one["step"]: one["outcome"] for one in told["steps"]}


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REFAULT_CACHE", str(tmp_path / "cache"))
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_a_step_that_fails_or_hangs_stops_none_after_it(smoke: Any, out: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(smoke, "GRACE", 1.0)
    steps = [
        ("fails", step(smoke, "raise SystemExit(3)")),
        ("hangs", step(smoke, "import time; time.sleep(60)", 6.0)),
        ("fine", step(smoke, "print('well')")),
        ("clean", step(smoke, "")),
    ]
    assert smoke.Run(out, steps, 90.0).all() == 1
    assert outcomes(out) == {"fails": "failed", "hangs": "time-out", "fine": "passed", "clean": "passed"}
    assert (out / "fine.log").read_text(encoding="utf-8") == "well\n"


def test_what_is_left_over_is_looked_for_when_all_time_is_spent(
    smoke: Any, out: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(smoke, "GRACE", 1.0)
    steps = [("long", step(smoke, "import time; time.sleep(60)")), ("clean", step(smoke, "", 7.0))]
    assert smoke.Run(out, steps, 15.0).all() == 1
    assert outcomes(out) == {"long": "time-out", "clean": "passed"}


def test_what_is_left_over_is_looked_for_where_the_run_is_stopped(smoke: Any, out: Path) -> None:
    asks = "import os, signal; os.kill(os.getppid(), signal.SIGTERM); import time; time.sleep(60)"
    steps = [
        ("first", step(smoke, "")),
        ("stops", step(smoke, asks)),
        ("never", step(smoke, "")),
        ("clean", step(smoke, "")),
    ]
    assert smoke.Run(out, steps, 90.0).all() == 1
    assert outcomes(out) == {"first": "passed", "stops": "stopped", "clean": "passed"}


def test_logs_are_kept_after_each_step_and_not_at_the_end(smoke: Any, out: Path) -> None:
    log = out.parent / "cache/runs/1/arm.log"
    log.parent.mkdir(parents=True)
    log.write_text("what an arm said", encoding="utf-8")
    seen = f"import pathlib, sys; sys.exit(not pathlib.Path({str(out / 'runs.tgz')!r}).is_file())"
    steps = [("one", step(smoke, "")), ("two", step(smoke, seen))]
    assert smoke.Run(out, steps, 60.0).all() == 0


def test_what_goes_beside_a_step_runs_while_it_does(smoke: Any, out: Path) -> None:
    meet = (
        "import pathlib, sys, time\nhere, end = pathlib.Path(sys.argv[1]), time.time() + 30\n"
        "(here / '{0}').touch()\n"
        "while not (here / '{1}').exists(): time.sleep(0.05); assert time.time() < end"
    )
    steps = [
        ("server", step(smoke, meet.format("server", "fences"))),
        ("battery", step(smoke, "")),
        ("kernel", step(smoke, "")),
        ("fences", step(smoke, meet.format("fences", "server"))),
    ]
    assert smoke.Run(out, steps, 90.0).all() == 0
    assert (
        set(outcomes(out)) == {"server", "battery", "fences", "kernel"}
        and list(outcomes(out))[-1] == "kernel"
    )


def test_a_signal_ends_every_lane(smoke: Any, out: Path) -> None:
    asks = "import os, signal, time; time.sleep(0.5); os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    steps = [
        ("server", step(smoke, "import time; time.sleep(60)")),
        ("battery", step(smoke, asks)),
        ("fences", step(smoke, "")),
        ("clean", step(smoke, "")),
    ]
    assert smoke.Run(out, steps, 90.0).all() == 1
    assert outcomes(out) == {"server": "stopped", "battery": "stopped", "clean": "passed"}


def test_repeats_have_their_time_in_what_gives_verdicts(smoke: Any) -> None:
    assert smoke._repeated("kernel", smoke.STEPS["kernel"], 4).seconds == 4 * smoke.STEPS["kernel"].seconds
    assert smoke._repeated("battery", smoke.STEPS["battery"], 4) == smoke.STEPS["battery"]


def test_a_step_is_told_the_time_that_it_has(smoke: Any, out: Path) -> None:
    tell = "import pathlib, sys; pathlib.Path(sys.argv[1], 'told').write_text(sys.argv[2])"
    smoke.Run(out, [("one", step(smoke, tell, 50.0))], 600.0).all()
    assert (out / "told").read_text() == "30"


def test_all_steps_fit_into_their_time_one_by_one(smoke: Any) -> None:
    assert all(step.seconds < smoke.TOTAL for step in smoke.STEPS.values())
    assert {"kernel", "server", "battery"} <= set(smoke.STEPS) and list(smoke.STEPS)[-1] == "clean"


def test_amds_steps_are_those_that_mean_something_there(smoke: Any) -> None:
    assert set(smoke.STEPS) - set(smoke.ON_ROCM) == {"fa3"} and set(smoke.ON_ROCM) - set(smoke.STEPS) == {
        "amd",
        "cpu",
    }
    assert next(iter(smoke.ON_ROCM)) == "facts" and list(smoke.ON_ROCM)[-1] == "clean"
    assert all(step.seconds < smoke.TOTAL for step in smoke.ON_ROCM.values())


@pytest.mark.parametrize(("hip", "steps"), [(None, "STEPS"), ("7.0.51831", "ON_ROCM")])
def test_a_machine_runs_its_own_vendors_steps(
    hip: str | None, steps: str, smoke: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(torch_build, "hip", lambda: hip)
    monkeypatch.setattr(smoke.Run, "all", lambda run: ran.extend(name for name, _ in run.steps))
    monkeypatch.setattr(sys, "argv", ["smoke", "--out", str(tmp_path)])
    smoke.main()
    assert ran == list(getattr(smoke, steps))


def test_who_holds_memory_of_an_amd_gpu_is_read_from_the_driver(
    smoke: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = TREES["MI300X"].write(tmp_path)
    gpus, kfd = amd.usable(root)[:2], root / "sys/class/kfd/kfd"
    monkeypatch.setattr(amd, "usable", lambda: gpus)
    assert smoke._holding(kfd) == []
    for pid, gpu_id, size in (
        (100, 40002, 4096),
        (200, 40003, 0),
        (300, 40009, 4096),
    ):  # the last is not ours
        (kfd / f"proc/{pid}").mkdir(parents=True)
        (kfd / f"proc/{pid}/vram_{gpu_id}").write_text(f"{size}\n")
    assert smoke._holding(kfd) == ["100"]


def test_what_rocm_says_is_held_against_what_refault_reads(on_amd: Any) -> None:
    same, other = (on_amd.Compared("an arm on the CPU", [], seen) for seen in ([], [["gfx942", 0, 5]]))
    assert same.ok and same.line == "ok       an arm on the CPU: []"
    assert not other.ok
    assert other.line == "DIFFERS  an arm on the CPU: expected [], seen [['gfx942', 0, 5]]"


def test_what_a_process_is_to_see_is_told_by_place(on_amd: Any, tmp_path: Path, monkeypatch: Any) -> None:
    gpus = amd.usable(TREES["MI300X in CPX mode"].write(tmp_path))
    monkeypatch.setattr(amd, "usable", lambda: gpus)
    assert on_amd.expected({"HIP_VISIBLE_DEVICES": "0,8"}) == [["gfx942", 0, 5], ["gfx942", 0, 39]]


def test_the_drivers_nodes_are_kept_as_they_are(on_amd: Any, tmp_path: Path) -> None:
    root = TREES["MI300X"].write(tmp_path)
    kept = on_amd.nodes(root / NODES)
    assert list(kept) == [str(number) for number in range(10)]
    assert "gfx_target_version 90402" in kept["2"]["properties"] and kept["0"]["gpu_id"] == "0\n"
    assert kept["2"]["name"].startswith("not to be read: ") and on_amd.nodes(tmp_path / "none") == {}


def test_a_machine_without_amds_gpus_passes_nothing(
    on_amd: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(on_amd, "_run", lambda script, variables: (1, "torch is not built for HIP"))
    monkeypatch.setattr(sys, "argv", ["amd.py", "--out", str(tmp_path)])
    assert on_amd.main() == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "DIFFERS  kind of machine: expected rocm, seen cpu"
    assert not [line for line in lines if line.startswith("ok")]


@pytest.fixture(scope="module")
def graphs() -> Any:
    return script("gpu/graphs.py")


def ran(graphs: Any, machine: str, planted: bool, value: float, **facts: Any) -> Any:
    return graphs.Ran(machine, "p", planted, {"out": {"sha256": str(value)}}, **facts)


AGREEING = {"device": 1.0, "emulated": 1.0, "eager": 1.0}


@pytest.mark.parametrize("odd", [None, *AGREEING])
def test_a_twin_has_to_agree_on_all_machines(graphs: Any, odd: str | None) -> None:
    (program,) = (one for one in PROGRAMS if one.name == "python_value_frozen")
    found = {(name, False): ran(graphs, name, False, 2.0 if name == odd else 1.0) for name in AGREEING}
    found |= {(name, True): ran(graphs, name, True, 3.0) for name in ("device", "emulated")}
    twin, defect = graphs.judged(program, found)
    assert twin.startswith("DISAGREES: device" if odd else "agree") and defect == "the same bits"
    alarmed = ran(graphs, "emulated", False, 1.0, faults=["nan out"])
    assert "nan out" in graphs.judged(program, {**found, ("emulated", False): alarmed})[0]


@pytest.mark.parametrize(
    ("name", "device", "emulated", "told"),
    [
        ("python_value_frozen", {}, {}, "the same bits"),
        ("python_value_frozen", {"error": "RuntimeError: no"}, {}, "DISAGREES"),
        ("host_read", {"error": "stream is capturing"}, {"error": "when stream is capturing"}, "refused"),
        ("host_read", {}, {"error": "when stream is capturing"}, "DISAGREES"),
        ("host_read", {"error": "stream is capturing"}, {}, "DISAGREES"),
        ("index_refilled", {"error": "CUDA error: device-side assert triggered"}, {}, "device assertion"),
        ("index_refilled", {}, {}, "DISAGREES"),
        ("taken_early", {}, {"error": "anything"}, "undefined: out 1.0"),
    ],
)
def test_a_defect_has_to_show_itself_as_it_is_said_to(
    graphs: Any, name: str, device: dict[str, Any], emulated: dict[str, Any], told: str
) -> None:
    (program,) = (one for one in PROGRAMS if one.name == name)
    found = {(machine, False): ran(graphs, machine, False, 1.0) for machine in AGREEING}
    found["device", True] = ran(graphs, "device", True, 1.0, **device)
    found["emulated", True] = ran(graphs, "emulated", True, 1.0, **emulated)
    assert graphs.judged(program, found)[1].startswith(told)


def test_one_disagreement_is_the_end_of_a_run(graphs: Any, tmp_path: Path) -> None:
    found = [ran(graphs, name, planted, 1.0) for name in AGREEING for planted in (False, True)]
    every = [replace(one, name=p.name, error=_error(p, one.planted)) for p in PROGRAMS for one in found]
    assert graphs.tell(tmp_path, every, "A GPU.") == 0
    every[-1] = replace(every[-1], machine="device", planted=False, error="RuntimeError: lost")
    spoiled = [one for one in every[:-1] if (one.name, one.machine, one.planted) != _which(every[-1])]
    assert graphs.tell(tmp_path, [*spoiled, every[-1]], "A GPU.") == 1
    assert "DISAGREES: device RuntimeError: lost" in (tmp_path / "graphs.md").read_text(encoding="utf-8")


def _error(program: Any, planted: bool) -> str | None:
    said = {OnDevice.REFUSED: "capturing", OnDevice.ASSERTS: "device-side assert"}
    return said.get(program.on_device) if planted else None


def _which(one: Any) -> tuple[str, str, bool]:
    return one.name, one.machine, one.planted


def test_the_table_in_the_docs_is_of_the_battery_of_graphs(graphs: Any) -> None:
    text = graphs.DOCUMENT.read_text(encoding="utf-8")
    assert graphs.documented(text) == text, "run ci/gpu/graphs.py --table"
