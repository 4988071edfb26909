"""Scalar instructions: arithmetic, comparisons, branches and waits (CDNA3 ISA, 12.1 to 12.5)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping

from harness.errors import Unsupported
from harness.gcn.assembly import Instruction
from harness.gcn.operands import Operand, parse, whole
from harness.gcn.wave import BARRIER, END, EXEC, VCC, Diverged, Scalar, Step, Wave, alike, each

Result = tuple[int, bool | None]
"""A value, of which the higher bits are cut off, and what SCC becomes; None leaves it."""
_WORD = 0xFFFFFFFF
_LONG = (1 << 64) - 1


def signed(value: int, bits: int = 32) -> int:
    """An unsigned value read as two's complement."""
    return value - (1 << bits) if value >> (bits - 1) & 1 else value


def _overflows(value: int) -> bool:
    return not -(1 << 31) <= value < 1 << 31


def _signed_sum(first: int, second: int) -> Result:
    total = signed(first) + signed(second)
    return total, _overflows(total)


def _logic(function: Callable[[int, int], int], mask: int) -> Callable[[int, int, int], Result]:
    def apply(first: int, second: int, scc: int) -> Result:
        value = function(first, second) & mask
        return value, value != 0

    return apply


_LOGIC: Mapping[str, Callable[[int, int], int]] = {
    "and": operator.and_,
    "or": operator.or_,
    "xor": operator.xor,
    "andn2": lambda a, b: a & ~b,
    "orn2": lambda a, b: a | ~b,
    "nand": lambda a, b: ~(a & b),
    "nor": lambda a, b: ~(a | b),
    "xnor": lambda a, b: ~(a ^ b),
}
_BINARY: dict[str, Callable[[int, int, int], Result]] = {
    "s_add_u32": lambda a, b, c: (a + b, a + b > _WORD),
    "s_sub_u32": lambda a, b, c: (a - b, b > a),
    "s_addc_u32": lambda a, b, c: (a + b + c, a + b + c > _WORD),
    "s_subb_u32": lambda a, b, c: (a - b - c, b + c > a),
    "s_add_i32": lambda a, b, c: _signed_sum(a, b),
    "s_sub_i32": lambda a, b, c: (a - b, _overflows(signed(a) - signed(b))),
    "s_mul_i32": lambda a, b, c: (a * b, None),
    "s_mul_hi_u32": lambda a, b, c: (a * b >> 32, None),
    "s_mul_hi_i32": lambda a, b, c: (signed(a) * signed(b) >> 32, None),
    "s_min_u32": lambda a, b, c: (min(a, b), a < b),
    "s_max_u32": lambda a, b, c: (max(a, b), a > b),
    "s_min_i32": lambda a, b, c: (min(signed(a), signed(b)), signed(a) < signed(b)),
    "s_max_i32": lambda a, b, c: (max(signed(a), signed(b)), signed(a) > signed(b)),
    "s_lshl_b32": lambda a, b, c: _tested(a << (b & 31), _WORD),
    "s_lshl_b64": lambda a, b, c: _tested(a << (b & 63), _LONG),
    "s_lshr_b32": lambda a, b, c: _tested(a >> (b & 31), _WORD),
    "s_lshr_b64": lambda a, b, c: _tested(a >> (b & 63), _LONG),
    "s_ashr_i32": lambda a, b, c: _tested(signed(a) >> (b & 31), _WORD),
    "s_ashr_i64": lambda a, b, c: _tested(signed(a, 64) >> (b & 63), _LONG),
    "s_bfe_u32": lambda a, b, c: _tested(a >> (b & 31) & ((1 << (b >> 16 & 127)) - 1), _WORD),
    "s_bfe_i32": lambda a, b, c: _tested(_signed_field(a >> (b & 31), b >> 16 & 127), _WORD),
    "s_bfe_u64": lambda a, b, c: _tested(a >> (b & 63) & ((1 << (b >> 16 & 127)) - 1), _LONG),
    "s_bfe_i64": lambda a, b, c: _tested(_signed_field(a >> (b & 63), b >> 16 & 127), _LONG),
    "s_bfm_b32": lambda a, b, c: (((1 << (a & 31)) - 1) << (b & 31), None),
    "s_cselect_b32": lambda a, b, c: (a if c else b, None),
    "s_cselect_b64": lambda a, b, c: (a if c else b, None),
    "s_pack_ll_b32_b16": lambda a, b, c: (a & 0xFFFF | (b & 0xFFFF) << 16, None),
    "s_pack_lh_b32_b16": lambda a, b, c: (a & 0xFFFF | b & 0xFFFF0000, None),
    "s_pack_hh_b32_b16": lambda a, b, c: (a >> 16 | b & 0xFFFF0000, None),
} | {
    f"s_lshl{n}_add_u32": lambda a, b, c, n=n: ((a << n) + b, (a << n) + b > _WORD)
    for n in range(1, 5)
} | {
    f"s_{name}_b{bits}": _logic(function, (1 << bits) - 1)
    for name, function in _LOGIC.items() for bits in (32, 64)
}  # fmt: skip


