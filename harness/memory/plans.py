"""What a builtin of Triton's language asks of the interpreter's builder, worked out once for a kind of call.

A builtin looks at types, casts and broadcasts by them, and then asks for one or two operations on arrays.
Which those are depends on the types, the shapes and the constants that it is given, not on what the arrays
hold. So it runs once without any arrays, on a builder that only writes down what it is asked for: the plan,
which is carried out from then on. A builtin that wants to know what an array holds finds nothing there, and
has no plan: it runs as it is, and so does one that fails, or that warns.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import triton.language as tl
from triton.language.semantic import TritonSemantic
from triton.runtime import interpreter

MOST = 4096
"""Kinds of calls that are kept of one builtin, and types in all; beyond that all are forgotten."""

Builtin = Callable[..., Any]
_Tensor = tl.core.tensor
_HANDLE = "handle"
_CONSTANT = (int, float, str, type(None), tl.dtype)
_NATIVE = "triton._C."
"""Where the choices of Triton's compiler are from, such as how a cache is used."""
_MEMBER = "member"
"""Where what a builtin was exchanged for keeps it (3.6.0: `interpreter._patch_attr`)."""
_WIDTHS = (7, 8, 15, 16, 31, 32, 63, 64)
"""Bits at whose powers of two a whole number becomes one of another type."""


class Undecided(Exception):
    """A builtin asks for what a plan cannot depend on."""


class Unknown:
    """Stands for a handle while a plan is made: it has no array."""

    __slots__ = ()


def truth(tensor: Any) -> bool:
    """That of a tensor without an array: a block's of several elements is true, whatever they are."""
    if not tensor.type.is_block() or tensor.type.numel == 1:
        raise Undecided
    return True


# --- numbers -------------------------------------------------------------------------------


class Between:
    """A whole number of which only this is known: it lies between two others, which it may be itself.

    It passes for one in Python, and has nothing that could be taken for its value.
    """

    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return int

    def __lt__(self, other: Any) -> bool:
        return self._decided(self.high < other, self.low >= other)

    def __ge__(self, other: Any) -> bool:
        return not self < other

    def __le__(self, other: Any) -> bool:
        return self._decided(self.high <= other, self.low > other)

    def __gt__(self, other: Any) -> bool:
        return not self <= other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, int | float):
            return NotImplemented
        return self._decided(self.low == other == self.high, not self.low <= other <= self.high)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __bool__(self) -> bool:
        return self != 0

    __hash__ = None  # type: ignore[assignment]

    @staticmethod
    def _decided(yes: bool, no: bool) -> bool:
        if not (yes or no):
            raise Undecided
        return yes


def span(number: int) -> tuple[int, int]:
    """Between which numbers all are of this one's sign, and of the same types: itself alone if it is zero."""
    if number == 0:
        return 0, 0
    size, least = (number, 1) if number > 0 else (-number - 1, 0)
    for width in _WIDTHS:
        if size < 1 << width:
            most = (1 << width) - 1
            return (least, most) if number > 0 else (-most - 1, -least - 1)
        least = 1 << width
    raise Undecided


# --- kinds of calls ------------------------------------------------------------------------


class Kind:
    """What tensors of one type have in common; there is one of each."""

    __slots__ = ()


_kinds: dict[Hashable, Kind] = {}


def _kind_of(tensor: Any) -> Kind:
    """That of a tensor, which keeps it."""
    kind: Kind | None = tensor.__dict__.get("_kind")
    if kind is None:
        if len(_kinds) >= MOST:
            _kinds.clear()
        kind = tensor._kind = _kinds.setdefault(_name(tensor.type), Kind())
    return kind


def _name(type: Any) -> Hashable:
    """A type's, with the address spaces of its pointers, which it does not tell."""
    spaces, inner = [], type
    while (inner := getattr(inner, "element_ty", None)) is not None:
        spaces.append(getattr(inner, "address_space", None))
    return type.name, getattr(type, "address_space", None), *spaces


def _constant(value: Any) -> Hashable:
    """A fact about what is no tensor: of those a plan knows only the ones that are arguments themselves."""
    if value.__class__ is _Tensor:
        raise Undecided
    return _fact(value)


def _several(values: Any) -> Hashable:
    return values.__class__, tuple([_constant(value) for value in values])


