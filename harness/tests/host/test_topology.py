"""Upstream's parallel groups for one rank, against a parallel state that only takes notes."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from harness.host import topology

Calls = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What was asked of the module that upstream's name leads to."""
    found: Calls = []
    state: Any = ModuleType(topology.PARALLEL_STATE)

    def initialize_model_parallel(tensor_model_parallel_size: int = 1, backend: str | None = None) -> None:
        found.append(("groups", {"size": tensor_model_parallel_size, "backend": backend}))

    state.model_parallel_is_initialized = lambda: any(name == "groups" for name, _ in found)
    state.init_distributed_environment = lambda **given: found.append(("world", given))
    state.initialize_model_parallel = initialize_model_parallel
    parts = topology.PARALLEL_STATE.split(".")
    for depth in range(1, len(parts)):
        package = ModuleType(".".join(parts[:depth]))
        package.__path__ = []  # a package without any other module
        monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setitem(sys.modules, topology.PARALLEL_STATE, state)
    return found


def test_a_world_of_one_that_needs_no_port(calls: Calls, tmp_path: Path) -> None:
    topology.single_rank(tmp_path)
    (_, world), (_, groups) = calls
    assert (world["world_size"], world["rank"]) == (1, 0)
    assert world["distributed_init_method"] == f"file://{tmp_path / 'rendezvous'}"
    assert groups == {"size": 1, "backend": "gloo"}


def test_a_second_call_does_nothing(calls: Calls, tmp_path: Path) -> None:
    topology.single_rank(tmp_path)
    before = list(calls)
    topology.single_rank(tmp_path)
    assert calls == before and len(before) == 2