_CARRIED = {_BINARY[name] for name in ("s_addc_u32", "s_subb_u32", "s_cselect_b32", "s_cselect_b64")}
"""What asks for SCC."""


def _signed_field(value: int, width: int) -> int:
    """The lowest bits of a value as two's complement; of none of them 0."""
    return signed(value & ((1 << width) - 1), width) if width else 0


def _tested(value: int, mask: int) -> Result:
    return value & mask, value & mask != 0


def _reversed(value: int, bits: int) -> int:
    return int(f"{value:0{bits}b}"[::-1], 2)


def _zeros_above(value: int, bits: int) -> int:
    """Zeros above the highest set bit; -1 for none."""
    return bits - value.bit_length() if value else -1


def _differing(value: int, bits: int) -> int:
    """The bits of a value that are not its sign's."""
    return value ^ (1 << bits) - 1 if value >> (bits - 1) else value


def _lowest(value: int) -> int:
    return (value & -value).bit_length() - 1


_UNARY: Mapping[str, Callable[[int], Result]] = {
    "s_mov_b32": lambda a: (a, None),
    "s_mov_b64": lambda a: (a, None),
    "s_not_b32": lambda a: _tested(~a, _WORD),
    "s_not_b64": lambda a: _tested(~a, _LONG),
    "s_brev_b32": lambda a: (_reversed(a, 32), None),
    "s_brev_b64": lambda a: (_reversed(a, 64), None),
    "s_bcnt1_i32_b32": lambda a: _tested(a.bit_count(), _WORD),
    "s_bcnt1_i32_b64": lambda a: _tested(a.bit_count(), _WORD),
    "s_ff1_i32_b32": lambda a: (_lowest(a), None),
    "s_ff1_i32_b64": lambda a: (_lowest(a), None),
    "s_flbit_i32_b32": lambda a: (_zeros_above(a, 32), None),
    "s_flbit_i32_b64": lambda a: (_zeros_above(a, 64), None),
    "s_flbit_i32": lambda a: (_zeros_above(_differing(a, 32), 32), None),
    "s_flbit_i32_i64": lambda a: (_zeros_above(_differing(a, 64), 64), None),
    "s_abs_i32": lambda a: _tested(abs(signed(a)), _WORD),
    "s_sext_i32_i8": lambda a: (signed(a & 0xFF, 8), None),
    "s_sext_i32_i16": lambda a: (signed(a & 0xFFFF, 16), None),
}
_COMPARE: Mapping[str, Callable[[int, int], bool]] = {
    "eq": operator.eq, "lg": operator.ne, "gt": operator.gt,
    "ge": operator.ge, "lt": operator.lt, "le": operator.le,
}  # fmt: skip
_IMMEDIATE: Mapping[str, Callable[[int, int], Result]] = {
    "s_movk_i32": lambda a, k: (k, None),
    "s_addk_i32": lambda a, k: _signed_sum(a, k & _WORD),
    "s_mulk_i32": lambda a, k: (signed(a) * k, None),
}
_CONDITIONS: Mapping[str, tuple[Callable[[Wave], Scalar], bool]] = {
    "s_branch": (lambda wave: 1, True),
    "s_cbranch_scc0": (lambda wave: wave.scc, False),
    "s_cbranch_scc1": (lambda wave: wave.scc, True),
    "s_cbranch_vccz": (lambda wave: wave.read(VCC, 2), False),
    "s_cbranch_vccnz": (lambda wave: wave.read(VCC, 2), True),
    "s_cbranch_execz": (lambda wave: wave.exec, False),
    "s_cbranch_execnz": (lambda wave: wave.exec, True),
}
"""By opcode: what is read, and whether a value other than 0 branches."""
_IDLE = frozenset({"s_nop", "s_sleep", "s_setprio", "s_sethalt", "s_inst_prefetch"})
_COMPARISON = re.compile(r"s_cmp(k?)_(eq|lg|gt|ge|lt|le)_([iu])(32|64)")
_BIT = re.compile(r"s_bitcmp([01])_b(32|64)")
_SAVE = re.compile(r"s_(\w+)_saveexec_b64")
_OVERFLOW = re.compile(r"hwreg\(HW_REG_MODE, 23, 1\), (\w+)")
_WAIT = re.compile(r"(vmcnt|lgkmcnt|expcnt)\((\d+)\)")