def _plain(value: Any) -> Hashable:
    return value.__class__, value


_FACTS: Mapping[type, Callable[[Any], Hashable]] = {
    _Tensor: _kind_of,
    tl.constexpr: lambda value: (tl.constexpr, _constant(value.value)),
    int: _plain,
    bool: _plain,
    str: _plain,
    type(None): _plain,
    float: lambda value: (float, value.hex()),
    slice: lambda value: (slice, *map(_constant, (value.start, value.stop, value.step))),
    list: _several,
    tuple: _several,
    tl.core.tuple: _several,
    tl.dtype: lambda value: (tl.dtype, value.name),
    tl.pointer_type: lambda value: (tl.pointer_type, _name(value)),
    tl.core.PropagateNan: _plain,
}


def _fact(value: Any) -> Hashable:
    """What a plan may depend on of an argument. Undecided for one of another class."""
    if (told := _FACTS.get(value.__class__)) is None:
        raise Undecided
    return told(value)


def _of_number(value: Any) -> Hashable:
    """As `_fact`, of an operand: of a whole number no more than its sign and its types."""
    return (int, *span(value)) if value.__class__ is int else _fact(value)


# --- plans ---------------------------------------------------------------------------------

Pick = Callable[[Sequence[Any]], tuple[Any, ...]]


