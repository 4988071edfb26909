"""The parameter space of a case: what each parameter takes, and the grid that is always run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from harness.errors import BadInput
from harness.facts.checks import require


@dataclass(frozen=True)
class Lists:
    """The lists that a sweep tries of an `Integers`: of each of these lengths, out of these values."""

    lengths: Sequence[int]
    """How many items a list may have."""
    values: Sequence[int]
    """What an item may be."""

    def __post_init__(self) -> None:
        require(len(self.lengths) and len(self.values), "sweep", "has no lengths, or no values")
        require(min(self.lengths) >= 0, "sweep.lengths", f"{min(self.lengths)} is no length")


@dataclass(frozen=True)
class Integer:
    """A whole number: `Integer(16, sweep=(1, 2, 8))`, given by hand as `--set page_size=8`."""

    default: int
    """Its value at the default point."""
    minimum: int = 1
    """The least that it may be; write `minimum=0` where 0 has a meaning."""
    sweep: Sequence[int] = ()
    """What a sweep tries beside the grid's values and the default."""

    def __post_init__(self) -> None:
        require(all(value >= self.minimum for value in self.sweep), "sweep", f"goes below {self.minimum}")

    def parse(self, text: str) -> int:
        try:
            return self.check(int(text))
        except ValueError:
            raise BadInput(f"{text!r} is no whole number") from None

    def check(self, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < self.minimum:
            raise BadInput(f"{value!r} is no whole number of at least {self.minimum}")
        return value


@dataclass(frozen=True)
class Integers:
    """A list of whole numbers, which the call gets as a tuple; by hand it is `--set seq_lens=64,64`."""

    default: tuple[int, ...]
    """Its value at the default point."""
    minimum: int = 1
    """The least that an item may be; write `minimum=0` where 0 has a meaning."""
    fewest: int = 1
    """How many items there are at least; a list may be empty only where this is 0."""
    sweep: Lists | None = None
    """The lists that a sweep tries beside the grid's and the default."""

    def __post_init__(self) -> None:
        if self.sweep:
            require(min(self.sweep.values) >= self.minimum, "sweep", f"goes below {self.minimum}")
            require(min(self.sweep.lengths) >= self.fewest, "sweep", f"has lists shorter than {self.fewest}")

    def parse(self, text: str) -> tuple[int, ...]:
        try:
            return self.check(tuple(int(part) for part in text.split(",") if text.strip()))
        except ValueError:
            raise BadInput(f"{text!r} is no comma list of whole numbers") from None

    def check(self, value: object) -> tuple[int, ...]:
        if not isinstance(value, tuple | list) or len(value) < self.fewest:
            raise BadInput(f"{value!r} is no list of at least {self.fewest} whole numbers")
        return tuple(Integer(self.minimum, self.minimum).check(item) for item in value)


@dataclass(frozen=True)
class Choice:
    """One of a few words: `Choice("decode", ("decode", "verify"))`."""

    default: str
    """The word at the default point."""
    values: tuple[str, ...]
    """Every word that it may be."""

    def parse(self, text: str) -> str:
        return self.check(text)

    def check(self, value: object) -> str:
        if value not in self.values:
            raise BadInput(f"{value!r} is not one of {', '.join(self.values)}")
        return str(value)


@dataclass(frozen=True)
class Boolean:
    """Yes or no, which the call gets as a `bool`: `Boolean(False)`, given by hand as `--set padded=true`."""

    default: bool
    """Its value at the default point. A sweep tries both."""

    @property
    def values(self) -> tuple[bool, bool]:
        return (False, True)

    def parse(self, text: str) -> bool:
        words = {"false": False, "true": True}
        if text.strip().lower() not in words:
            raise BadInput(f"{text!r} is neither true nor false")
        return words[text.strip().lower()]

    def check(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise BadInput(f"{value!r} is neither true nor false")
        return value


Param = Integer | Integers | Choice | Boolean


class Grid(Mapping[str, tuple[Any, ...]]):
    """Axes whose cross product a case runs beside its default point: `Grid(page_size=[1, 16])`.

    A parameter without an axis keeps its default. Raises FactsError for an axis without values.
    """

    def __init__(self, **axes: Sequence[Any]) -> None:
        for name, values in axes.items():
            require(len(values) > 0, f"grid.{name}", "has no values")
        self._axes = MappingProxyType({name: tuple(values) for name, values in axes.items()})

    def __getitem__(self, name: str) -> tuple[Any, ...]:
        return self._axes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._axes)

    def __len__(self) -> int:
        return len(self._axes)

    def __repr__(self) -> str:
        return f"Grid({', '.join(f'{name}={list(values)}' for name, values in self._axes.items())})"

    def points(self) -> Iterator[dict[str, Any]]:
        """Every combination, as the overrides it makes; nothing for a grid without axes."""
        if self._axes:
            for values in itertools.product(*self._axes.values()):
                yield dict(zip(self._axes, values, strict=True))
