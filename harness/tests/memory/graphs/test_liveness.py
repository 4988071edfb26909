from __future__ import annotations

import weakref
from types import SimpleNamespace

import torch

from harness.memory.graphs.liveness import FREED
from harness.tests.memory.graphs.capturing import captured, faults_of


def test_memory_that_only_a_graph_holds_is_told_at_the_replay() -> None:
    held = SimpleNamespace(table=torch.ones(2), out=torch.zeros(2))
    made, y = captured(lambda: held.out.copy_(held.table * 2))
    assert faults_of(made.replay) == []
    held.table = None
    assert faults_of(made.replay) == [f"oob-read from table by mul numel=2 ({FREED})"]
    assert torch.isnan(y).all()


def test_a_view_that_somebody_holds_keeps_memory_alive() -> None:
    held = SimpleNamespace(table=torch.ones(2))
    made, _ = captured(lambda: held.table * 2)
    view = held.table[:1]
    held.table = None
    assert faults_of(made.replay) == []
    del view
    assert len(faults_of(made.replay)) == 1


def test_memory_that_graphs_share_is_free_when_they_alone_hold_it() -> None:
    held = SimpleNamespace(table=torch.ones(2))
    graphs = [captured(lambda: held.table * 2)[0] for _ in range(2)]
    assert faults_of(*(made.replay for made in graphs)) == []
    held.table = None
    assert len(faults_of(graphs[0].replay)) == len(faults_of(graphs[1].replay)) == 1
    graphs.pop(0)
    assert len(faults_of(graphs[0].replay)) == 1


def test_memory_that_moved_is_not_where_the_graph_has_it() -> None:
    table = torch.ones(2)
    made, _ = captured(lambda: table * 2)
    table.resize_(1 << 20)
    assert faults_of(made.replay) == [f"oob-read from table by mul numel={1 << 20} ({FREED})"]


def test_what_another_graph_made_is_its_own_as_long_as_it_lives() -> None:
    held = SimpleNamespace(x=torch.ones(2))
    held.first, held.y = captured(lambda: held.x + 1)
    second, _ = captured(lambda: held.y * 2)
    del held.y
    assert faults_of(held.first.replay) == faults_of(second.replay) == []
    del held.first
    assert len(faults_of(second.replay)) == 1


def test_a_graph_that_is_gone_holds_no_memory() -> None:
    x = torch.ones(3)
    made, y = captured(lambda: (x + 1) * 2)
    assert made.recording
    recording, memory = weakref.ref(made.recording), weakref.ref(y.untyped_storage())
    del made, y
    assert recording() is None and memory() is None
