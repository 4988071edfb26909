"""Whether anything was put in another's place is told as soon as it was, in facts as in namespaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType, MappingProxyType
from typing import Any

import pytest

from harness.facts import FaultKind, watch
from harness.process import identities, versions
from harness.process.identities import Print


@pytest.fixture(autouse=True, params=[True, False], ids=["by versions", "by identities"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interpreters from 3.13 on tell no versions."""
    monkeypatch.setattr(versions, "are_told", lambda: request.param)


ODD = -2
"""Where in a print the facts are that only their text can tell."""


@dataclass(frozen=True)
class Inner:
    values: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Fact:
    """Of all kinds of parts that facts have."""

    inner: tuple[Inner, ...] = field(default_factory=lambda: (Inner(), Inner()))
    named: Any = field(default_factory=lambda: MappingProxyType({"one": Inner()}))
    told: dict[str, list[int]] = field(default_factory=lambda: {"some": [300, 400]})
    kind: FaultKind = FaultKind.NAN


@dataclass(frozen=True)
class Odd:
    """With a part of which nobody knows where it keeps what it is."""

    values: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Slotted:
    value: int = 1


def _set(of: Any, **values: Any) -> None:
    for name, value in values.items():
        object.__setattr__(of, name, value)


@dataclass(frozen=True)
class Other(Fact):
    pass


CHANGES: dict[str, Callable[[Any], object]] = {
    "a value": lambda fact: _set(fact, inner=()),
    "an equal value": lambda fact: _set(fact, inner=(Inner(), Inner())),
    "a value that was not there": lambda fact: _set(fact, more=1),
    "a value within": lambda fact: _set(fact.inner[1], values=(1, 3)),
    "a value in a mapping": lambda fact: _set(fact.named["one"], values=()),
    "an item of a list": lambda fact: fact.told["some"].__setitem__(0, 500),
    "the end of a list": lambda fact: fact.told["some"].append(500),
    "a key": lambda fact: fact.told.update(other=fact.told.pop("some")),
    "the namespace": lambda fact: _set(fact, __dict__={**vars(fact)}),
    "the class": lambda fact: _set(fact, __class__=Other),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_a_fact_ends_its_print(what: str) -> None:
    fact = Fact()
    print = identities.taken([], [], [fact])
    holds = identities.holding(print)
    assert not print[ODD] and holds()
    CHANGES[what](fact)
    assert not holds()


def test_every_fact_of_a_case_is_told_by_its_parts() -> None:
    assert not identities.taken([], [], [watch("oob-write"), FaultKind.HANG])[ODD]


@pytest.mark.parametrize(
    ("kind", "change"), [(Odd, lambda one: one.values.add(3)), (Slotted, lambda one: _set(one, value=2))]
)
def test_what_is_not_known_is_told_by_its_text(kind: type, change: Callable[[Any], object]) -> None:
    fact = kind()
    print = identities.taken([], [], [fact])
    holds = identities.holding(print)
    assert print[ODD] == [fact] and holds()
    change(fact)
    assert not holds()


def _function() -> int:
    return 1


def test_a_function_that_runs_other_code_ends_its_print(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(_function, FunctionType)
    holds = identities.holding(identities.taken([], [_function], []))
    assert holds()
    monkeypatch.setattr(_function, "__code__", _set.__code__)
    assert not holds()


SPACES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another value": lambda space: space.update(one=3),
    "a value more": lambda space: space.update(three=3),
    "a value less": lambda space: space.pop("two"),
    "the same values by other names": lambda space: space.update(three=space.pop("two")),
}


@pytest.mark.parametrize("what", SPACES)
def test_a_change_of_one_namespace_ends_the_print_of_several(what: str) -> None:
    spaces: list[dict[str, Any]] = [{"one": 1, "two": 2}, {"one": 1, "two": 2}]
    prints: list[Print] = [identities.taken([space], [], []) for space in spaces]
    holds = identities.holding(identities.joined(prints))
    assert holds()
    SPACES[what](spaces[1])
    assert not holds() and identities.holding(prints[0])() and not identities.holding(prints[1])()
