"""The functions of a module of Triton's IR, line by line: what makes each value, and the accesses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_VALUE = r"%[\w$.-]+(?:#\d+)?"
_LINE = re.compile(
    rf"^\s*(?:(?P<results>{_VALUE}(?::\d+)?(?:, {_VALUE})*) = )?\"?(?P<op>[a-z_]+\.[\w.]+)\"?(?P<rest>.*)$"
)
_LOCATION = re.compile(r"\s+loc\(.*$")
_ITERATED = re.compile(rf"({_VALUE}) = ({_VALUE})")
_PARAMETER = re.compile(rf"({_VALUE}): ")


@dataclass(frozen=True)
class Operation:
    """One operation: the values that it takes, and its types as they are written."""

    name: str
    operands: tuple[str, ...]
    types: str


@dataclass
class Function:
    """One function of the IR: what each value is made by, and its accesses in order."""

    parameters: list[str]
    made_by: dict[str, Operation] = field(default_factory=dict)
    accesses: list[Operation] = field(default_factory=list)


def functions(ttir: str) -> Iterator[Function]:
    """The module's functions as the lines tell them; regions of loops belong to their function."""
    function: Function | None = None
    for line in ttir.splitlines():
        found = _LINE.match(_LOCATION.sub("", line))
        if found and found["op"] == "tt.func":
            if function:
                yield function
            function = Function(_PARAMETER.findall(line) if " public " in line else [])
        elif found and function:
            _note(function, found)
    if function:
        yield function


def _note(function: Function, line: re.Match[str]) -> None:
    body, _, types = line["rest"].rpartition(" : ")
    operation = Operation(line["op"], tuple(re.findall(_VALUE, body)), types)
    if operation.name == "scf.for":
        iterated = line["rest"].partition("iter_args(")[2].partition(") ->")[0]
        for inner, initial in _ITERATED.findall(iterated):
            function.made_by[inner] = Operation("iterated", (initial,), "")
    if operation.name in ("tt.load", "tt.store"):
        function.accesses.append(operation)
    for result in re.findall(_VALUE, line["results"] or ""):
        function.made_by[result] = operation
