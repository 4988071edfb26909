from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from triton import runtime as launcher

from harness.memory.names import Bindings, name_of, name_to_be, names_of


class Backend:
    """Allocates as a backend does, and notes what each allocation will be called."""

    def __init__(self) -> None:
        self.heard: list[str | None] = []
        self.rows = self.allocate()
        self.layers = [self.allocate() for _ in range(2)]
        self.buffers = {}
        self.buffers["page_table"] = self.allocate()
        lengths = self.through_a_helper()
        self.rows[:] = lengths
        first, second = self.allocate(), self.allocate()
        first[0] = second.add(self.allocate())[1]
        self.doubled = 2 * self.allocate().to(torch.int64)
        self.allocate()
        del first

    def allocate(self) -> torch.Tensor:
        self.heard.append(name_to_be(sys._getframe(1)))
        return torch.zeros(2)

    def through_a_helper(self) -> torch.Tensor:
        return self.allocate()


def test_an_allocation_is_named_by_what_it_will_be_bound_to() -> None:
    named = ["rows", "layers", "layers", "page_table", "lengths", "first", "second"]
    assert Backend().heard == [*named, None, "doubled", None]


def test_a_value_that_is_not_bound_has_no_name() -> None:
    def unbound() -> None:
        heard.append(name_to_be(sys._getframe()))

    heard: list[str | None] = []
    unbound()
    assert heard == [None]


def test_an_attribute_is_the_better_name() -> None:
    owner = SimpleNamespace(kv_indices=torch.zeros(4))
    local = owner.kv_indices
    assert name_of(local) == "kv_indices"


def test_a_part_is_named_after_the_whole() -> None:
    pool = torch.zeros(4, 4)
    assert name_of(pool[1:2]) == "pool[...]"
    assert name_of(pool.view(16)) == "pool"


def test_members_of_lists_and_dictionaries_have_names_of_last_resort() -> None:
    layers = [torch.zeros(2), torch.zeros(2)]
    buffers = {"table": torch.zeros(2)}
    assert names_of([layers[1], buffers["table"]]) == ["layers[1]", "table"]


def test_parameters_of_a_module_are_found() -> None:
    linear = torch.nn.Linear(2, 2)
    assert name_of(linear.weight) == "weight"


def test_without_elements_only_the_object_itself_counts() -> None:
    first, second = torch.zeros(0), torch.zeros(0)
    assert names_of([second, first]) == ["second", "first"]
    assert name_of(torch.zeros(0)) is None


def test_an_unknown_tensor_has_no_name() -> None:
    assert name_of(torch.zeros(3)) is None


def test_triton_s_own_frames_name_nothing() -> None:
    """Its launcher holds arguments in a tuple in one version, by their names in another."""
    within = Path(launcher.__file__).with_name("interpreter.py")
    tables: dict[str, Any] = {}
    exec(compile("def launch(args, ask): return ask(args[0])", str(within), "exec"), tables)
    assert tables["launch"]((torch.zeros(3),), lambda tensor: name_of(tensor)) == "tensor"
    assert tables["launch"]((torch.zeros(3),), name_of) is None


def test_the_first_binding_counts_of_the_object_or_of_its_memory() -> None:
    bound = torch.zeros(4)
    inner, same = bound.view(4), bound.view(4)
    bindings = Bindings(sys._getframe())
    assert bindings.name_of(torch.zeros(9)) is None  # so that all of them were looked at
    assert [bindings.name_of(one) for one in (same, inner, bound)] == ["bound"] * 3
    assert bindings.name_of(bound[1:]) == "bound[...]"


def test_frames_are_looked_at_once_for_many_tensors() -> None:
    layers, asked = [torch.zeros(2) for _ in range(40)], sys._getframe()
    bindings = Bindings(asked)
    assert [bindings.name_of(one) for one in layers] == [f"layers[{at}]" for at in range(40)]
    assert [bindings.name_of(one) for one in reversed(layers)] == [
        f"layers[{at}]" for at in range(39, -1, -1)
    ]
    assert len(bindings._seen) < 3 * len(layers)
