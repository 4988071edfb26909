"""What is seen of changes in the modules that record, and what is none."""

from __future__ import annotations

import builtins
import copy
import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from harness.facts import watch
from harness.process import alterations, identities, versions

SOURCE = """
from contextlib import contextmanager
from functools import cache
from typing import Protocol
LIMIT = 3
def plain(): return 1
@contextmanager
def held(count=1): yield count
@cache
def counted(): return 1
class Kind:
    @contextmanager
    def held(self): yield 1
    def method(self): return 1
    @property
    def value(self): return 1
    @classmethod
    def made(cls): return cls()
class Heir(Kind):
    def own(self, count=1, *, named=2): return count + named
class Says(Protocol):
    def say(self): ...
class Loud(Says):
    def say(self): return LIMIT
class Set:
    def __init__(self): self.volume = LIMIT
class Louder(Says, Set):
    def say(self): return self.volume
"""


@pytest.fixture(autouse=True, params=[True, False], ids=["by versions", "by identities"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpreters from 3.13 on tell no versions."""
    monkeypatch.setattr(versions, "are_told", lambda: request.param)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of the harness, for as long as the test takes."""
    made = ModuleType("harness.toy_recorder")
    made.__dict__["CASE"] = watch("oob-write")
    exec(SOURCE, made.__dict__)
    for name in ("Kind", "Heir", "Says", "Loud", "Set", "Louder"):
        made.__dict__[name].__module__ = made.__name__
    made.__dict__["last"] = _other
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def _other() -> int:
    return 2


CHANGES: dict[str, Callable[[Any], object]] = {
    "LIMIT": lambda m: setattr(m, "LIMIT", 4),
    "plain": lambda m: setattr(m, "plain", _other),
    "plain.__code__": lambda m: setattr(m.plain, "__code__", _other.__code__),
    "Kind.method": lambda m: setattr(m.Kind, "method", _other),
    "Kind.method.__code__": lambda m: setattr(m.Kind.method, "__code__", _other.__code__),
    "Kind.value.__code__": lambda m: setattr(m.Kind.value.fget, "__code__", _other.__code__),
    "Kind.made.__code__": lambda m: setattr(m.Kind.made.__func__, "__code__", _other.__code__),
    "held.__wrapped__.__code__": lambda m: setattr(m.held.__wrapped__, "__code__", _other.__code__),
    "held.__wrapped__.__defaults__": lambda m: setattr(m.held.__wrapped__, "__defaults__", (2,)),
    "counted.__code__": lambda m: setattr(m.counted.__wrapped__, "__code__", _other.__code__),
    "Kind.held.__wrapped__.__code__": lambda m: setattr(m.Kind.held.__wrapped__, "__code__", _other.__code__),
    "Heir.method": lambda m: setattr(m.Heir, "method", _other),
    "Heir.__getattribute__": lambda m: setattr(m.Heir, "__getattribute__", lambda one, name: _other),
    "Heir.own.__defaults__": lambda m: setattr(m.Heir.own, "__defaults__", (3,)),
    "Heir.own.__kwdefaults__": lambda m: setattr(m.Heir.own, "__kwdefaults__", {"named": 2}),
    "Heir.own.__kwdefaults__.named": lambda m: m.Heir.own.__kwdefaults__.update(named=3),
    "CASE.facts": lambda m: object.__setattr__(m.CASE, "kinds", frozenset()),
    "len": lambda m: setattr(m, "len", _other),
    "last": lambda m: vars(m).update(round=vars(m).pop("last")),  # no value is another, and none elsewhere
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_told_by_its_name(name: str, module: Any) -> None:
    look = alterations.watched()
    assert look() == []
    CHANGES[name](module)
    assert f"harness.toy_recorder.{name}" in look()


LATE: dict[str, Callable[[Any], object]] = {
    "an object is copied": lambda m: (copy.copy(m.Kind()), copy.copy(m.Heir())),
    "annotations are asked for": lambda m: (m.Kind.__annotations__, m.Heir.__annotations__),
    "a class below a protocol is called": lambda m: (m.Loud(), m.Louder()),
}


@pytest.mark.parametrize("what", LATE)
def test_what_python_gives_a_class_late_is_no_alteration(what: str, module: Any) -> None:
    look, before = alterations.watched(), [len(vars(kind)) for kind in (module.Heir, module.Loud)]
    LATE[what](module)
    assert before != [len(vars(kind)) for kind in (module.Heir, module.Loud)]
    assert look() == []


def test_another_init_below_a_protocol_is_one(module: Any) -> None:
    look = alterations.watched()
    module.Loud.__init__ = _other
    module.Louder.__init__ = object.__init__  # it hides that of the class above
    assert look() == ["harness.toy_recorder.Loud.__init__", "harness.toy_recorder.Louder.__init__"]


class Alike:
    """Equal to everything, and nothing that was there."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True


def test_what_says_that_it_is_equal_is_another(module: Any) -> None:
    look = alterations.watched()
    module.LIMIT = Alike()
    assert look() == ["harness.toy_recorder.LIMIT"]


def test_what_was_altered_is_told_until_it_is_put_back(module: Any) -> None:
    look = alterations.watched()
    before, module.LIMIT = module.LIMIT, 4
    assert look() == look() == look() == ["harness.toy_recorder.LIMIT"]
    module.LIMIT = before
    assert look() == []
    module.LIMIT = 4
    assert look() == ["harness.toy_recorder.LIMIT"]


@pytest.mark.parametrize("other", [ModuleType("harness.toy_recorder"), object()])
def test_another_in_place_of_a_module(other: Any, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    look = alterations.watched()
    monkeypatch.setitem(sys.modules, module.__name__, other)
    found = look()
    assert found and all(name.startswith("harness.toy_recorder") for name in found)
    assert look() == found
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert look() == []


def test_a_module_that_was_taken_out_is_still_watched(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    look = alterations.watched()
    monkeypatch.delitem(sys.modules, module.__name__)
    assert look() == []
    module.LIMIT = 4
    assert look() == ["harness.toy_recorder.LIMIT"]


OWN: dict[str, tuple[object, object]] = {
    "harness.process.alterations._modules": (alterations, lambda *_: ()),
    "harness.process.alterations._same": (alterations, lambda *_: True),
    "harness.process.alterations._entries": (alterations, lambda *_: ()),
    "harness.process.alterations._hides": (alterations, lambda *_: False),
    "harness.process.alterations._is_module": (alterations, lambda value: False),
    "harness.process.identities.holding": (identities, lambda _: lambda: True),
    "harness.process.versions.version_in": (versions, lambda _: 0),
    "harness.process.versions.cell": (versions, lambda _: memoryview(bytes(8)).cast("Q")),
    "harness.process.identities.is_": (identities, lambda *_: True),
    "harness.process.identities.taken": (identities, lambda *_: ([],) * 16),
    "harness.process.identities.joined": (identities, lambda _: ([],) * 16),
}
"""What looks, and what somebody would put in place of it to be left alone."""


@pytest.mark.parametrize("name", OWN)
def test_it_looks_with_none_of_what_was_replaced(
    name: str, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = alterations.watched()
    owner, forged = OWN[name]
    monkeypatch.setattr(owner, name.rpartition(".")[2], forged)
    module.LIMIT = 4
    assert {name, "harness.toy_recorder.LIMIT"} <= {*look()}
    assert {name, "harness.toy_recorder.LIMIT"} <= {*look()}


def test_a_builtin_and_a_function_of_the_standard_library(monkeypatch: pytest.MonkeyPatch) -> None:
    look = alterations.watched()
    monkeypatch.setattr(builtins, "sorted", lambda values: [])
    monkeypatch.setattr(json, "dumps", lambda value: "")
    monkeypatch.setattr(builtins, "vars", lambda value: {})
    found = look()
    monkeypatch.undo()
    assert {"builtins.sorted", "builtins.vars", "json.dumps"} <= set(found)


def test_what_an_import_adds_is_no_change(module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    look = alterations.watched()
    module.submodule = ModuleType("harness.toy_recorder.submodule")
    monkeypatch.setitem(sys.modules, "harness.toy_recorder.submodule", module.submodule)
    assert look() == []
    module.submodule.answer = 1
    assert look() == []
    module.submodule.answer = 2
    assert look() == ["harness.toy_recorder.submodule.answer"]


def test_other_modules_are_their_owners_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    look = alterations.watched()
    monkeypatch.setattr("random.random", lambda: 4)
    assert look() == []


def test_a_package_that_is_named_is_watched_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    look = alterations.watched(["random"])
    monkeypatch.setattr("random.random", lambda: 4)
    assert look() == ["random.random"]


def test_it_rests_between_two_hurried_looks(module: Any) -> None:
    look = alterations.watched(rest=600)
    module.LIMIT = 4
    assert look(True) == [] and look() == ["harness.toy_recorder.LIMIT"]
