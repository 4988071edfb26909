from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.observation import Fault, Point
from harness.tiers.entry import Entry
from harness.tiers.kernel import arm


@pytest.mark.parametrize(("kind", "run"), [("device-fault", [1, 2]), ("exception", [1, 2, 3])])
def test_nothing_runs_behind_a_point_that_ends_the_device(
    kind: str, run: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Point] = []
    asked = [{"n": 1}, {"n": 2}, {"n": 3}]

    oracles: Any = object()

    def point(entry: Any, case: Any, params: dict[str, Any], given: Any) -> Point:
        assert given is oracles
        return Point(params=params, faults=(Fault(kind=kind),) if params["n"] == 2 else ())

    def keep(point: Point) -> Point:
        kept.append(point)
        return point

    monkeypatch.setattr(arm, "_point", point)
    entry: Any = SimpleNamespace(keep=keep, points=lambda: iter(asked))
    case: Any = None
    arm._answer(entry, case, oracles)
    assert [one.params["n"] for one in kept] == run


class Begun(Exception):
    """Where the test's arm ends."""


@pytest.mark.parametrize(("platform", "hip"), [("cpu", None), ("rocm-gfx942", "7.0.51831")])
def test_upstream_is_imported_as_without_hip_on_the_cpu_alone(
    platform: str, hip: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def begin(payload: Any, folder: Path, testimony: Any, tier: str, patches: Iterable[str]) -> None:
        assert torch.version.hip == hip
        told.extend(patches)
        raise Begun

    monkeypatch.setattr(torch.version, "hip", "7.0.51831")
    monkeypatch.setattr(Entry, "begin", begin)
    nobody: Any = None
    with pytest.raises(Begun):
        arm.enter({"platform": platform}, tmp_path, nobody)
    assert ("torch.version.hip, as on the cpu" in told) == (platform == "cpu")
