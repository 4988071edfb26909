"""Plants miscompiles in kernels that Triton compiled for AMD GPUs, and tells which the emulator's run shows.

A mutation removes or changes one instruction; it is noticed where the kernel's outputs, its stray accesses
or its hazards differ from the unharmed kernel's. Removed waits are told apart: they change no value here, and
show as hazards. What is not noticed is listed by opcode.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from harness.errors import RefaultError
from harness.gcn import assembly, emulator, segment
from harness.gcn.assembly import Assembly, Instruction
from harness.gcn.space import Space
from harness.host import preload
from harness.memory.poison import Poison
from harness.memory.violations import Violations
from harness.memory.windows import Argument
from harness.tests.gcn import kernels
from harness.tiers.upstream import upstream

_LONGEST = 200_000
"""Instructions of one wave of a harmed kernel: a counter that never arrives ends soon."""


@dataclass(frozen=True)
class Subject:
    """A kernel with its arguments, made anew for each run."""

    name: str
    kernel: Any
    make: Callable[[], dict[str, Any]]
    constants: dict[str, Any]
    grid: tuple[int, int, int] = (1, 1, 1)


@dataclass(frozen=True)
class Compiled:
    """What was compiled of a subject."""

    subject: Subject
    assembly: Assembly
    kinds: tuple[str, ...]
    warps: int
    shared: int


@dataclass(frozen=True)
class Outcome:
    """What one run shows: outputs, faults, hazards, or how it ended."""

    outputs: tuple[bytes, ...]
    faults: tuple[str, ...]
    hazards: tuple[str, ...]
    ended: str = ""


@dataclass(frozen=True)
class Mutation:
    """One instruction that was harmed, and whether that was noticed."""

    kernel: str
    chip: str
    how: str
    instruction: str
    noticed: bool


# --- subjects --------------------------------------------------------------------------------


def subjects() -> list[Subject]:
    """Kernels of the emulator's tests, and upstream's own where they import."""
    return [*_own(), *_upstream()]


def _own() -> list[Subject]:
    def numbers(dtype: torch.dtype) -> Callable[[], dict[str, Any]]:
        def make() -> dict[str, Any]:
            x, y = (torch.arange(300).mul(by).remainder(97).add(1).to(dtype) for by in (7, 13))
            return dict(x=x, y=y, out=torch.zeros(300, dtype=dtype), n=300)

        return make

    def product(dtype: torch.dtype, size: int) -> Callable[[], dict[str, Any]]:
        def make() -> dict[str, Any]:
            x, y = (torch.arange(size * 64).mul(by).remainder(7).sub(3).to(dtype) for by in (5, 11))
            return dict(x=x.view(size, 64), y=y.view(64, size), out=torch.zeros(size, size))

        return make

    def rows() -> dict[str, Any]:
        table = torch.arange(400, dtype=torch.int32).mul(70001).sub(9999999)
        return dict(
            table=table, rows=torch.arange(100).mul(7).remainder(97), out=torch.zeros(100, dtype=torch.int32),
            n=100, stride=4,
        )  # fmt: skip

    def total(dtype: torch.dtype) -> Callable[[], dict[str, Any]]:
        return lambda: dict(
            x=torch.arange(1000).mul(37).remainder(501).to(dtype), out=torch.zeros(2, dtype=dtype), n=1000
        )

    def cast(of: torch.dtype, to: torch.dtype) -> Callable[[], dict[str, Any]]:
        return lambda: dict(
            x=torch.arange(1000).sub(500).div(3).to(of), out=torch.zeros(1000).to(to), n=1000
        )  # fmt: skip

    eight = torch.float8_e4m3fn
    return [
        Subject("add_f32", kernels.ADD, numbers(torch.float32), {"BLOCK": 256}, (2, 1, 1)),
        Subject("add_i64", kernels.ADD, numbers(torch.int64), {"BLOCK": 256}, (2, 1, 1)),
        Subject("gather", kernels.GATHER, rows, {"BLOCK": 128}),
        Subject("product_f16", kernels.PRODUCT, product(torch.float16, 16), {"M": 16, "N": 16, "K": 64}),
        Subject("product_bf16", kernels.PRODUCT, product(torch.bfloat16, 32), {"M": 32, "N": 32, "K": 64}),
        Subject("product_f32", kernels.PRODUCT, product(torch.float32, 16), {"M": 16, "N": 16, "K": 64}),
        Subject("total_i32", kernels.TOTAL, total(torch.int32), {"BLOCK": 1024}),
        Subject("total_f32", kernels.TOTAL, total(torch.float32), {"BLOCK": 1024}),
        Subject("cast_to_fp8", kernels.CAST, cast(torch.float32, eight), {"BLOCK": 1024}),
        Subject("cast_of_fp8", kernels.CAST, cast(eight, torch.float32), {"BLOCK": 1024}),
    ]


def _upstream() -> list[Subject]:
    assert preload.PATCHES is not None  # upstream's imports need what importing that has made ready
    os.environ.setdefault("SGLANG_USE_CPU_ENGINE", "1")
    import sglang

    indices = upstream(Path(next(iter(sglang.__path__))), "create_flashinfer_kv_indices_triton")

    def make() -> dict[str, Any]:
        lengths = torch.tensor([600, 1100, 17])  # a loop of 512 that ends in its first, second and third turn
        return dict(
            req_to_token_ptr=torch.arange(3 * 1200, dtype=torch.int32).mul(70001),
            req_pool_indices_ptr=torch.tensor([2, 0, 1]),
            page_kernel_lens_ptr=lengths, kv_indptr=torch.tensor([0, 600, 1700, 1717], dtype=torch.int32),
            kv_indices_ptr=torch.zeros(1717, dtype=torch.int32),
        )  # fmt: skip

    constants = {"kv_start_idx": None, "req_to_token_ptr_stride": 1200}
    return [Subject("create_flashinfer_kv_indices_triton", indices, make, constants, (3, 1, 1))]


def compiled(subject: Subject, chip: str) -> Compiled:
    """The subject's assembly for a chip, with the types of its arguments."""
    names = [parameter.name for parameter in subject.kernel.params]
    given = subject.make()
    kinds = {name: _kind(given[name]) if name in given else "constexpr" for name in names}
    defaults = {one.name: one.default for one in subject.kernel.params if one.has_default}
    constants = {name: value for name, value in (defaults | subject.constants).items() if name not in given}
    source = ASTSource(subject.kernel, kinds, {(names.index(k),): v for k, v in constants.items()})
    made = triton.compile(source, target=GPUTarget("hip", chip, 64))
    read = assembly.read(made.asm["amdgcn"])
    plain = tuple(kind for kind in kinds.values() if kind != "constexpr")
    return Compiled(subject, read, plain, made.metadata.num_warps, made.metadata.shared)


