"""Vector instructions: operands with their modifiers into the table of arithmetic, and results back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from harness.errors import Unsupported
from harness.gcn import arithmetic, packed, permute
from harness.gcn.arithmetic import F32, I64, RELATIONS, TABLE, U32, U64, Function, fma
from harness.gcn.assembly import Instruction
from harness.gcn.modifiers import admit
from harness.gcn.operands import Operand, Read, constant, parse, reader, whole, write, writer
from harness.gcn.permute import Movement
from harness.gcn.scalar import value
from harness.gcn.wave import EXEC, LANES, VCC, Mask, Scalar, Step, Wave, Words, alike, bits_of, each

_COMPARISON = re.compile(r"v_cmp(x?)_(\w+)_([fiu]\d+)")
_OUTPUT = {("mul", "2"): 2.0, ("mul", "4"): 4.0, ("div", "2"): 0.5}


def build(instruction: Instruction) -> Step | None:
    """How to execute a vector instruction; None where it is not one of these."""
    opcode = instruction.opcode
    if opcode in TABLE:
        dtype, kinds, function = TABLE[opcode]
        return _arithmetic(instruction, dtype, kinds.split(), function)
    if opcode in _SPECIAL:
        return _SPECIAL[opcode](instruction)
    if opcode.startswith("v_cmp_class_"):
        return _comparison(instruction, False, ["f32", "u32"], arithmetic.compared)
    if (found := _COMPARISON.fullmatch(opcode)) and found[2] in RELATIONS:
        return _comparison(instruction, bool(found[1]), [found[3]] * 2, RELATIONS[found[2]])
    return packed.build(instruction)


# --- sources ---------------------------------------------------------------------------------


def _sources(
    instruction: Instruction, operands: list[Operand], kinds: list[str]
) -> tuple[list[Read], Movement | None]:
    """How to read the sources, and how the first one moves between lanes."""
    if len(operands) != len(kinds):
        raise Unsupported(f"{instruction.text}: {len(operands)} sources")
    if instruction.encoding == "sdwa":
        parts = [instruction.modifiers.get(f"src{n}_sel", "DWORD") for n in range(len(operands))]
        return [_part(*given) for given in zip(operands, kinds, parts, strict=True)], None
    if any(operand.sext for operand in operands):
        raise Unsupported(f"{instruction.text}: sext without SDWA")
    moved = permute.movement(instruction) if instruction.encoding == "dpp" else None
    return [reader(*given) for given in zip(operands, kinds, strict=True)], moved


def _part(operand: Operand, kind: str, name: str) -> Read:
    """A part of a source as SDWA selects it, with modifiers of floats on what was selected."""
    shift, width = permute.part(name)
    bits = _bits(operand)
    if operand.absolute or operand.negate:
        raise Unsupported(f"SDWA with {operand.text}")
    return lambda wave: _as(permute.selected(bits(wave), shift, width, operand.sext), kind)


def _bits(operand: Operand) -> Read:
    plain = Operand(operand.text, operand.kind, operand.index, operand.words)
    read = reader(plain, "u32")
    return read if operand.kind == "v" else lambda wave: np.broadcast_to(read(wave), wave.mask.shape)


def _as(bits: Any, kind: str) -> Any:
    """The bits of words as values of a type of at most 32 bits."""
    if kind in ("u32", "i32", "f32"):
        return np.ascontiguousarray(bits).view(np.dtype({"u": "u4", "i": "i4", "f": "f4"}[kind[0]]))
    if kind in ("f16", "u16", "i16"):
        return bits.astype(np.uint16).view(np.dtype({"f": "f2", "u": "u2", "i": "i2"}[kind[0]]))
    raise Unsupported(f"DPP or SDWA on {kind}")


def _moved(read: Read, operand: Operand, kind: str, movement: Movement) -> Callable[[Wave], tuple[Any, Mask]]:
    """The first source from other lanes, and which lanes write."""
    if operand.negate or operand.absolute or operand.kind != "v":
        raise Unsupported(f"DPP with {operand.text}")
    bits = _bits(operand)

    def take(wave: Wave) -> tuple[Any, Mask]:
        words, mask = movement.take(wave, bits(wave))
        assert mask is not None
        return _as(words, kind), mask

    return take


# --- results ---------------------------------------------------------------------------------


def _output(instruction: Instruction, dtype: str) -> Function | None:
    """What the output modifiers do to a result: scaling, then clamping to [0, 1]."""
    scales = [_OUTPUT[item] for item in instruction.modifiers.items() if item in _OUTPUT]
    clamps = "clamp" in instruction.flags
    if not scales and not clamps:
        return None
    if dtype != "f32":
        raise Unsupported(f"{instruction.opcode} with an output modifier")
    scale = F32(scales[0]) if scales else F32(1)

    def apply(value: Any) -> Any:
        return np.fmin(np.fmax(value * scale, F32(0)), F32(1)) if clamps else value * scale

    return apply


def _store(instruction: Instruction, target: Operand, dtype: str) -> Callable[[Wave, Any, Mask | None], None]:
    """How to write a result, in the parts and lanes that are to change."""
    index = target.index
    if instruction.encoding == "sdwa" and instruction.modifiers.get("dst_sel", "DWORD") != "DWORD":
        return lambda wave, value, mask: wave.put(
            wave.v[index], permute.merged(wave.v[index], _words(value), instruction)
        )
    if instruction.encoding == "dpp":
        return lambda wave, value, mask: wave.put(wave.v[index], _words(value), mask)
    put = writer(index, dtype)
    return lambda wave, value, mask: put(wave, value)


def _words(value: Any) -> Any:
    """A result of at most 32 bits as words."""
    value = np.asarray(value)
    if value.dtype.itemsize == 2:
        return np.ascontiguousarray(value).view(np.uint16).astype(np.uint32)
    return np.ascontiguousarray(value).view(np.uint32)


def _arithmetic(instruction: Instruction, dtype: str, kinds: list[str], function: Function) -> Step:
    admit(instruction, {"mul", "div"}, {"clamp"}, encoded=True)
    if "clamp" in instruction.flags and (saturated := arithmetic.SATURATING.get(instruction.opcode)):
        instruction, function = replace(instruction, flags=instruction.flags - {"clamp"}), saturated
    target, *operands = map(parse, instruction.operands)
    reads, movement = _sources(instruction, operands, kinds)
    output, store = _output(instruction, dtype), _store(instruction, target, dtype)
    if movement is None and output is None and instruction.encoding != "sdwa" and dtype != "f16":
        return _plain(target.index, dtype, reads, function, _known(operands, kinds, function))
    take = _moved(reads[0], operands[0], kinds[0], movement) if movement else None
    computed = _limited(function) if dtype == "f16" else lambda wave, values: function(*values)

    def step(wave: Wave) -> None:
        values, mask = [read(wave) for read in reads], None
        if take:
            values[0], mask = take(wave)
        result = computed(wave, values)
        store(wave, output(result) if output else result, mask)

    return step


def _known(operands: list[Operand], kinds: list[str], function: Function) -> Any:
    """What a function makes of constants; None where one of its sources is a register."""
    if any(operand.kind != "const" or operand.negate or operand.absolute for operand in operands):
        return None
    with np.errstate(all="ignore"):
        values = [constant(operand.text, kind) for operand, kind in zip(operands, kinds, strict=True)]
        return function(*values)


def _limited(function: Function) -> Callable[[Wave, list[Any]], Any]:
    """A function whose results are floats of 16 bits, which MODE may limit."""

    def computed(wave: Wave, values: list[Any]) -> Any:
        result = function(*values)
        return arithmetic.limited(result, *values) if wave.limits_halves else result

    return computed


def _plain(index: int, dtype: str, reads: list[Read], function: Function, known: Any = None) -> Step:
    """The usual case, without a detour; `known` is the result where it is always the same."""
    put = writer(index, dtype)
    if known is not None:
        return lambda wave: put(wave, known)
    if len(reads) == 1:
        (one,) = reads
        return lambda wave: put(wave, function(one(wave)))
    if len(reads) == 2:
        first, second = reads
        return lambda wave: put(wave, function(first(wave), second(wave)))
    first, second, third = reads
    return lambda wave: put(wave, function(first(wave), second(wave), third(wave)))


# --- comparisons and carries -----------------------------------------------------------------


def _to_scalar(wave: Wave, target: Operand, lanes: Any) -> None:
    """Write a truth of each lane to a pair of scalar registers; lanes that are switched off give 0."""
    wave.write(target.index, bits_of(lanes if wave.full and lanes.shape else lanes & wave.mask), 2)


def _comparison(instruction: Instruction, exec_too: bool, kinds: list[str], relation: Function) -> Step:
    if instruction.encoding == "dpp":
        raise Unsupported(f"{instruction.opcode} with dpp")
    admit(instruction, encoded=True)
    target, *operands = map(parse, instruction.operands)
    (first, second), _ = _sources(instruction, operands, kinds)

    def step(wave: Wave) -> None:
        _to_scalar(wave, target, relation(first(wave), second(wave)))
        if exec_too:
            wave.write(EXEC, wave.read(target.index, 2), 2)

    return step


def _conditional(instruction: Instruction) -> Step:
    """V_CNDMASK_B32: the second source where the mask has a bit, else the first."""
    admit(instruction, encoded=True)
    target, *operands = map(parse, instruction.operands)
    if len(operands) != 3:
        raise Unsupported(instruction.text)
    kind = "f32" if any(o.negate or o.absolute for o in operands[:2]) else "u32"
    reads, movement = _sources(instruction, operands[:2], [kind, kind])
    take = _moved(reads[0], operands[0], kind, movement) if movement else None
    store, condition = _store(instruction, target, kind), operands[2].index

    def step(wave: Wave) -> None:
        first, mask = take(wave) if take else (reads[0](wave), None)
        chosen = np.where(wave.lanes(wave.read(condition, 2)), reads[1](wave), first)
        store(wave, chosen, mask)

    return step


_CARRIES: Mapping[str, Callable[[Any, Any, Any], Any]] = {
    "v_add_co_u32": lambda a, b, c: a + b,
    "v_sub_co_u32": lambda a, b, c: a - b,
    "v_subrev_co_u32": lambda a, b, c: b - a,
    "v_addc_co_u32": lambda a, b, c: a + b + c,
    "v_subb_co_u32": lambda a, b, c: a - b - c,
    "v_subbrev_co_u32": lambda a, b, c: b - a - c,
}


def _carrying(instruction: Instruction) -> Step:
    """Sums and differences with a carry out of each lane, and into it where there is a fifth operand."""
    admit(instruction)
    target, carry, *operands = map(parse, instruction.operands)
    first, second = (reader(operand, "u32") for operand in operands[:2])
    function = _CARRIES[instruction.opcode]
    into = operands[2].index if len(operands) > 2 else None

    def step(wave: Wave) -> None:
        carried = wave.lanes(wave.read(into, 2)).astype(np.int64) if into is not None else 0
        wide_first, wide_second = (np.asarray(read(wave)).astype(np.int64) for read in (first, second))
        total = np.asarray(function(wide_first, wide_second, carried))
        write(wave, target.index, (total & I64(0xFFFFFFFF)).astype(U32), "u32")
        _to_scalar(wave, carry, (total < 0) | (total > 0xFFFFFFFF))

    return step


def _multiply_add(instruction: Instruction) -> Step:
    """V_MAD_U64_U32 and V_MAD_I64_I32: a product of words and a sum of 64 bits, with its carry."""
    admit(instruction)
    target, carry, *operands = map(parse, instruction.operands)
    is_signed = instruction.opcode == "v_mad_i64_i32"
    kind, long = ("i32", "i64") if is_signed else ("u32", "u64")
    reads = [reader(operand, k) for operand, k in zip(operands, (kind, kind, long), strict=True)]
    wider, put = I64 if is_signed else U64, writer(target.index, long)

    def step(wave: Wave) -> None:
        a, b, c = (np.asarray(read(wave)).astype(wider) for read in reads)
        product = a * b
        total = product + c
        put(wave, total)
        _to_scalar(wave, carry, _overflowed(product, c, total, is_signed))

    return step


def _overflowed(one: Any, other: Any, total: Any, is_signed: bool) -> Any:
    """In which lanes the sum of two values of 64 bits has none of its own."""
    return ((one ^ total) & (other ^ total)) < 0 if is_signed else total < one


# --- accumulating and other odd ones -------------------------------------------------


def _accumulating(instruction: Instruction) -> Step:
    """V_FMAC_F32: the destination is the third source."""
    admit(instruction, encoded=True)
    target, *operands = map(parse, instruction.operands)
    reads, movement = _sources(instruction, operands, ["f32", "f32"])
    take = _moved(reads[0], operands[0], "f32", movement) if movement else None
    store, index = _store(instruction, target, "f32"), target.index

    def step(wave: Wave) -> None:
        first, mask = take(wave) if take else (reads[0](wave), None)
        store(wave, fma(first, reads[1](wave), wave.f[index]), mask)

    return step


def _bitop3(instruction: Instruction) -> Step:
    admit(instruction, {"bitop3"})
    table = whole(instruction.modifiers.get("bitop3", "0"))
    target, *operands = map(parse, instruction.operands)
    reads = [reader(operand, "u32") for operand in operands]
    # One of 16 bits leaves the upper half of its destination as it is.
    changed = U32(0xFFFF if instruction.opcode == "v_bitop3_b16" else 0xFFFFFFFF)

    def step(wave: Wave) -> None:
        result = arithmetic.truth(table, *(read(wave) for read in reads))
        kept = wave.v[target.index] & ~changed
        write(wave, target.index, result & changed | kept, "u32")

    return step


def _pack_halves(instruction: Instruction) -> Step:
    """V_CVT_PK_F16_F32 (CDNA4): two floats as the halves of a word, each rounded to the nearest."""
    admit(instruction)
    target, *operands = map(parse, instruction.operands)
    reads = [reader(operand, "f32") for operand in operands]

    def step(wave: Wave) -> None:
        low, high = (_short(wave, np.asarray(read(wave))) for read in reads)
        write(wave, target.index, low | high << U32(16), "u32")

    return step


def _short(wave: Wave, value: Any) -> Any:
    half = value.astype(np.float16)
    return arithmetic.half_of(arithmetic.limited(half, value) if wave.limits_halves else half)


def _divide_scale(instruction: Instruction) -> Step:
    admit(instruction)
    target, flag, *operands = map(parse, instruction.operands)
    reads = [reader(operand, "f32") for operand in operands]

    def step(wave: Wave) -> None:
        value, scaled = arithmetic.div_scale(*(read(wave) for read in reads))
        write(wave, target.index, value, "f32")
        _to_scalar(wave, flag, scaled)

    return step


def _divide_fmas(instruction: Instruction) -> Step:
    admit(instruction)
    target, *operands = map(parse, instruction.operands)
    reads = [reader(operand, "f32") for operand in operands]

    def step(wave: Wave) -> None:
        scaled = wave.lanes(wave.read(VCC, 2))
        write(wave, target.index, arithmetic.div_fmas(scaled, *(read(wave) for read in reads)), "f32")

    return step


def _read_lane(instruction: Instruction) -> Step:
    """V_READLANE_B32, and V_READFIRSTLANE_B32 where no lane is named: the lowest active one."""
    admit(instruction)
    target, source, *rest = map(parse, instruction.operands)
    index = source.index
    chosen = _lane(rest[0]) if rest else lambda wave: each(_first_lane, wave.exec)
    return lambda wave: wave.write(target.index, _of_lane(wave, wave.v[index], chosen(wave)), 1)


def _of_lane(wave: Wave, register: Words, lane: Scalar) -> Scalar:
    """What a register holds in one lane of each wave."""
    lanes = lane if type(lane) is tuple else (lane,) * wave.size
    return alike([int(register[LANES * n + one]) for n, one in enumerate(lanes)])  # type: ignore[operator]


def _first_lane(mask: int) -> int:
    """The lowest active lane; the first where there is none (V_READFIRSTLANE_B32)."""
    return (mask & -mask).bit_length() - 1 if mask else 0


def _lane(operand: Operand) -> Callable[[Wave], Scalar]:
    read = value(operand, 1)
    return lambda wave: each(lambda lane: lane & (LANES - 1), read(wave))


def _write_lane(instruction: Instruction) -> Step:
    admit(instruction)
    target, source, place = map(parse, instruction.operands)
    read, lane = value(source, 1), _lane(place)

    def step(wave: Wave) -> None:
        at = LANES * np.arange(wave.size) + np.array(lane(wave))
        wave.v[target.index][at] = np.array(read(wave), dtype=U32)

    return step


def _counted_below(instruction: Instruction) -> Step:
    """V_MBCNT_LO_U32_B32 and its like: the bits of a mask below each lane's own, and a number."""
    admit(instruction)
    target, *operands = map(parse, instruction.operands)
    mask, more = (reader(operand, "u32") for operand in operands)
    below = arithmetic.BELOW_LOW if "_lo_" in instruction.opcode else arithmetic.BELOW_HIGH

    def step(wave: Wave) -> None:
        each_below = np.broadcast_to(below, (wave.size, LANES)).reshape(-1)
        count = arithmetic.counted(mask(wave) & each_below)
        write(wave, target.index, count + more(wave), "u32")

    return step


