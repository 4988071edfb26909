"""What is seen of changes in the modules that record, and what is none."""

from __future__ import annotations

import builtins
import json
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from harness.facts import watch
from harness.process import alterations

SOURCE = """
LIMIT = 3
def plain(): return 1
class Kind:
    def method(self): return 1
    @property
    def value(self): return 1
    @classmethod
    def made(cls): return cls()
"""


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A module of the harness, for as long as the test takes."""
    made = ModuleType("harness.toy_recorder")
    made.__dict__["CASE"] = watch("oob-write")
    exec(SOURCE, made.__dict__)
    made.__dict__["Kind"].__module__ = made.__name__
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
    "CASE.facts": lambda m: object.__setattr__(m.CASE, "kinds", frozenset()),
    "len": lambda m: setattr(m, "len", _other),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_told_by_its_name(name: str, module: Any) -> None:
    look = alterations.watched()
    assert look() == []
    CHANGES[name](module)
    assert f"harness.toy_recorder.{name}" in look()


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