class Step(NamedTuple):
    """A call of a builder's method, with those of the values there are by then that are picked."""

    method: str
    pick: Pick
    named: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """A tensor that a builtin returns: which value is its handle, and its other attributes."""

    handle: int
    rest: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one kind of call comes to.

    Values are the call's arguments, a tensor's handle in its place, then the constants, then what each step
    returned. The result is an argument (by its number), a tensor that is made, or None.
    """

    constants: Sequence[Any]
    steps: Sequence[Step]
    result: int | Made | None

    def carried_out(self, builder: Any, given: Sequence[Any]) -> Any:
        values = [one.handle if one.__class__ is _Tensor else one for one in given]
        values += self.constants
        for method, pick, named in self.steps:
            values.append(getattr(builder, method)(*pick(values), **named))
        result = self.result
        if isinstance(result, Made):
            tensor = _Tensor.__new__(_Tensor)
            tensor.__dict__.update(result.rest)
            tensor.handle = values[result.handle]
            return tensor
        return None if result is None else given[result]


class _Notes:
    """Stands for the builder while a plan is made, and writes down what it is asked for."""

    def __init__(self, builder: Any, given: Sequence[Any]) -> None:
        self._builder = builder
        self._values = [one.handle if isinstance(one, _Tensor) else one for one in given]
        self.constants: list[Any] = []
        self._asked: list[tuple[str, list[Any], Mapping[str, Any], Unknown]] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._builder, name)
        if not callable(found) or name.endswith("_ty"):
            return found  # facts about types, which no array has a part in

        def asked(*given: Any, **named: Any) -> Unknown:
            for value in named.values():
                _hold_constant(value)
            made = Unknown()
            self._asked.append((name, list(given), named, made))
            return made

        return asked

    def plan(self, result: Any, given: Sequence[Any]) -> Plan:
        """What was asked for, and what came of it."""
        places = {id(value): at for at, value in enumerate(self._values) if _stands_for_some(value)}
        constants = [one for _, args, _, _ in self._asked for one in args if not _stands_for_some(one)]
        for value in constants:
            _hold_constant(value)
        steps, at = [], len(self._values)
        first = at + len(constants)
        for number, (name, args, named, made) in enumerate(self._asked):
            picked = []
            for value in args:
                picked.append(places[id(value)] if _stands_for_some(value) else at)
                at += not _stands_for_some(value)
            steps.append(Step(name, _picking(picked), named))
            places[id(made)] = first + number
        return Plan(tuple(constants), tuple(steps), _result(result, given, places))


def _stands_for_some(value: Any) -> bool:
    """Whether a value is another one in each call."""
    return type(value) in (Unknown, Between)


def _hold_constant(value: Any) -> None:
    """Undecided for what is, or holds, anything but constants."""
    if isinstance(value, list | tuple | tl.core.tuple):
        for one in value:
            _hold_constant(one)
    elif not (issubclass(type(value), _CONSTANT) or type(value).__module__.startswith(_NATIVE)):
        raise Undecided


def _picking(places: Sequence[int]) -> Pick:
    if len(places) > 1:
        return itemgetter(*places)
    return lambda values: tuple([values[at] for at in places])


def _result(result: Any, given: Sequence[Any], places: Mapping[int, int]) -> int | Made | None:
    if result is None:
        return None
    for at, one in enumerate(given):
        if result is one:
            return at
    if type(result) is not _Tensor:
        raise Undecided
    rest = {name: value for name, value in vars(result).items() if name != _HANDLE}
    return Made(places[id(result.handle)], {**rest, "_kind": _kind_of(result)})


def _without_arrays(value: Any) -> Any:
    """An argument as a plan may know it."""
    return _Tensor(Unknown(), value.type) if isinstance(value, _Tensor) else value


def _operand_without(value: Any) -> Any:
    return Between(*span(value)) if type(value) is int else _without_arrays(value)


def _planned(member: Builtin, builder: Any, given: Sequence[Any], names: Sequence[str]) -> Plan | None:
    """The plan of a call whose last arguments are named; None where there can be none."""
    notes = _Notes(builder, given)
    semantic = TritonSemantic(notes)
    count = len(given) - len(names)
    try:
        with warnings.catch_warnings(), _as_shipped():
            warnings.simplefilter("error")
            result = member(
                *given[:count], **dict(zip(names, given[count:], strict=True)), _semantic=semantic
            )
        return notes.plan(result, given)
    except Exception:  # noqa: BLE001 - the builtin runs as it is, and fails in its own way if it does
        return None


@contextmanager
def _as_shipped() -> Iterator[None]:
    """Have builtins call each other as they do without an exchange, while the block runs.

    The interpreter exchanges those in `core` for good when a kernel first calls a function of the language.
    """
    found = [
        (module, name, value, value.__kwdefaults__[_MEMBER])
        for module in (tl.core, tl.math)
        for name, value in list(vars(module).items())
        if _MEMBER in (getattr(value, "__kwdefaults__", None) or {})
    ]
    for module, name, _, member in found:
        setattr(module, name, member)
    try:
        yield
    finally:
        for module, name, value, _ in found:
            setattr(module, name, value)


# --- builtins ------------------------------------------------------------------------------

_NEW, _SEEN = object(), object()
"""In place of the plan of a call that was never met, or once: most are met no more, and need none."""


def remembered(name: str, member: Builtin, plain: Builtin, builder: Any) -> Builtin:
    """`plain`, which is the builtin `member` as the interpreter calls it, by plans where that can be."""
    operator = name.startswith("__") and name != "__getitem__"
    fact, known = (_of_number, _operand_without) if operator else (_fact, _without_arrays)
    plans: dict[Hashable, Any] = {}
    options = None

    def builtin(*args: Any, member: Builtin = member, **kwargs: Any) -> Any:
        nonlocal options
        if builder.options is not options:
            plans.clear()
            options = builder.options
        given = (*args, *kwargs.values()) if kwargs else args
        try:
            key = (
                *[
                    (one.__dict__.get("_kind") or _kind_of(one)) if one.__class__ is _Tensor else fact(one)
                    for one in given
                ],
                *kwargs,
            )
        except Undecided:
            return plain(*args, **kwargs)
        plan = plans.get(key, _NEW)
        if plan.__class__ is Plan:
            return plan.carried_out(builder, given)
        if plan is _SEEN:
            plan = plans[key] = (
                _planned(member, builder, [known(one) for one in given], tuple(kwargs)) or member
            )
            return builtin(*args, **kwargs) if plan.__class__ is Plan else plain(*args, **kwargs)
        if plan is _NEW:
            if len(plans) >= MOST:
                plans.clear()
            plans[key] = _SEEN
        return plain(*args, **kwargs)

    return builtin


class _Told:
    """A scope that is told what would be exchanged, and exchanges nothing."""

    value: Builtin

    def set_attr(self, obj: Any, name: str, value: Builtin) -> None:
        self.value = value


_patch = interpreter._patch_attr


def patch_attr(obj: Any, name: str, member: Builtin, builder: Any, scope: Any) -> None:
    """As the interpreter's, which exchanges one builtin, for one that goes by plans."""
    told = _Told()
    _patch(obj, name, member, builder, told)
    scope.set_attr(obj, name, remembered(name, member, told.value, builder))
