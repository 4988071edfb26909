"""The battery's runner, with workers that need no GPU: what is known at any moment, and how it stops."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from harness.tests.ci.test_gpu_scripts import script
from harness.tests.memory.battery import PROGRAMS

WORKER = """
import json, os, sys, time
out, ends, *items = sys.argv[1:]
for item in items:
    with open(out, "a") as file:
        file.write(json.dumps({"item": item, "state": "begins"}) + "\\n")
    if item.startswith("deadly"):
        os._exit(77)
    if item.startswith("endless"):
        time.sleep(60)
    with open(out, "a") as file:
        told = {"item": item, "state": "ended", "faults": [], "error": None, "seconds": 0.5}
        file.write(json.dumps(told) + "\\n")
"""


@pytest.fixture
def battery(monkeypatch: pytest.MonkeyPatch) -> Any:
    module = script("gpu/battery.py")

    def worker(mode: str, share: Any, part: Path, workers: Any) -> object:
        command = [sys.executable, "-c", WORKER, str(part), mode, *share]
        return workers.run(command, {}, part.with_suffix(".log"))

    monkeypatch.setattr(module, "_worker", worker)
    return module


def test_behind_a_deadly_program_the_rest_of_the_share_goes_on(battery: Any, tmp_path: Path) -> None:
    battery.run_share("plain", 0, ["a:1", "deadly:1", "b:1"], tmp_path, battery.Workers())
    told = battery.collected("plain", tmp_path)
    assert list(told) == ["a:1", "deadly:1", "b:1"]
    assert told["deadly:1"]["error"].startswith("worker ended (77)") and told["b:1"]["error"] is None


def test_a_worker_that_begins_nothing_ends_its_share(battery: Any, tmp_path: Path, monkeypatch: Any) -> None:
    dead = [sys.executable, "-c", "raise SystemExit('no GPU')"]
    monkeypatch.setattr(
        battery,
        "_worker",
        lambda mode, share, part, workers: workers.run(dead, {}, part.with_suffix(".log")),
    )
    battery.run_share("plain", 0, ["a:1", "b:1"], tmp_path, battery.Workers())
    told = battery.collected("plain", tmp_path)
    assert {item: one["error"].strip() for item, one in told.items()} == {
        "a:1": "worker died: no GPU",
        "b:1": "worker died: no GPU",
    }


def test_what_ended_is_known_while_the_rest_runs_and_no_worker_begins_once_it_is_stopped(
    battery: Any, tmp_path: Path
) -> None:
    workers, share = battery.Workers(), ["a:1", "endless:1", "b:1"]
    began = time.monotonic()
    lane = threading.Thread(target=battery.run_share, args=("plain", 0, share, tmp_path, workers))
    lane.start()
    while list(battery.collected("plain", tmp_path)) != ["a:1"] and time.monotonic() - began < 30:
        time.sleep(0.05)
    workers.stop()
    lane.join(30)
    assert not lane.is_alive() and time.monotonic() - began < 50
    assert list(battery.collected("plain", tmp_path)) == ["a:1"]
    assert [file.name for file in tmp_path.glob("*.log")] == ["plain.0.000.log"]
    battery.run_share("plain", 1, ["b:1"], tmp_path, workers)
    assert [file.name for file in tmp_path.glob("*.log")] == ["plain.0.000.log"]


@pytest.fixture
def named(battery: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(battery, "facts", lambda: "No GPU")
    monkeypatch.setattr(battery, "LOOK_EVERY", 0.2)
    return battery


def test_a_whole_run_ends_with_a_table_of_all_programs(named: Any, tmp_path: Path) -> None:
    assert named.battery(["plain"], tmp_path, 2, 120.0) == 0
    told = json.loads((tmp_path / "battery.json").read_text(encoding="utf-8"))
    assert len(told["results"]["plain"]) == 2 * len(PROGRAMS)
    assert "not run" not in (tmp_path / "battery.md").read_text(encoding="utf-8")


def test_a_run_that_is_out_of_its_time_keeps_what_it_has(
    named: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = WORKER.replace('item.startswith("endless")', "items.index(item) == 3")
    monkeypatch.setattr(sys.modules[__name__], "WORKER", slow)
    assert named.battery(["plain"], tmp_path, 1, 4.0) == 1
    told = json.loads((tmp_path / "battery.json").read_text(encoding="utf-8"))
    assert len(told["results"]["plain"]) == 3
    assert f"battery: 3 of {2 * len(PROGRAMS)} items" in capsys.readouterr().out


def test_a_run_that_is_interrupted_keeps_what_it_has(
    named: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = WORKER.replace('item.startswith("endless")', "items.index(item) == 3")
    monkeypatch.setattr(sys.modules[__name__], "WORKER", slow)
    waits: list[int] = []

    def wait(jobs: Any, timeout: float) -> Any:
        waits.append(1)
        if (tmp_path / "battery.json").exists() and len(named.collected("plain", tmp_path / "battery")) == 3:
            raise KeyboardInterrupt
        time.sleep(0.2)
        return type("Waited", (), {"not_done": jobs})

    monkeypatch.setattr(named, "wait", wait)
    assert named.battery(["plain"], tmp_path, 1, 60.0) == 130
    assert len(list((tmp_path / "battery").glob("*.log"))) == 1
