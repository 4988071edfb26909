"""The points of a case's parameter space that a sweep visits, and the smaller neighbours of a point."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import BadInput
from harness.facts import Boolean, Case, Choice, Integer, Integers, Lists, Param, Params
from harness.observation.compare import one_line

_TRIES = 50
"""Draws per wanted point before a space is called exhausted: most draws may mean nothing together."""


@dataclass(frozen=True)
class Axis:
    """The values of one parameter: single ones, and lists drawn from a family."""

    name: str
    values: tuple[Any, ...]
    lists: Lists | None = None

    def __len__(self) -> int:
        return len(self.values) + _count(self.lists)

    def __iter__(self) -> Iterator[Any]:
        yield from self.values
        if self.lists:
            for length in self.lists.lengths:
                yield from itertools.product(self.lists.values, repeat=length)

    def draw(self, dice: random.Random) -> Any:
        """One value; lists of each length are as likely as those of any other."""
        if self.lists is None or (self.values and dice.randrange(_count(self.lists) + len(self.values)) == 0):
            return dice.choice(self.values)
        return tuple(dice.choice(self.lists.values) for _ in range(dice.choice(self.lists.lengths)))


def axes(case: Case) -> list[Axis]:
    """What the case declares: every word of a choice, the sweep of a number, and all that its grid has."""
    return [_axis(name, param, case.grid.get(name, ())) for name, param in case.params.items()]


def size(axes: Sequence[Axis]) -> int:
    """How many points there are, those included that mean nothing."""
    return math.prod(len(axis) for axis in axes)


def points(case: Case, seed: int, limit: int) -> list[dict[str, Any]]:
    """At most `limit` points without repeats, the default first: all that there are, or a seeded sample."""
    declared = axes(case)
    found = {key(case.default): case.default}
    drawn = _all(declared) if size(declared) <= limit else _draws(declared, seed, limit)
    for point in drawn:
        if len(found) >= limit:
            break
        if key(point) not in found and means_something(case, point):
            found[key(point)] = point
    return list(found.values())


def means_something(case: Case, point: Params) -> bool:
    """Whether the case accepts these parameters together."""
    try:
        for name, param in case.params.items():
            param.check(point[name])
        case.point(point)
    except BadInput:
        return False
    return True


def key(point: Params) -> str:
    """A point's name, however its parameters were read."""
    return one_line(point)


def weight(case: Case, point: Params) -> int:
    """How large a point is: its numbers added up, and a step for each word past a choice's first."""
    return sum(_weight(param, point[name]) for name, param in case.params.items())


def smaller(case: Case, point: Params) -> list[dict[str, Any]]:
    """Points smaller in one parameter, a step in two, or in all numbers above a bound; the smallest first."""
    candidates = [
        {**point, name: value} for name, param in case.params.items() for value in _less(param, point[name])
    ]
    found = {
        key(candidate): candidate
        for candidate in (*candidates, *_capped(case, point), *_paired(case, point))
        if weight(case, candidate) < weight(case, point) and means_something(case, candidate)
    }
    return sorted(found.values(), key=lambda candidate: weight(case, candidate))


def _capped(case: Case, point: Params) -> Iterator[dict[str, Any]]:
    """No number above a bound: parameters that only make sense together shrink together."""
    largest = max((_largest(point[name]) for name in case.params), default=0)
    for bound in _lower(largest, 0):
        yield {name: _at_most(param, point[name], bound) for name, param in case.params.items()}


def _paired(case: Case, point: Params) -> Iterator[dict[str, Any]]:
    """One step less in two parameters at once: a batch of fewer, and a sequence the fewer in it."""
    steps = {name: list(_one_less(param, point[name])) for name, param in case.params.items()}
    for one, other in itertools.combinations(steps, 2):
        for first, second in itertools.product(steps[one], steps[other]):
            yield {**point, one: first, other: second}


def _one_less(param: Param, value: Any) -> Iterator[Any]:
    if isinstance(param, Integer):
        yield value - 1
    elif isinstance(param, Integers):
        yield from ((*value[:index], *value[index + 1 :]) for index in range(len(value)))


def _largest(value: Any) -> int:
    numbers = value if isinstance(value, tuple | list) else [value]
    return max((one for one in numbers if isinstance(one, int) and not isinstance(one, bool)), default=0)


def _at_most(param: Param, value: Any, bound: int) -> Any:
    if isinstance(param, Choice | Boolean):
        return value
    lowest = max(bound, param.minimum)
    return tuple(min(item, lowest) for item in value) if isinstance(param, Integers) else min(value, lowest)


# --- axes ----------------------------------------------------------------------------------


def _axis(name: str, param: Param, grid: Sequence[Any]) -> Axis:
    if isinstance(param, Choice | Boolean):
        return Axis(name, param.values)
    if isinstance(param, Integer):
        return Axis(name, tuple(sorted({param.default, *grid, *param.sweep})))
    return Axis(name, tuple(dict.fromkeys([param.default, *map(tuple, grid)])), param.sweep)


def _count(lists: Lists | None) -> int:
    return sum(len(lists.values) ** length for length in lists.lengths) if lists else 0


def _all(axes: Sequence[Axis]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*axes):
        yield {axis.name: value for axis, value in zip(axes, values, strict=True)}


def _draws(axes: Sequence[Axis], seed: int, limit: int) -> Iterator[dict[str, Any]]:
    dice = random.Random(seed)
    for _ in range(limit * _TRIES):
        yield {axis.name: axis.draw(dice) for axis in axes}


# --- sizes ---------------------------------------------------------------------------------


def _weight(param: Param, value: Any) -> int:
    if isinstance(param, Choice | Boolean):
        return param.values.index(value)
    return sum(value) + len(value) if isinstance(param, Integers) else int(value)


def _less(param: Param, value: Any) -> Iterator[Any]:
    if isinstance(param, Choice | Boolean):
        yield from param.values[: param.values.index(value)]
    elif isinstance(param, Integer):
        yield from _lower(value, param.minimum)
    else:
        yield value[: len(value) // 2]
        for index in range(len(value)):
            yield (*value[:index], *value[index + 1 :])
        for lower in {one for item in value for one in _lower(item, param.minimum)}:
            yield tuple(min(item, lower) for item in value)
        for index, item in enumerate(value):
            yield from ((*value[:index], lower, *value[index + 1 :]) for lower in _lower(item, param.minimum))


def _lower(value: int, minimum: int) -> list[int]:
    """Smaller numbers down to the minimum: that one, halves, and one less."""
    halves = {value >> shift for shift in range(1, value.bit_length())}
    return sorted(number for number in {minimum, *halves, value - 1} if minimum <= number < value)
