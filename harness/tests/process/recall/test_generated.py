"""Dataclasses come to be the same whether or not the code of their methods was kept."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from harness.process.recall import generated
from harness.process.recall.kept import Kept

_METHODS = ("__init__", "__repr__", "__eq__", "__lt__", "__hash__", "__setattr__", "__delattr__")


def made() -> Any:
    @dataclasses.dataclass(frozen=True, order=True)
    class Point:
        x: int
        y: list[int] = dataclasses.field(default_factory=list)
        name: str = "a"

    return Point


def told(cls: Any) -> list[Any]:
    """All that there is to a class's methods; those of two classes of one text are equal."""
    functions = [vars(cls)[name] for name in _METHODS]
    assert all(isinstance(inspect.unwrap(one), FunctionType) for one in functions)
    return [
        (one.__code__, one.__name__, one.__qualname__, one.__annotations__, one.__kwdefaults__)
        for one in map(inspect.unwrap, functions)
    ]


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "kept")


def test_methods_are_what_they_would_be(kept: Kept) -> None:
    plain = made()
    with generated.recalled(kept):
        compiled, recalled = made(), made()
    assert told(plain) == told(compiled) == told(recalled)
    assert str(recalled(1)) == str(plain(1)) and recalled(1) == recalled(1) < recalled(2, [3])
    assert hash(recalled(1, ())) == hash(recalled(1, ()))
    with pytest.raises(dataclasses.FrozenInstanceError):
        recalled(1).x = 2


def test_a_text_is_compiled_once(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    with generated.recalled(kept):
        made()
        monkeypatch.setitem(vars(generated), "compile", None)  # whoever called it would fail
        assert made()(1).name == "a"
    kept.save()
    with generated.recalled(Kept(kept._path)):
        assert made()(1).name == "a"


def test_another_text_is_not_taken_for_it(kept: Kept) -> None:
    with generated.recalled(kept):
        one = dataclasses.make_dataclass("One", [("x", int, 1)])
        two = dataclasses.make_dataclass("One", [("x", int, dataclasses.field(default=2, kw_only=True))])
    assert (one(5).x, two(x=5).x) == (5, 5)
    with pytest.raises(TypeError):
        two(5)


def test_the_module_is_as_it_was_behind_it(kept: Kept) -> None:
    before = dict(vars(dataclasses))
    with pytest.raises(ValueError, match="broken"), generated.recalled(kept):
        assert vars(dataclasses) != before
        raise ValueError("broken")
    assert vars(dataclasses) == before
