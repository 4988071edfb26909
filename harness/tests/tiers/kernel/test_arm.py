from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.facts import Choice, KernelCase, watch
from harness.golden import GoldenPoint
from harness.memory.oracle import Oracle
from harness.observation import Fault, Point
from harness.tiers.entry import Entry
from harness.tiers.kernel import arm

HERE = Path(__file__).parent


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

    def begin(payload: Any, part: Any, tier: str, patches: Callable[[Any], Iterable[str]]) -> None:
        assert torch.version.hip == hip
        told.extend(patches(payload))
        raise Begun

    monkeypatch.setattr(torch.version, "hip", "7.0.51831")
    monkeypatch.setattr(Entry, "begin", begin)
    nobody: Any = None
    with pytest.raises(Begun):
        arm.enter({"platform": platform}, tmp_path, nobody)
    assert ("torch.version.hip, as on the cpu" in told) == (platform == "cpu")


INDEX, PAGES = torch.tensor([[0, 2], [0, 1]]), torch.tensor([[1, 2], [3, 4]])


def _table(lab: Any, *, ordered: str) -> dict[str, Any]:
    """#27360 in small: the surplus page of a row goes where the next row has its first."""
    table = torch.zeros(2, 2, dtype=torch.int64)
    with lab.observe("scatter"):
        table.scatter_(1, INDEX.clamp(max=1) if ordered == "yes" else INDEX, PAGES)
    return {"table": table}


@pytest.mark.parametrize("ordered", [True, False])
def test_what_the_order_of_racing_stores_decides_is_marked_and_noted(ordered: bool, tmp_path: Path) -> None:
    case = KernelCase(
        call=_table,
        imports=("torch",),
        params={"ordered": Choice("yes", ("yes", "no"))},
        watch=watch("oob-write"),
    )
    entry: Any = SimpleNamespace(code=HERE, undone=None, folder=tmp_path, launched=lambda name: None)
    params = {"ordered": "yes" if ordered else "no"}
    point = arm._point(entry, case, params, Oracle)
    if ordered:
        assert dict(point.either) == {} and "either" not in point.to_json()
        return
    assert point.results["table"]["values"] == [[1, 0], [3, 4]]
    assert dict(point.either) == {"results.table.values[1][0]": [3, 2]}
    assert "results.table.values[1][0] is one of 3, 2: stores race for it" in point.notes
    assert Point.from_file(point.to_json()) == point
    kept = GoldenPoint.of(point, keep_trace=True)
    assert dict(GoldenPoint.from_json(kept.to_json()).point.either) == dict(point.either)
