from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.observation import Fault, Point
from harness.tiers.kernel import arm


@pytest.mark.parametrize(("kind", "run"), [("device-fault", [1, 2]), ("exception", [1, 2, 3])])
def test_nothing_runs_behind_a_point_that_ends_the_device(
    kind: str, run: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Point] = []
    asked = [{"n": 1}, {"n": 2}, {"n": 3}]

    def point(entry: Any, case: Any, params: dict[str, Any], device: str) -> Point:
        assert device == "cuda"
        return Point(params=params, faults=(Fault(kind=kind),) if params["n"] == 2 else ())

    def keep(point: Point) -> Point:
        kept.append(point)
        return point

    monkeypatch.setattr(arm, "_point", point)
    entry: Any = SimpleNamespace(keep=keep, points=lambda: iter(asked))
    case: Any = None
    arm._answer(entry, case, "cuda")
    assert [one.params["n"] for one in kept] == run
