"""Violations are written when they are seen and again with their full numbers, with the requests served."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from harness.host.attention import Stray
from harness.memory.violations import Where
from harness.observation import Fault
from harness.source.attest import Attestor
from harness.tiers.server import batches_on_cpu
from harness.tiers.server.batches_on_cpu import Batches, Reported

READ = Fault(kind="oob-read", buffer="table", kernel="fill", numel=4)
PLACE = Where("fill:7")


def elements(*which: int) -> Any:
    return np.array(which, dtype=np.int64)


@pytest.fixture
def written() -> list[tuple[Fault, str | None]]:
    return []


@pytest.fixture
def violations(written: list[tuple[Fault, str | None]]) -> Reported:
    return Reported(lambda fault, place: written.append((fault, place)))


def test_a_stray_is_written_as_it_is_seen(
    violations: Reported, written: list[tuple[Fault, str | None]]
) -> None:
    violations.access(READ, elements(5), PLACE)
    ((fault, place),) = written
    assert (fault.first, fault.last, fault.count, place) == (5, 5, 1, "fill:7")


def test_one_that_grows_is_written_again_at_the_end_alone(
    violations: Reported, written: list[tuple[Fault, str | None]]
) -> None:
    for element in (5, 6, 9):
        violations.access(READ, elements(element), PLACE)
    assert len(written) == 1
    violations.tell()
    violations.tell()
    assert [(fault.last, fault.count) for fault, _ in written] == [(5, 1), (9, 3)]


def test_each_new_fault_is_written_at_once(
    violations: Reported, written: list[tuple[Fault, str | None]]
) -> None:
    violations.access(READ, elements(5))
    violations.index(Fault(kind="index-range", buffer="row", numel=3), elements(8, 9))
    violations.add(Fault(kind="short-buffer", buffer="indptr", numel=1, needed=2))
    assert [fault.kind for fault, _ in written] == ["oob-read", "index-range", "short-buffer"]


class Reports:
    """What a process would write down."""

    def __init__(self, tmp_path: Path) -> None:
        self.attestor = Attestor(tmp_path, "wares", {"wares.pages": ["fill"]}, "hash")
        self.lines: list[Mapping[str, Any]] = []
        self.patches: list[str] = []

    def violation(self, line: Mapping[str, Any]) -> None:
        self.lines.append(line)

    def patched(self, patch: str) -> None:
        self.patches.append(patch)


@pytest.fixture
def batch() -> Any:
    return SimpleNamespace(
        reqs=[SimpleNamespace(rid="first"), SimpleNamespace(rid="second")],
        forward_mode=SimpleNamespace(name="DECODE"),
    )


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Code under test that reads a row by an index."""
    (tmp_path / "wares").mkdir()
    source = "def pick(rows, index):\n    return rows[index]\n"
    (tmp_path / "wares/pages.py").write_text(source)
    names: dict[str, Any] = {}
    exec(compile(source, str(tmp_path / "wares/pages.py"), "exec"), names)
    return names["pick"]


def test_a_batch_s_stray_names_its_requests_and_what_it_did(tmp_path: Path, batch: Any, code: Any) -> None:
    report = Reports(tmp_path)
    settings = {"root": str(tmp_path), "package": "wares", "functions": {"wares.pages": ["fill"]}}
    batches = Batches(settings, report)
    for _ in range(2):
        with batches.one(batch):
            code(torch.arange(4), torch.tensor([1, 6]))
    assert {line["batch"] for line in report.lines} == {1, 2}
    line = report.lines[0]
    assert line["fault"]["kind"] == "index-range" and line["fault"]["first"] == 6
    assert (line["requests"], line["mode"]) == (["first", "second"], "DECODE")
    assert line["place"].startswith("pick:2")


def test_a_clean_batch_leaves_nothing_and_an_exception_passes(tmp_path: Path, batch: Any, code: Any) -> None:
    report = Reports(tmp_path)
    settings = {"root": str(tmp_path), "package": "wares", "functions": {}}
    batches = Batches(settings, report)
    with batches.one(batch):
        code(torch.arange(4), torch.tensor([1, 3]))
    with pytest.raises(KeyError), batches.one(batch):
        raise KeyError("from the code under test")
    assert report.lines == []


def test_what_a_reference_reads_astray_belongs_to_the_batch_that_runs(tmp_path: Path, batch: Any) -> None:
    report = Reports(tmp_path)
    batches = Batches({"root": str(tmp_path), "package": "wares", "functions": {}}, report)
    stray = Stray(kind="oob-read", buffer="kv_indices", kernel="attend", numel=4, elements=(4, 5, 9))
    batches.read(stray)  # between batches: nobody's
    assert report.lines == []
    with batches.one(batch):
        batches.read(stray)
    fault = report.lines[-1]["fault"]
    assert (fault["kind"], fault["buffer"], fault["kernel"]) == ("oob-read", "kv_indices", "attend")
    assert [fault[name] for name in ("numel", "first", "last", "count")] == [4, 4, 9, 3]
    assert report.lines[-1]["requests"] == ["first", "second"]


def test_the_scheduler_s_batches_are_wrapped(tmp_path: Path, batch: Any) -> None:
    report = Reports(tmp_path)
    settings = {"root": str(tmp_path), "package": "wares", "functions": {}}

    class Scheduler:
        def run_batch(self, batch: Any, more: int = 1) -> int:
            return len(batch.reqs) + more

    module = SimpleNamespace(Scheduler=Scheduler, __name__="wares.srt.managers.scheduler")
    batches_on_cpu._wrap(module, Batches(settings, report), report)
    assert module.Scheduler().run_batch(batch, more=5) == 7
    assert "wares.srt.managers.scheduler.Scheduler.run_batch: inside the oracle" in report.patches