def _swap_halves(instruction: Instruction) -> Step:
    """V_PERMLANE32_SWAP and V_PERMLANE16_SWAP (CDNA4): one's upper half against the other's lower."""
    admit(instruction)
    first, second = (parse(text).index for text in instruction.operands)
    width = 32 if "32_swap" in instruction.opcode else 16

    def step(wave: Wave) -> None:
        if not wave.full:
            raise Unsupported(f"{instruction.opcode} with lanes switched off")
        lanes = np.arange(wave.mask.size)
        lower, upper = lanes[lanes // width % 2 == 0], lanes[lanes // width % 2 == 1]
        kept = wave.v[first][upper].copy()
        wave.v[first][upper] = wave.v[second][lower]
        wave.v[second][lower] = kept

    return step


_SPECIAL: Mapping[str, Callable[[Instruction], Step]] = {
    "v_cndmask_b32": _conditional,
    "v_mad_u64_u32": _multiply_add,
    "v_mad_i64_i32": _multiply_add,
    "v_fmac_f32": _accumulating,
    "v_bitop3_b32": _bitop3,
    "v_bitop3_b16": _bitop3,
    "v_cvt_pk_f16_f32": _pack_halves,
    "v_div_scale_f32": _divide_scale,
    "v_div_fmas_f32": _divide_fmas,
    "v_readlane_b32": _read_lane,
    "v_readfirstlane_b32": _read_lane,
    "v_writelane_b32": _write_lane,
    "v_mbcnt_lo_u32_b32": _counted_below,
    "v_mbcnt_hi_u32_b32": _counted_below,
    "v_permlane32_swap_b32": _swap_halves,
    "v_permlane16_swap_b32": _swap_halves,
    "v_nop": lambda instruction: lambda wave: None,
    **dict.fromkeys(_CARRIES, _carrying),
}
