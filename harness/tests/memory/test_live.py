from __future__ import annotations

import gc
import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import torch

from harness.memory import live
from harness.memory.live import Collected, LiveTensors


@pytest.fixture
def frozen_later() -> Iterator[None]:
    """Whatever a test freezes is thawed behind it, so that no other test depends on it."""
    yield
    gc.unfreeze()


def test_the_tensor_that_begins_at_an_address_is_found() -> None:
    tensor = torch.zeros(8)
    first = tensor[:2]
    found = LiveTensors().at(tensor.data_ptr())
    assert found is tensor and first is not found


def test_an_address_within_is_the_smallest_tensor_around_it() -> None:
    pool = torch.zeros(100)
    part = pool[10:20]
    live = LiveTensors()
    assert live.at(part.data_ptr() + 4) is part
    assert live.at(pool.data_ptr() + 4 * 50) is pool


def test_memory_that_is_gone_belongs_to_nobody() -> None:
    tensor = torch.zeros(1 << 20)
    address = tensor.data_ptr()
    del tensor
    assert LiveTensors().at(address) is None


@pytest.mark.usefixtures("frozen_later")
def test_a_tensor_that_the_collector_froze_is_found() -> None:
    tensor = torch.zeros(8)
    gc.freeze()
    assert not any(value is tensor for value in gc.get_objects()), "freezing hides nothing here"
    assert LiveTensors().at(tensor.data_ptr()) is tensor


@pytest.mark.usefixtures("frozen_later")
def test_a_frozen_tensor_that_is_gone_belongs_to_nobody() -> None:
    tensor = torch.zeros(1 << 20)
    address = tensor.data_ptr()
    gc.freeze()
    del tensor
    assert LiveTensors().at(address) is None


def tells(collected: Collected, tensor: torch.Tensor) -> bool:
    return any(value is tensor for value in collected.tensors())


@pytest.mark.usefixtures("frozen_later")
def test_what_was_looked_at_is_not_looked_at_again() -> None:
    collected, kept = Collected(), torch.zeros(8)
    assert tells(collected, kept)
    assert len(gc.get_objects()) < 1000, "modules are half a million objects"
    later = torch.nn.Parameter(torch.zeros(8))
    assert tells(collected, kept) and tells(collected, later)


@pytest.mark.usefixtures("frozen_later")
def test_a_tensor_that_is_gone_is_not_told_of_whenever_it_was_made() -> None:
    collected, kept = Collected(), {"old": torch.full((8,), 1234.5)}
    assert tells(collected, kept["old"])
    kept["young"] = torch.full((8,), 1234.5)
    assert tells(collected, kept["young"])
    kept.clear()
    assert not [one for one in collected.tensors() if one.shape == (8,) and bool((one == 1234.5).all())]


@pytest.mark.usefixtures("frozen_later")
@pytest.mark.parametrize(
    "freezes",
    [*itertools.product((gc.freeze, gc.unfreeze)), *itertools.product((gc.freeze, gc.unfreeze), repeat=2)],
    ids=lambda calls: "+".join(call.__name__ for call in calls),
)
def test_what_others_freeze_or_thaw_is_told_of(freezes: tuple[Callable[[], None], ...]) -> None:
    collected, old = Collected(), torch.zeros(8)
    assert tells(collected, old)
    young = torch.zeros(8)
    for freeze in freezes:
        freeze()
    last = torch.zeros(8)
    assert tells(collected, old) and tells(collected, young) and tells(collected, last)
    gc.collect()
    assert tells(collected, old) and tells(collected, young) and tells(collected, last)


@pytest.mark.usefixtures("frozen_later")
def test_a_parameter_that_becomes_one_later_is_told_of() -> None:
    collected, lazy = Collected(), cast("Any", torch.nn.UninitializedParameter())
    assert not tells(collected, lazy)
    lazy.materialize((8,))
    assert type(lazy) is torch.nn.Parameter and tells(collected, lazy)


@pytest.mark.usefixtures("frozen_later")
def test_many_new_objects_are_put_aside_too(monkeypatch: pytest.MonkeyPatch) -> None:
    collected, old = Collected(), torch.zeros(8)
    assert tells(collected, old)
    monkeypatch.setattr(live, "LOOSE", 5000)
    young = torch.zeros(8)
    many: list[list[int]] = [[] for _ in range(5000)]
    assert tells(collected, old) and tells(collected, young)
    assert len(gc.get_objects()) < len(many)
    assert tells(collected, old) and tells(collected, young)


@pytest.mark.usefixtures("frozen_later")
def test_tensors_that_threads_make_meanwhile_are_told_of() -> None:
    collected, made, over = Collected(), list[torch.Tensor](), threading.Event()

    def make() -> None:
        while not over.is_set() and len(made) < 2000:
            made.append(torch.zeros(1))

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            count = len(made)
            gc.freeze()
            told = {id(value) for value in collected.tensors()}
            assert all(id(value) in told for value in made[:count])
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_the_collector_stays_as_it_was(frozen_later: None) -> None:
    for switch in (gc.disable, gc.enable):
        switch()
        gc.freeze()
        Collected().tensors()
        assert gc.isenabled() == (switch is gc.enable)