def branch(instruction: Instruction, labels: Mapping[str, int]) -> Step | None:
    """How to execute a branch; None where it is none."""
    if instruction.opcode not in _CONDITIONS:
        return None
    return _branch(*_CONDITIONS[instruction.opcode], labels[instruction.operands[0]])


def build(instruction: Instruction) -> Step | None:
    """How to execute another scalar instruction; None where it is not one of these."""
    opcode, texts = instruction.opcode, instruction.operands
    if simple := _simple(instruction):
        return simple
    if opcode in _BINARY:
        return _binary(_BINARY[opcode], _bits(opcode), *map(parse, texts))
    if opcode in _UNARY:
        return _unary(_UNARY[opcode], *map(parse, texts))
    if opcode in _IMMEDIATE:
        return _immediate(_IMMEDIATE[opcode], parse(texts[0]), _short(texts[1]))
    return _by_name(opcode, texts)


def _by_name(opcode: str, texts: tuple[str, ...]) -> Step | None:
    """Instructions whose names say which of many they are."""
    if found := _COMPARISON.fullmatch(opcode):
        return _comparison(found, texts)
    if bit := _BIT.fullmatch(opcode):
        return _bit(int(bit[1]), int(bit[2]), *map(parse, texts))
    if saved := _SAVE.fullmatch(opcode):
        return _save(_LOGIC[saved[1]], *map(parse, texts)) if saved[1] in _LOGIC else None
    return None


def _simple(instruction: Instruction) -> Step | None:
    opcode = instruction.opcode
    if opcode == "s_endpgm":
        return lambda wave: END
    if opcode == "s_barrier":
        return lambda wave: BARRIER
    if opcode in _IDLE:
        return lambda wave: None
    if opcode == "s_setreg_imm32_b32":
        return _mode(instruction)
    return _wait(instruction.operands[0]) if opcode == "s_waitcnt" else None


def _mode(instruction: Instruction) -> Step:
    """S_SETREG_IMM32_B32 on FP16_OVFL, the one bit of MODE that is heeded (CDNA3 ISA, section 5.7)."""
    if not (found := _OVERFLOW.fullmatch(", ".join(instruction.operands))):
        raise Unsupported(instruction.text)
    limits = bool(whole(found[1]) & 1)

    def step(wave: Wave) -> None:
        wave.limits_halves = limits

    return step


def _wait(text: str) -> Step:
    counts = dict(_WAIT.findall(text))
    if not counts or _WAIT.sub("", text).strip(" &"):
        raise Unsupported(f"s_waitcnt {text}")
    vm, lgkm = (int(counts[name]) if name in counts else None for name in ("vmcnt", "lgkmcnt"))

    def step(wave: Wave) -> None:
        if vm is not None:
            wave.waits.wait("vm", vm)
        if lgkm is not None:
            wave.waits.wait("lgkm", lgkm)

    return step


def _branch(read: Callable[[Wave], Scalar], wanted: bool, target: int) -> Step:
    def step(wave: Wave) -> int | None:
        value = read(wave)
        if type(value) is tuple:
            value = each(bool, value)
            if type(value) is tuple:
                raise Diverged(target)
        return target if bool(value) is wanted else None

    return step


def _bits(opcode: str) -> int:
    return 64 if opcode.endswith("64") else 32


