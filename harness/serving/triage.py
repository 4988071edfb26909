"""Which reproducers' bugs a foreign server's log looks like, and by what.

A likeness is a hint where to look, never a verdict: only running the reproducer tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.facts import ExpectedFault, FaultKind, Reproducer
from harness.facts.kinds import kind_of
from harness.observation import Fault
from harness.serving.logs import Reading

_ON_A_GPU = re.compile(r"GPU faults?|illegal (?:memory )?access")
_WORD = re.compile(r"[a-z][a-z0-9-]{3,}")
_COMMON = frozenset({"above", "never", "next", "under", "wrong", "tokens", "with", "from", "into"})
_FUNCTION, _KERNEL, _KIND, _RELATED, _WORDS_MOST, _FLAG, _OTHER_FLAG = 6, 4, 3, 2, 2, 1, -2


@dataclass(frozen=True)
class Match:
    """A reproducer whose bug this may be. `why` are the reasons, `score` their sum: more is better."""

    reproducer: Reproducer
    why: tuple[str, ...]
    score: int


def matches(reading: Reading, text: str, known: Sequence[Reproducer]) -> tuple[Match, ...]:
    """The reproducers whose bug a log may show, best first; none where the log has no fault."""
    found = (_match(reading.faults, text, one) for one in known)
    likely = [match for match in found if match is not None]
    return tuple(sorted(likely, key=lambda match: (-match.score, match.reproducer.id)))


def _match(faults: Sequence[Fault], text: str, reproducer: Reproducer) -> Match | None:
    if not faults:
        return None
    reasons = [*_of_code(text, reproducer), *_of_kinds(faults, reproducer)]
    if not reasons:
        return None
    reasons += [*_of_words(faults, reproducer), *_of_flags(text, reproducer)]
    score = sum(points for points, _ in reasons)
    return Match(reproducer, tuple(why for _, why in reasons), score) if score > 0 else None


def _of_code(text: str, reproducer: Reproducer) -> Iterator[tuple[int, str]]:
    """Functions that the fix changed, and kernels that the bug strays in, where the log names them."""
    for name in dict.fromkeys((*reproducer.revert.functions, *reproducer.formerly)):
        if _names(text, name.rpartition(".")[2]):
            yield _FUNCTION, f"the log names {name}, which the fix changed"
    kernels = {expected.kernel for expected in _expected(reproducer) if expected.kernel}
    for name in sorted(kernels):
        if _names(text, name):
            yield _KERNEL, f"the log names the kernel {name}"


def _names(text: str, name: str) -> bool:
    return name in text and bool(re.search(rf"(?<![\w]){re.escape(name)}(?!\w)", text))


def _of_kinds(faults: Sequence[Fault], reproducer: Reproducer) -> Iterator[tuple[int, str]]:
    """The best fault kind that both have; one of another name only where a device would name it so."""
    expected = {one.kind for one in _expected(reproducer)}
    seen = {fault.kind for fault in faults}
    if same := sorted(expected & seen):
        yield _KIND, f"fault kind {', '.join(same)}"
    elif FaultKind.DEVICE_FAULT in seen and (
        kinds := sorted(kind for kind in expected if kind_of(kind).is_of_memory)
    ):
        yield _RELATED, f"device-fault, as which a GPU may report {', '.join(kinds)}"
    elif FaultKind.DEVICE_FAULT in seen and (told := _ON_A_GPU.search(reproducer.bug.symptom)):
        yield _RELATED, f"device-fault, and the symptom speaks of {told[0]}"


def _of_words(faults: Sequence[Fault], reproducer: Reproducer) -> Iterator[tuple[int, str]]:
    """At least two words of the symptom in the faults' own messages: one alone is chance."""
    said = set(_WORD.findall(" ".join(fault.message or "" for fault in faults).lower()))
    words = sorted(said & set(_WORD.findall(reproducer.bug.symptom.lower())) - _COMMON)
    if len(words) > 1:
        yield min(len(words), _WORDS_MOST), f"symptom has the words {', '.join(words)}"


def _of_flags(text: str, reproducer: Reproducer) -> Iterator[tuple[int, str]]:
    """How the log's server was started, held against the report's; switches tell too little."""
    if reproducer.reported is None:
        return
    flags: dict[str, set[str]] = {}
    for launch in reproducer.reported.launches:
        for name, value in launch.flags.items():
            flags.setdefault(name, set()).add(value)
    for name, values in sorted(flags.items()):
        given = _given(text, name)
        if given is None or not values - {""} or "/" in "".join(values):
            continue
        alike = given.lower() in {value.lower() for value in values}
        told = f"--{name} {given}" if alike else f"but --{name} is {given}, not {' or '.join(sorted(values))}"
        yield (_FLAG if alike else _OTHER_FLAG), told


def _given(text: str, name: str) -> str | None:
    """A flag's value in the log's `server_args=…` or command line."""
    argument = re.search(rf"\b{name.replace('-', '_')}=(?:'([^']*)'|([\w.-]+))", text)
    flag = argument or re.search(rf"--{re.escape(name)}[ =]([\w.-]+)()", text)
    given = next((group for group in flag.groups() if group), None) if flag else None
    return None if given == "None" else given


def _expected(reproducer: Reproducer) -> tuple[ExpectedFault, ...]:
    expect = reproducer.expect
    each = (expect.reverted, expect.codegen, expect.server, expect.device, expect.device_kernel)
    return tuple(one for one in each if one)


def to_json(reading: Reading, found: Sequence[Match]) -> Mapping[str, object]:
    """What triage tells as JSON: faults, what was lacking, whether the log is whole, and the matches."""
    faults = [
        {"kind": fault.kind, "process": fault.process, "message": fault.message} for fault in reading.faults
    ]
    likely = [{"reproducer": match.reproducer.id, "why": "; ".join(match.why)} for match in found]
    return {"faults": faults, "lacking": reading.lacking, "storage": reading.storage, "matches": likely}