_KINDS = {
    torch.float32: "*fp32", torch.float16: "*fp16", torch.bfloat16: "*bf16", torch.int32: "*i32",
    torch.int64: "*i64", torch.float8_e4m3fn: "*fp8e4nv",
}  # fmt: skip


def _kind(value: Any) -> str:
    return _KINDS[value.dtype] if isinstance(value, torch.Tensor) else "i32"


# --- runs ------------------------------------------------------------------------------------


def outcome(one: Compiled) -> Outcome:
    """Run a kernel on fresh arguments; memory that it does not write keeps what it had."""
    strays, given = Violations(), one.subject.make()
    space = Space(one.subject.name, strays, Poison())
    ended = ""
    hazards: tuple[str, ...] = ()
    values = [
        space.place(Argument(name, value, name)) if isinstance(value, torch.Tensor) else value
        for name, value in given.items()
    ]
    try:
        content = segment.lay_out(one.assembly, one.kinds, values, one.subject.grid, one.warps)
        code = emulator.decode(one.assembly)
        told = emulator.run(code, space, space.segment(content), one.subject.grid, one.warps, one.shared)
        hazards = tuple(hazard.instruction for hazard in told.hazards)
    except RefaultError as error:
        ended = type(error).__name__
    tensors = [value for value in given.values() if isinstance(value, torch.Tensor)]
    outputs = tuple(tensor.contiguous().view(torch.uint8).numpy().tobytes() for tensor in tensors)
    return Outcome(outputs, tuple(fault.signature for fault in strays.faults()), hazards, ended)


# --- mutations -------------------------------------------------------------------------------

