"""Decodes a kernel once, and runs its workgroups wave by wave, from barrier to barrier."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from time import monotonic

import numpy as np

from harness.errors import Runaway, Unsupported
from harness.gcn import access, atomics, eight, local, matrix, scalar, scratch, vector
from harness.gcn.assembly import Assembly, Instruction
from harness.gcn.assembly import instruction as reread
from harness.gcn.operands import VECTORS, parse
from harness.gcn.space import Space
from harness.gcn.wave import APART, BARRIER, LANES, MET, STORE, Diverged, Step, Wave

LONGEST = 20_000_000
"""Instructions of one wave, after which it is taken for one that never ends."""
_NEVER_WRITTEN = 0xA5
"""What the local data share holds before it is written."""
_SCRATCH = "private_segment_fixed_size"
_POINTER = "user_sgpr_kernarg_segment_ptr"
_ACCEPTED = frozenset({_POINTER, "user_sgpr_count", "user_sgpr_kernarg_preload_length"})
_STORE = re.compile(r"(global|buffer|flat)_(store|atomic)")
Program = tuple[int, int, int]


@dataclass(frozen=True)
class Code:
    """A kernel that is decoded: how to execute each instruction, and the registers that it names.

    `stores` are the places of those that write memory which other waves see, `vectors` how many vector
    registers there are as far as this kernel can tell.
    """

    assembly: Assembly
    steps: tuple[Step, ...]
    touches: tuple[frozenset[int], ...]
    stores: frozenset[int]
    vectors: int


@dataclass(frozen=True)
class Hazard:
    """A value that was used before the wait for it: the compiler's fault, or the assembler's."""

    kernel: str
    instruction: str
    line: str
    lane: str = "every lane"


@dataclass
class Run:
    """What was executed in one launch."""

    waves: int = 0
    instructions: int = 0
    opcodes: Counter[str] = field(default_factory=Counter)
    hazards: dict[Hazard, int] = field(default_factory=dict)
    seconds: float = 0.0
    executed: list[int] = field(default_factory=list)
    """How often each instruction was, while the launch runs."""

    def counted(self, instructions: Sequence[Instruction]) -> Run:
        """What was executed by opcode, once all of it was."""
        for instruction, times in zip(instructions, self.executed, strict=True):
            self.instructions += times
            self.opcodes[instruction.opcode] += times
        self.opcodes = +self.opcodes
        return self


# --- decoding --------------------------------------------------------------------------------


def decode(assembly: Assembly) -> Code:
    """Every instruction of a kernel; Unsupported names all that are not implemented."""
    _check(assembly)
    steps: list[Step] = []
    missing: dict[str, None] = {}
    for instruction in assembly.instructions:
        try:
            steps.append(_step(instruction, assembly))
        except Unsupported as error:
            missing[str(error)] = None
    if missing:
        raise Unsupported(f"{assembly.name} on {assembly.architecture}: {'; '.join(missing)}")
    touches = tuple(_touched(instruction) for instruction in assembly.instructions)
    stores = (n for n, one in enumerate(assembly.instructions) if _STORE.match(one.opcode))
    return Code(assembly, tuple(steps), touches, frozenset(stores), _vectors(touches))


def _check(assembly: Assembly) -> None:
    """Refuse what a kernel asks of its launch beyond what is laid out here.

    Room for scratch memory may be declared and not used: its instructions are refused where they stand.
    """
    strange = [
        name for name, value in assembly.declared.items()
        if name.startswith("user_sgpr_") and value and name not in _ACCEPTED
    ]  # fmt: skip
    if strange or not assembly.declared.get(_POINTER):
        raise Unsupported(
            f"{assembly.name}: its registers at the start: {', '.join(strange) or 'no arguments'}"
        )


def _step(instruction: Instruction, assembly: Assembly) -> Step:
    built = _built(instruction, assembly)
    if built is None:
        raise Unsupported(instruction.opcode)
    return built


def _built(instruction: Instruction, assembly: Assembly) -> Step | None:
    alike = instruction.text, instruction.opcode, assembly.architecture
    match instruction.opcode.split("_", 2):
        case ["s", *_]:
            return (
                scalar.branch(instruction, assembly.labels) or _computing(*alike) or access.build(instruction)
            )
        case ["v", *_]:
            return _computing(*alike)
        case ["ds", *_]:
            return local.build(instruction, assembly.name)
        case ["scratch", *_]:
            return scratch.build(instruction, assembly.declared.get(_SCRATCH, 0))
    return access.build(instruction) or atomics.build(instruction)


@cache
def _computing(text: str, opcode: str, architecture: str) -> Step | None:
    """How to execute an instruction of registers alone, which is the same wherever it stands.

    Kernels have many in common, and whoever walks all objects of the collector has fewer to look at.
    """
    one = replace(reread(text), opcode=opcode)
    if opcode.startswith("s_"):
        return scalar.build(one)
    if opcode.startswith("v_mfma"):
        return matrix.build(one, architecture)
    return vector.build(one) or eight.build(one, architecture)


def _touched(instruction: Instruction) -> frozenset[int]:
    if instruction.opcode.startswith(("s_branch", "s_cbranch", "s_waitcnt")):
        return frozenset()
    return _named(instruction.operands)


@cache
def _named(operands: tuple[str, ...]) -> frozenset[int]:
    """The registers that operands name."""
    found: frozenset[int] = frozenset()
    for text in operands:
        try:
            found |= parse(text).registers
        except Unsupported:
            continue  # a word such as `off`, which its own decoder took
    return found


def _vectors(touches: Iterable[frozenset[int]]) -> int:
    """How many vector registers are named, from the first one on, in which the numbers of work-items are."""
    return max((register - VECTORS + 1 for named in touches for register in named), default=1)


# --- running ---------------------------------------------------------------------------------


def run(code: Code, space: Space, segment: int, grid: Program, warps: int, local_bytes: int) -> Run:
    """Run every workgroup of a grid, one after the other; `segment` is where the arguments are."""
    told, began = Run(executed=[0] * len(code.steps)), monotonic()
    with np.errstate(all="ignore"):
        for program in _programs(grid):
            share = np.full(local_bytes, _NEVER_WRITTEN, dtype=np.uint8)
            _workgroup(code, _waves(code, space, segment, program, warps, share), told)
    told.seconds = monotonic() - began
    return told.counted(code.assembly.instructions)


def _programs(grid: Program) -> Iterator[Program]:
    for z in range(grid[2]):
        for y in range(grid[1]):
            for x in range(grid[0]):
                yield x, y, z


def _waves(
    code: Code, space: Space, segment: int, program: Program, warps: int,
    share: np.ndarray[tuple[int], np.dtype[np.uint8]],
) -> Wave:  # fmt: skip
    """The waves of a workgroup as the hardware starts them: arguments, program, numbers of work-items."""
    wave, declared = Wave(0, share, space, warps, vectors=max(1, code.vectors)), code.assembly.declared
    wave.program = program
    wave.write(0, segment, 2)
    register = declared["user_sgpr_count"]
    for axis, name in enumerate("xyz"):
        if declared.get(f"system_sgpr_workgroup_id_{name}"):
            wave.write(register, program[axis], 1)
            register += 1
    wave.v[0] = np.arange(LANES * warps, dtype=np.uint32)
    if size := declared.get(_SCRATCH):
        wave.scratch = scratch.fresh(LANES * warps, size)
    return wave


def _workgroup(code: Code, whole: Wave, told: Run) -> None:
    """Run the waves up to the next barrier, until all have ended.

    All of them come up to their next store before one makes it, as far as they can: they run side by side on
    the hardware, and what one loads before it stores is rarely what another has stored by then. As long as
    they take the same way they are run as one.
    """
    told.waves += whole.size
    running = [whole]
    while running:
        waiting: list[Wave] = []
        stops: set[int] = set()
        while running:
            reached = [one for wave in running for one in _reached(code, wave, told)]
            stops |= {stop for _, stop in reached if stop != STORE}
            waiting += [wave for wave, stop in reached if stop == BARRIER]
            running = _joined(whole, [wave for wave, stop in reached if stop == STORE])
        if len(stops) > 1:
            raise Unsupported(f"{code.assembly.name}: a wave ends where others wait at a barrier")
        running = _joined(whole, waiting)


def _reached(code: Code, wave: Wave, told: Run) -> list[tuple[Wave, int]]:
    """Run a wave, or several as one, up to the next stop; where these part, one by one until they meet."""
    while (stop := _advance(code, wave, told)) == APART:
        parts = wave.parts()
        stops = [_advance(code, part, told, wave.meet) for part in parts]
        if set(stops) != {MET} or not wave.join(parts):
            pairs = zip(parts, stops, strict=True)
            return [(part, _advance(code, part, told) if stop == MET else stop) for part, stop in pairs]
    return [(wave, stop)]


def _joined(whole: Wave, waves: list[Wave]) -> list[Wave]:
    """The waves as one, where all of the workgroup stand at the same place."""
    return [whole] if len(waves) > 1 and whole.join(sorted(waves, key=_number)) else waves


def _number(wave: Wave) -> int:
    return wave.number


def _advance(code: Code, wave: Wave, told: Run, meet: int | None = None) -> int:
    """Run one wave, or several as one, up to its next store, a barrier, its end, or where they part.

    One that has parted from others stops where these are to `meet`, too.
    """
    if wave.pc == meet:
        return MET
    steps, touches, stores, waits, pc = code.steps, code.touches, code.stores, wave.waits, wave.pc
    executed, count, size = told.executed, wave.count, wave.size
    try:
        while True:
            if waits.pending and not touches[pc].isdisjoint(waits.pending):
                _hazard(code, pc, told, size)
            target = steps[pc](wave)
            executed[pc] += size
            count += 1
            if target is None:
                pc += 1
            elif target >= 0:
                pc = target
            else:
                break
            if count > LONGEST:
                raise Runaway(f"{code.assembly.name}: stopped after {LONGEST} instructions of one wave")
            if pc == meet or pc in stores:
                wave.pc, wave.count = pc, count
                return MET if pc == meet else STORE
    except Diverged as parting:
        wave.count = count
        return _apart(wave, pc, parting)
    wave.pc, wave.count = pc + 1, count
    if target == BARRIER and waits.outstanding("lgkm"):
        _hazard(code, pc, told, size)
    return target


def _apart(wave: Wave, pc: int, parting: Diverged) -> int:
    """Leave waves that part at a branch there, with the place behind it where they are to meet."""
    wave.pc = pc
    wave.meet = parting.meet if parting.meet is not None and parting.meet > pc else pc + 1
    return APART


def _hazard(code: Code, pc: int, told: Run, size: int) -> None:
    instruction = code.assembly.instructions[pc]
    hazard = Hazard(code.assembly.name, instruction.text, instruction.line)
    told.hazards[hazard] = told.hazards.get(hazard, 0) + size