def value(operand: Operand, words: int) -> Callable[[Wave], Scalar]:
    """How to read a scalar operand as an unsigned integer of so many words."""
    if operand.kind == "v" or operand.negate or operand.absolute:
        raise Unsupported(f"the scalar operand {operand.text!r}")
    if operand.kind == "s":
        index = operand.index
        return (lambda wave: wave.scalars[index]) if words == 1 else (lambda wave: wave.read(index, words))
    if "." in operand.text:
        raise Unsupported(f"the scalar operand {operand.text!r}")
    known = whole(operand.text) & ((1 << (32 * words)) - 1)
    return lambda wave: known


def _binary(
    function: Callable[[int, int, int], Result], bits: int, target: Operand, one: Operand, two: Operand
) -> Step:
    words = bits // 32
    carries = function in _CARRIED
    # What a shift shifts by is one word, whatever it shifts.
    second = 1 if two.words == 1 and words == 2 and two.kind == "s" else words
    first, other, index = value(one, words), value(two, second), target.index

    def step(wave: Wave) -> None:
        a, b, scc = first(wave), other(wave), wave.scc if carries else 0
        if type(a) is not int or type(b) is not int or type(scc) is not int:
            _set(wave, index, words, function, a, b, scc)
            return
        result, after = function(a, b, scc)
        wave.write(index, result, words)
        if after is not None:
            wave.scc = int(after)

    return step


def _set(wave: Wave, index: int, words: int, function: Callable[..., Result], *given: Scalar) -> None:
    """Write what a function gives for each wave, and SCC where it says so."""
    if tuple not in map(type, given):
        result, scc = function(*given)
        wave.write(index, result, words)
        if scc is not None:
            wave.scc = int(scc)
        return
    size = wave.size
    rows = zip(*(one if type(one) is tuple else (one,) * size for one in given), strict=True)
    results, sccs = zip(*(function(*row) for row in rows), strict=True)
    wave.write(index, alike(results), words)
    if sccs[0] is not None:
        wave.scc = alike([int(bool(scc)) for scc in sccs])


def _unary(function: Callable[[int], Result], target: Operand, source: Operand) -> Step:
    read = value(source, max(source.words, target.words) if source.kind == "const" else source.words)

    return lambda wave: _set(wave, target.index, target.words, function, read(wave))


def _short(text: str) -> int:
    """An immediate of 16 bits, extended by its sign."""
    return signed(whole(text) & 0xFFFF, 16)


def _immediate(function: Callable[[int, int], Result], target: Operand, known: int) -> Step:
    return lambda wave: _set(wave, target.index, 1, function, wave.scalars[target.index], known)


def _comparison(found: re.Match[str], texts: tuple[str, ...]) -> Step:
    immediate, relation, kind, size = found.groups()
    bits, compare = int(size), _COMPARE[relation]
    first = value(parse(texts[0]), bits // 32)
    if immediate:
        known = _short(texts[1]) if kind == "i" else whole(texts[1]) & 0xFFFF
        second: Callable[[Wave], Scalar] = lambda wave: known & _WORD  # noqa: E731
    else:
        second = value(parse(texts[1]), bits // 32)
    sign = (lambda number: signed(number, bits)) if kind == "i" else int

    def step(wave: Wave) -> None:
        wave.scc = each(lambda a, b: int(compare(sign(a), sign(b))), first(wave), second(wave))

    return step


def _bit(wanted: int, bits: int, source: Operand, number: Operand) -> Step:
    """S_BITCMP0 and 1: whether the bit of that number, of which the lowest bits count, is as wanted."""
    first, second = value(source, bits // 32), value(number, 1)

    def step(wave: Wave) -> None:
        wave.scc = each(lambda a, b: int(a >> (b % bits) & 1 == wanted), first(wave), second(wave))

    return step


def _save(function: Callable[[int, int], int], target: Operand, source: Operand) -> Step:
    read = value(source, 2)

    def step(wave: Wave) -> None:
        before, mask = wave.exec, read(wave)
        wave.write(target.index, before, 2)
        # The source comes first: andn2 is the source without EXEC (CDNA3 ISA, section 12.3).
        wave.write(EXEC, each(function, mask, before), 2)
        wave.scc = each(lambda bits: int(bits != 0), wave.exec)

    return step