_SWAPS = {
    "v_add_u32": "v_sub_u32", "v_add_f32": "v_sub_f32", "v_mul_f32": "v_add_f32", "v_max_i32": "v_min_i32",
    "v_max_f32": "v_min_f32", "v_lshlrev_b32": "v_lshrrev_b32", "v_and_b32": "v_or_b32",
    "v_or_b32": "v_xor_b32",
    "s_and_b64": "s_or_b64", "s_add_u32": "s_sub_u32", "s_add_i32": "s_sub_i32", "s_lshl_b32": "s_lshr_b32",
    "v_cmp_gt_i32": "v_cmp_ge_i32", "v_cmp_lt_i32": "v_cmp_le_i32", "v_cmp_gt_u32": "v_cmp_ge_u32",
    "v_cmp_eq_u32": "v_cmp_ne_u32", "s_cbranch_execz": "s_branch", "s_cmp_lt_i32": "s_cmp_le_i32",
    "v_ashrrev_i32": "v_lshrrev_b32", "global_load_dword": "global_load_ushort",
}  # fmt: skip
_HARMLESS = frozenset({"s_nop", "s_endpgm", "s_branch", "s_setprio", "s_sleep"})


def mutations(
    found: Assembly, number: int, dice: random.Random
) -> Iterator[tuple[str, int, Instruction | None]]:
    """All removed waits, and a sample of removed and changed instructions."""
    waits = [n for n, one in enumerate(found.instructions) if one.opcode == "s_waitcnt"]
    yield from (("wait removed", n, None) for n in waits)
    others = [n for n, one in enumerate(found.instructions) if one.opcode not in {"s_waitcnt", *_HARMLESS}]
    yield from (("removed", n, None) for n in sorted(dice.sample(others, min(number, len(others)))))
    swapped = [n for n in others if found.instructions[n].opcode in _SWAPS]
    for n in sorted(dice.sample(swapped, min(number, len(swapped)))):
        one = found.instructions[n]
        yield "changed", n, replace(one, opcode=_SWAPS[one.opcode])


def harmed(found: Assembly, place: int, by: Instruction | None) -> Assembly:
    """The kernel with one instruction replaced, or with one that does nothing in its place."""
    idle = assembly.instruction("s_nop 0", found.instructions[place].line)
    instructions = [*found.instructions]
    instructions[place] = by or idle
    return replace(found, instructions=tuple(instructions))


def planted(subject: Subject, chip: str, number: int, dice: random.Random) -> Iterator[Mutation]:
    """Every mutation of one kernel on one chip. SystemExit where the kernel itself is not clean."""
    one = compiled(subject, chip)
    sound = outcome(one)
    if sound.faults or sound.hazards or sound.ended:
        raise SystemExit(f"gcn_miscompiles: {subject.name} on {chip} is not clean by itself: {sound}")
    for how, place, by in mutations(one.assembly, number, dice):
        instruction = one.assembly.instructions[place]
        try:
            seen = outcome(replace(one, assembly=harmed(one.assembly, place, by)))
        except (IndexError, KeyError) as error:  # registers past the file, which hardware would refuse
            seen = Outcome((), (), (), type(error).__name__)
        yield Mutation(subject.name, chip, how, instruction.text, seen != sound)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=25, help="removed, and changed, instructions of a kernel")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chip", choices=("gfx942", "gfx950"), action="append", help="both without any")
    parser.add_argument("--json", type=Path, help="also write every mutation here")
    options = parser.parse_args()
    emulator.LONGEST = _LONGEST
    found: list[Mutation] = []
    with tempfile.TemporaryDirectory() as cache, np.errstate(all="ignore"):
        triton.knobs.cache.dir = cache
        for chip in options.chip or ("gfx942", "gfx950"):
            for subject in subjects():
                found += planted(subject, chip, options.each, random.Random(options.seed))
    _show(found)
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in found], indent=1) + "\n", encoding="utf-8")


def _show(found: Sequence[Mutation]) -> None:
    for how in ("wait removed", "removed", "changed"):
        for chip in sorted({one.chip for one in found}):
            of = [one for one in found if (one.how, one.chip) == (how, chip)]
            kernels_of = len({one.kernel for one in of})
            print(
                f"{chip}: {how}: {sum(one.noticed for one in of)} of {len(of)} noticed, "
                f"in {kernels_of} kernels"
            )
    missed = Counter(one.instruction.split()[0] for one in found if not one.noticed)
    print("not noticed, by opcode: " + ", ".join(f"{name} {times}" for name, times in missed.most_common()))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # temporary folders go as with Ctrl-C
    main()
