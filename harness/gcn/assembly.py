"""Reads the assembly of one kernel: instructions with their places in the source, and declarations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness.errors import Unsupported

_LABEL = re.compile(r"([.\w$]+):")
_PLACE = re.compile(r"([^\s:@\[\]]+):(\d+):\d+")
_MODIFIER = re.compile(r"\s([a-z_0-9]+):(\[[^\]]*\]|\S+)")
_COMMA = re.compile(r",\s*(?![^\[(]*[\])])")
_DECLARED = re.compile(r"\.amdhsa_(\w+)\s+(\d+)")
_ENCODINGS = ("_e32", "_e64", "_dpp", "_sdwa")
_TARGET = re.compile(r'\.amdgcn_target\s+"[\w-]+--(gfx\w+)"')
_NO_FLAGS: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Instruction:
    """One instruction as written. `opcode` is without its encoding; `line` is of the kernel's source."""

    text: str
    opcode: str
    encoding: str
    operands: tuple[str, ...]
    modifiers: Mapping[str, str]
    flags: frozenset[str]
    line: str


@dataclass(frozen=True)
class Slot:
    """One argument of a kernel in its argument segment: its place in bytes, and what kind of value it is."""

    offset: int
    size: int
    kind: str


@dataclass(frozen=True)
class Assembly:
    """A kernel. `labels` are places in `instructions`; `declared` are its `.amdhsa_` directives."""

    name: str
    architecture: str
    instructions: tuple[Instruction, ...]
    labels: Mapping[str, int]
    declared: Mapping[str, int]
    arguments: tuple[Slot, ...]


@dataclass
class _Reading:
    name: str
    instructions: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)
    line: str = ""


def read(text: str) -> Assembly:
    """The one kernel in assembly of Triton's. Unsupported where there is none, or a function beside it."""
    names = re.findall(r"^\s*\.type\s+(\S+?),@function", text, re.MULTILINE)
    if len(names) != 1:
        raise Unsupported(f"assembly with {len(names)} functions: {', '.join(names[:4]) or 'none'}")
    target = _TARGET.search(text)
    reading = _Reading(names[0])
    for line in _body(text, names[0]):
        _read_line(reading, line)
    return Assembly(
        name=names[0],
        architecture=target[1] if target else "",
        instructions=tuple(reading.instructions),
        labels=reading.labels,
        declared={name: int(value) for name, value in _DECLARED.findall(text)},
        arguments=tuple(_arguments(text)),
    )


def _body(text: str, name: str) -> Iterator[str]:
    """The lines of the kernel itself, from its label up to its end."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith(f"{name}:"):
            break
    for line in lines:
        if line.strip().startswith((".section", ".Lfunc_end")):
            return
        yield line


def _read_line(reading: _Reading, line: str) -> None:
    code, _, comment = line.partition(";")
    code = code.strip()
    if code.startswith(".loc"):
        reading.line = _place(code, comment) or reading.line
    elif label := _LABEL.fullmatch(code):
        reading.labels[label[1]] = len(reading.instructions)
    elif code and not code.startswith("."):
        reading.instructions.append(instruction(code, reading.line))


def _place(code: str, comment: str) -> str | None:
    """The outermost place of an inlined chain: the line of the kernel itself. Line 0 is no place."""
    if code.split()[2] == "0":
        return None
    places = _PLACE.findall(comment)
    return f"{places[-1][0]}:{places[-1][1]}" if places else None


def instruction(code: str, line: str = "") -> Instruction:
    """One instruction from its text."""
    text = " ".join(code.split())
    name, _, rest = text.partition(" ")
    if name == "s_waitcnt":
        return Instruction(text, name, "", (rest,), {}, _NO_FLAGS, line)
    modifiers = dict(_MODIFIER.findall(" " + rest))
    words = [word.strip() for word in _COMMA.split(_MODIFIER.sub("", " " + rest).strip()) if word.strip()]
    flags: list[str] = []
    if words:
        words[-1], *flags = words[-1].split()
    opcode, encoding = _encoding(name)
    return Instruction(
        text, opcode, encoding, tuple(words), modifiers, frozenset(flags) if flags else _NO_FLAGS, line
    )


def _encoding(name: str) -> tuple[str, str]:
    for suffix in _ENCODINGS:
        if name.endswith(suffix):
            return name.removesuffix(suffix), suffix[1:]
    return name, ""


def _arguments(text: str) -> Iterator[Slot]:
    """The argument list of the kernel's metadata, which is YAML of one fixed form."""
    listed = re.search(r"^\s+\.args:\n(.*?)^\s{4}\.\w", text, re.MULTILINE | re.DOTALL)
    for entry in re.split(r"^\s+- ", listed[1], flags=re.MULTILINE)[1:] if listed else ():
        facts = dict(re.findall(r"\.(\w+):\s+(\S+)", entry))
        yield Slot(int(facts["offset"]), int(facts["size"]), facts["value_kind"])
