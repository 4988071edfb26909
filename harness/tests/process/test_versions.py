"""A dictionary's version is another one after each change, by whatever code, and after nothing else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import MappingProxyType, ModuleType, SimpleNamespace
from typing import Any

import pytest

from harness.process import versions

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason="releases from 3.13 on have no versions")

SOURCE = """
one, two = 1, 300

def by_global():
    global one
    one = two

class Kind:
    value = 1

    def __init__(self):
        self.value = 1

    def by_attribute(self):
        self.value = two

kind = Kind()
"""


@pytest.fixture
def module() -> Any:
    made = ModuleType("toy")
    exec(SOURCE, made.__dict__)
    return made


SPACES: dict[str, Callable[[Any], Any]] = {
    "module": lambda m: vars(m),
    "class": lambda m: vars(m.Kind),
    "object": lambda m: vars(m.kind),
}

CHANGES: dict[str, tuple[str, Callable[[Any], object]]] = {
    "by its own code": ("module", lambda m: m.by_global()),
    "by assignment": ("module", lambda m: setattr(m, "one", 2)),
    "by an equal value": ("module", lambda m: setattr(m, "two", int("300"))),
    "by another name": ("module", lambda m: vars(m).update(other=vars(m).pop("kind"))),
    "by code elsewhere": ("module", lambda m: exec("two = 3", vars(m))),
    "by union": ("module", lambda m: vars(m).__ior__({"one": 3})),
    "emptied": ("module", lambda m: vars(m).clear()),
    "a class's attribute": ("class", lambda m: setattr(m.Kind, "value", 2)),
    "a class's method": ("class", lambda m: delattr(m.Kind, "by_attribute")),
    "a class's new attribute": ("class", lambda m: setattr(m.Kind, "__eq__", None)),
    "an object's attribute": ("object", lambda m: m.kind.by_attribute()),
    "an object's, often": ("object", lambda m: [m.kind.by_attribute() for _ in range(50)]),
    "an object's, behind its back": ("object", lambda m: object.__setattr__(m.kind, "value", 2)),
}


@pytest.mark.parametrize("what", CHANGES)
def test_each_change_gives_another(what: str, module: Any) -> None:
    where, change = CHANGES[what]
    for _ in range(50):  # until the interpreter has made it quick
        module.kind.by_attribute(), module.by_global()
    module.kind.value, module.one, module.Kind.value = 1, 1, 1
    space = versions.dictionary(SPACES[where](module))
    assert space is not None
    cell = versions.cell(space)
    before = versions.version_in(cell)
    change(module)
    assert versions.version_in(cell) != before


@pytest.mark.parametrize("where", SPACES)
def test_a_look_gives_none(where: str, module: Any) -> None:
    space = SPACES[where](module)
    found = versions.dictionary(space)
    assert versions.are_told() and found is not None and found == dict(space)
    cell = versions.cell(found)
    before = versions.version_in(cell)
    _ = [*space.items()], repr(space), module.kind.value, module.Kind.value, module.one, module.Kind()
    assert versions.version_in(cell) == before


def test_what_lies_behind_a_view_is_the_dictionary() -> None:
    space: dict[str, Any] = {"one": 1}
    assert versions.dictionary(MappingProxyType(space)) is space
    assert versions.dictionary(MappingProxyType(MappingProxyType(space))) is None
    assert versions.dictionary(MappingProxyType(vars(SimpleNamespace))) is None


def test_an_interpreter_whose_numbers_stand_still_tells_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "cell", lambda space: memoryview(bytes(8)).cast("Q"))
    versions.are_told.cache_clear()
    assert not versions.are_told()
    monkeypatch.undo()
    versions.are_told.cache_clear()
    assert versions.are_told()
