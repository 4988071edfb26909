"""What vector instructions compute, lane by lane, as types and functions (CDNA3 ISA, 12.7 to 12.11)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

F32, F64, I32, I64, U32, U64 = np.float32, np.float64, np.int32, np.int64, np.uint32, np.uint64
Values = Any
"""An array of 64 lanes, or a scalar that stands for all of them."""
Function = Callable[..., Values]


def fma(a: Values, b: Values, c: Values, dtype: Any = F32) -> Values:
    """a * b + c with one rounding: the exact product's sum is rounded to odd, and then to the type."""
    product = np.asarray(a, dtype=F64) * np.asarray(b, dtype=F64)
    addend = np.asarray(c, dtype=F64)
    total = product + addend
    virtual = total - product
    error = (product - (total - virtual)) + (addend - virtual)
    odd = _to_odd(total, error)
    return odd.astype(dtype)


def _to_odd(total: Values, error: Values) -> Values:
    """A sum and what it left out as the double that rounds to float32 as the exact sum would."""
    total = np.atleast_1d(total)
    inexact = (error != 0) & np.isfinite(error) & np.isfinite(total)
    if not inexact.any():
        return total
    bits = total.view(I64)
    even = inexact & (bits & 1 == 0)
    toward = np.where((error > 0) == (total > 0), I64(1), I64(-1))
    return (bits + np.where(even, toward, I64(0))).view(F64)


def to_int(value: Values, dtype: Any) -> Values:
    """A float as an integer as the hardware has it: cut off, at the ends of the type, and 0 for NaN."""
    limits = np.iinfo(dtype)
    wide = np.nan_to_num(np.trunc(value.astype(F64)), nan=0.0, posinf=np.inf, neginf=-np.inf)
    return np.clip(wide, limits.min, limits.max).astype(dtype)


def ldexp(value: Values, exponent: Values) -> Values:
    return np.ldexp(np.asarray(value, dtype=F64), np.clip(exponent, -400, 400)).astype(F32)


def med3(a: Values, b: Values, c: Values) -> Values:
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


def first_other(value: Values) -> Values:
    """The place of the first bit from above that is not the sign; -1 where all are (V_FFBH_I32)."""
    return first_high((value ^ value >> I32(31)).view(U32))


def saturated(function: Function, dtype: Any) -> Function:
    """Whole numbers that stop at the ends of an unsigned type (an integer instruction with CLAMP)."""
    return lambda a, b: np.clip(function(I64(a), I64(b)), 0, np.iinfo(dtype).max).astype(dtype)


SATURATING = {
    f"v_{name}_u{8 * dtype().itemsize}": saturated(function, dtype)
    for name, function in (("add", lambda a, b: a + b), ("sub", lambda a, b: a - b))
    for dtype in (U32, np.uint16)
}


def bfe_u(a: Values, offset: Values, width: Values) -> Values:
    mask = (U64(1) << (width & U32(31)).astype(U64)) - U64(1)
    return ((a >> (offset & U32(31))).astype(U64) & mask).astype(U32)


def bfe_i(a: Values, offset: Values, width: Values) -> Values:
    """A field of bits with its sign; one that would reach past the word ends with it."""
    offset, width = np.broadcast_arrays(offset & U32(31), width & U32(31))
    kept = np.minimum(width, U32(32) - offset)
    up = np.where(width == 0, U32(0), U32(32) - offset - kept)
    down = np.where(width == 0, U32(0), U32(32) - kept)
    field = (a << up).astype(U32).view(I32) >> down.astype(I32)
    return np.where(width == 0, I32(0), field).view(U32)


def perm(a: Values, b: Values, selector: Values) -> Values:
    """Bytes of {a, b} by the bytes of a selector; 0x0c is 0x00, above it 0xff, 8 to 11 are signs."""
    both = (np.asarray(a, dtype=U64) << U64(32)) | np.asarray(b, dtype=U64)
    result: Values = U32(0)
    for place in range(4):
        chosen = selector >> U32(8 * place) & U32(0xFF)
        byte = (both >> (np.minimum(chosen, U32(7)).astype(U64) * U64(8))).astype(U32) & U32(0xFF)
        sign_at = (np.clip(chosen, 8, 11) - U32(8)).astype(U64) * U64(16) + U64(15)
        sign = ((both >> sign_at) & U64(1)).astype(U32) * U32(0xFF)
        byte = np.where(
            chosen > 12, U32(0xFF), np.where(chosen == 12, U32(0), np.where(chosen > 7, sign, byte))
        )
        result = result | byte.astype(U32) << U32(8 * place)
    return result


def counted(bits: Values) -> Values:
    return np.bitwise_count(bits).astype(U32)


def reversed_bits(a: Values) -> Values:
    octets = np.atleast_1d(np.asarray(a, dtype=U32)).astype(">u4").view(np.uint8)
    turned = np.packbits(np.unpackbits(octets, bitorder="little"))
    # Bytes were taken from the highest on, so that they are in order once each is turned round.
    return turned.reshape(-1, 4)[:, ::-1].copy().view(">u4").reshape(-1).astype(U32)


def first_high(a: Values) -> Values:
    """Zeros above the highest set bit; -1 for none."""
    exponent = np.frexp(np.asarray(a, dtype=F64))[1]
    return np.where(a == 0, I32(-1), I32(32) - exponent.astype(I32)).view(U32)


def first_low(a: Values) -> Values:
    """Zeros below the lowest set bit; -1 for none."""
    lowest = a & (~a + U32(1))
    return np.where(a == 0, I32(-1), np.frexp(np.asarray(lowest, dtype=F64))[1].astype(I32) - I32(1)).view(
        U32
    )


def s24(a: Values) -> Values:
    return (np.asarray(a, dtype=U32) << U32(8)).view(I32) >> I32(8)


def u24(a: Values) -> Values:
    return np.asarray(a, dtype=U32) & U32(0xFFFFFF)


def high(a: Values, b: Values, dtype: Any) -> Values:
    """The upper word of a product."""
    product = np.asarray(a, dtype=dtype) * np.asarray(b, dtype=dtype)
    return (product >> dtype(32)).astype(U32 if dtype is U64 else I32)


def half_of(value: Values) -> Values:
    """A value of 16 bits, or a float32 that is rounded to one, as the lower bits of a word."""
    value = np.asarray(value)
    short = value.astype(np.float16) if value.dtype.itemsize > 2 else value
    return short.view(np.uint16).astype(U32)


def limited(result: Values, *sources: Values) -> Values:
    """Floats of 16 bits of which the largest stands for what overflowed; an infinity of a source stays."""
    finite = np.all([np.isfinite(source) for source in np.broadcast_arrays(*sources)], axis=0)
    return np.where(np.isinf(result) & finite, np.copysign(_LARGEST_HALF, result), result)


_LARGEST_HALF = np.finfo(np.float16).max


def bf16_bits(value: Values) -> Values:
    """A float32 as bfloat16, rounded to the nearest even; NaN stays NaN."""
    bits = np.asarray(value, dtype=F32).view(U32)
    rounded = (bits + U32(0x7FFF) + (bits >> U32(16) & U32(1))) >> U32(16)
    return np.where(np.isnan(value), bits >> U32(16) | U32(0x40), rounded)


def truth(table: int, a: Values, b: Values, c: Values) -> Values:
    """Three words bit by bit through a table of eight: its highest bit is for all ones."""
    result: Values = U32(0)
    for entry in range(8):
        if table >> entry & 1:
            term = a if entry & 4 else ~a
            term = term & (b if entry & 2 else ~b)
            result = result | (term & (c if entry & 1 else ~c))
    return result


def compared(value: Values, classes: Values) -> Values:
    """Which lanes' floats are of a class in a mask of ten (CDNA3 ISA, V_CMP_CLASS_F32)."""
    bits = np.asarray(value, dtype=F32).view(U32)
    exponent, mantissa, negative = bits >> U32(23) & U32(255), bits & U32(0x7FFFFF), bits >> U32(31) != 0
    special, none = exponent == 255, exponent == 0
    quiet = mantissa >> U32(22) != 0
    nan, infinite = special & (mantissa != 0), special & (mantissa == 0)
    denormal, zero = none & (mantissa != 0), none & (mantissa == 0)
    normal = ~special & ~none
    kinds = [nan & ~quiet, nan & quiet]
    kinds += [negative & kind for kind in (infinite, normal, denormal, zero)]
    kinds += [~negative & kind for kind in (zero, denormal, normal, infinite)]
    return np.any([kind & (classes >> U32(n) & U32(1) != 0) for n, kind in enumerate(kinds)], axis=0)


def div_scale(a: Values, b: Values, c: Values) -> tuple[Values, Values]:
    """A numerator or denominator scaled for a division, and which lanes' quotients are to be scaled back.

    `b` is the denominator, `c` the numerator, `a` that of both which is scaled (V_DIV_SCALE_F32).
    """
    a, b, c = np.broadcast_arrays(*(np.asarray(x, dtype=F32) for x in (a, b, c)))
    value, scaled_back = a, np.zeros(a.shape, dtype=bool)
    for case, scaled, back in _scalings(a, b, c):
        if case.any():
            value, scaled_back = np.where(case, scaled, value), np.where(case, back, scaled_back)
    return value.astype(F32), scaled_back


def _scalings(a: Values, b: Values, c: Values) -> list[tuple[Values, Values, bool]]:
    """In which lanes, to what, and whether to scale back; each goes before those ahead of it in the list."""
    eb, ec = (x.view(U32) >> U32(23) & U32(255) for x in (b, c))
    exponents = ec.astype(I32) - eb.astype(I32)
    inverse_small, quotient_small = _tiny(F64(1) / b.astype(F64)), _tiny(c.astype(F64) / b.astype(F64))
    up, down = ldexp(a, 64), ldexp(a, -64)
    is_b, is_c = a == b, a == c
    far, denormal = exponents >= 96, (eb == 0) & (b != 0)
    both = inverse_small & quotient_small
    return [
        (ec <= 23, up, False),
        (quotient_small, np.where(is_c, up, a), True),
        (inverse_small, down, False),
        (both, np.where(is_b, up, a), True),
        (denormal, up, False),
        (far, np.where(is_b, up, a), True),
        ((b == 0) | (c == 0), F32(np.nan), False),
    ]


def _tiny(value: Values) -> Values:
    """Whether a value is below the normal numbers of 32 bits."""
    return np.abs(value) < F32(2.0**-126)


def div_fixup(a: Values, b: Values, c: Values) -> Values:
    """A quotient `a` of `c` by `b` with the special cases put right (V_DIV_FIXUP_F32)."""
    a, b, c = np.broadcast_arrays(*(np.asarray(x, dtype=F32) for x in (a, b, c)))
    sign = np.signbit(b) ^ np.signbit(c)
    signed = np.where(sign, F32(-1), F32(1))
    zero, infinite = (b == 0) | np.isinf(c), (c == 0) | np.isinf(b)
    nan = (np.isnan(b) | np.isnan(c)) | ((b == 0) & (c == 0)) | (np.isinf(b) & np.isinf(c))
    plain = np.copysign(a, signed)
    cases = [nan, zero, infinite]
    return np.select(cases, [np.full_like(a, np.nan), signed * F32(np.inf), signed * F32(0)], plain).astype(
        F32
    )


def div_fmas(scaled: Values, a: Values, b: Values, c: Values) -> Values:
    """A fused multiply and add, scaled back where `div_scale` said so (V_DIV_FMAS_F32)."""
    value = fma(a, b, c)
    large = (np.asarray(c, dtype=F32).view(U32) >> U32(23) & U32(255)) > 127
    return np.where(scaled, ldexp(value, np.where(large, 64, -64)), value)


def _byte(number: int, a: Values) -> Values:
    return (a >> U32(8 * number) & U32(255)).astype(F32)


_LANE: Values = np.arange(64, dtype=U64)
_BELOW = (U64(1) << _LANE) - U64(1)
BELOW_LOW: Values = (_BELOW & U64(0xFFFFFFFF)).astype(U32)
BELOW_HIGH: Values = (_BELOW >> U64(32)).astype(U32)
"""The bits of the lanes below each one, in the words of a mask."""

TABLE: dict[str, tuple[str, str, Function]] = {
    # floats of 32 bits
    "v_add_f32": ("f32", "f32 f32", lambda a, b: a + b),
    "v_sub_f32": ("f32", "f32 f32", lambda a, b: a - b),
    "v_subrev_f32": ("f32", "f32 f32", lambda a, b: b - a),
    "v_mul_f32": ("f32", "f32 f32", lambda a, b: a * b),
    "v_max_f32": ("f32", "f32 f32", np.fmax),
    "v_min_f32": ("f32", "f32 f32", np.fmin),
    "v_max3_f32": ("f32", "f32 f32 f32", lambda a, b, c: np.fmax(np.fmax(a, b), c)),
    "v_min3_f32": ("f32", "f32 f32 f32", lambda a, b, c: np.fmin(np.fmin(a, b), c)),
    "v_fma_f32": ("f32", "f32 f32 f32", fma),
    "v_fmaak_f32": ("f32", "f32 f32 f32", fma),
    "v_fmamk_f32": ("f32", "f32 f32 f32", fma),
    "v_ldexp_f32": ("f32", "f32 i32", ldexp),
    "v_rcp_f32": ("f32", "f32", lambda a: F32(1) / a),
    "v_rcp_iflag_f32": ("f32", "f32", lambda a: F32(1) / a),
    "v_rsq_f32": ("f32", "f32", lambda a: F32(1) / np.sqrt(a)),
    "v_sqrt_f32": ("f32", "f32", np.sqrt),
    "v_exp_f32": ("f32", "f32", np.exp2),
    "v_log_f32": ("f32", "f32", np.log2),
    "v_floor_f32": ("f32", "f32", np.floor),
    "v_ceil_f32": ("f32", "f32", np.ceil),
    "v_trunc_f32": ("f32", "f32", np.trunc),
    "v_rndne_f32": ("f32", "f32", np.rint),
    "v_fract_f32": ("f32", "f32", lambda a: a - np.floor(a)),
    "v_frexp_mant_f32": ("f32", "f32", lambda a: np.frexp(a)[0]),
    "v_frexp_exp_i32_f32": ("i32", "f32", lambda a: np.where(np.isfinite(a), np.frexp(a)[1], 0)),
    "v_div_fixup_f32": ("f32", "f32 f32 f32", div_fixup),
    # floats of 16 and 64 bits
    "v_add_f16": ("f16", "f16 f16", lambda a, b: a + b),
    "v_sub_f16": ("f16", "f16 f16", lambda a, b: a - b),
    "v_mul_f16": ("f16", "f16 f16", lambda a, b: a * b),
    "v_fma_f16": ("f16", "f16 f16 f16", partial(fma, dtype=np.float16)),
    "v_max_f16": ("f16", "f16 f16", np.fmax),
    "v_min_f16": ("f16", "f16 f16", np.fmin),
    "v_add_f64": ("f64", "f64 f64", lambda a, b: a + b),
    "v_mul_f64": ("f64", "f64 f64", lambda a, b: a * b),
    "v_max_f64": ("f64", "f64 f64", np.fmax),
    "v_min_f64": ("f64", "f64 f64", np.fmin),
    # conversions
    "v_cvt_f32_u32": ("f32", "u32", lambda a: a.astype(F32)),
    "v_cvt_f32_i32": ("f32", "i32", lambda a: a.astype(F32)),
    "v_cvt_u32_f32": ("u32", "f32", lambda a: to_int(a, U32)),
    "v_cvt_i32_f32": ("i32", "f32", lambda a: to_int(a, I32)),
    "v_cvt_f32_f16": ("f32", "f16", lambda a: a.astype(F32)),
    "v_cvt_f16_f32": ("f16", "f32", lambda a: a.astype(np.float16)),
    "v_cvt_f16_u16": ("f16", "u16", lambda a: a.astype(np.float16)),
    "v_cvt_f16_i16": ("f16", "i16", lambda a: a.astype(np.float16)),
    "v_cvt_u16_f16": ("u16", "f16", lambda a: to_int(a, np.uint16)),
    "v_cvt_i16_f16": ("i16", "f16", lambda a: to_int(a, np.int16)),
    "v_cvt_f64_f32": ("f64", "f32", lambda a: a.astype(F64)),
    "v_cvt_f32_f64": ("f32", "f64", lambda a: a.astype(F32)),
    "v_cvt_f64_i32": ("f64", "i32", lambda a: a.astype(F64)),
    "v_cvt_f64_u32": ("f64", "u32", lambda a: a.astype(F64)),
    "v_cvt_i32_f64": ("i32", "f64", lambda a: to_int(a, I32)),
    "v_cvt_u32_f64": ("u32", "f64", lambda a: to_int(a, U32)),
    "v_cvt_pk_bf16_f32": ("u32", "f32 f32", lambda a, b: bf16_bits(a) | bf16_bits(b) << U32(16)),
    "v_cvt_pkrtz_f16_f32": ("u32", "f32 f32", lambda a, b: _toward_zero(a) | _toward_zero(b) << U32(16)),
    "v_cvt_f32_bf16": ("f32", "u32", lambda a: (a << U32(16)).view(F32)),
    # integers
    "v_mov_b32": ("u32", "u32", lambda a: a),
    "v_mov_b64": ("u64", "u64", lambda a: a),
    "v_accvgpr_read_b32": ("u32", "u32", lambda a: a),
    "v_accvgpr_write_b32": ("u32", "u32", lambda a: a),
    "v_accvgpr_mov_b32": ("u32", "u32", lambda a: a),
    "v_not_b32": ("u32", "u32", lambda a: ~a),
    "v_bfrev_b32": ("u32", "u32", reversed_bits),
    "v_ffbh_u32": ("u32", "u32", first_high),
    "v_ffbh_i32": ("u32", "i32", first_other),
    "v_ffbl_b32": ("u32", "u32", first_low),
    "v_and_b32": ("u32", "u32 u32", lambda a, b: a & b),
    "v_or_b32": ("u32", "u32 u32", lambda a, b: a | b),
    "v_xor_b32": ("u32", "u32 u32", lambda a, b: a ^ b),
    "v_xnor_b32": ("u32", "u32 u32", lambda a, b: ~(a ^ b)),
    "v_add_u32": ("u32", "u32 u32", lambda a, b: a + b),
    "v_sub_u32": ("u32", "u32 u32", lambda a, b: a - b),
    "v_subrev_u32": ("u32", "u32 u32", lambda a, b: b - a),
    "v_mul_lo_u32": ("u32", "u32 u32", lambda a, b: a * b),
    "v_mul_hi_u32": ("u32", "u32 u32", lambda a, b: high(a, b, U64)),
    "v_mul_hi_i32": ("i32", "i32 i32", lambda a, b: high(a, b, I64)),
    "v_mul_u32_u24": ("u32", "u32 u32", lambda a, b: u24(a) * u24(b)),
    "v_mul_i32_i24": ("i32", "u32 u32", lambda a, b: s24(a) * s24(b)),
    "v_mul_hi_u32_u24": ("u32", "u32 u32", lambda a, b: high(u24(a), u24(b), U64)),
    "v_mad_u32_u24": ("u32", "u32 u32 u32", lambda a, b, c: u24(a) * u24(b) + c),
    "v_mad_i32_i24": ("i32", "u32 u32 i32", lambda a, b, c: s24(a) * s24(b) + c),
    "v_min_u32": ("u32", "u32 u32", np.minimum),
    "v_max_u32": ("u32", "u32 u32", np.maximum),
    "v_min_i32": ("i32", "i32 i32", np.minimum),
    "v_max_i32": ("i32", "i32 i32", np.maximum),
    "v_min3_i32": ("i32", "i32 i32 i32", lambda a, b, c: np.minimum(np.minimum(a, b), c)),
    "v_max3_i32": ("i32", "i32 i32 i32", lambda a, b, c: np.maximum(np.maximum(a, b), c)),
    "v_min3_u32": ("u32", "u32 u32 u32", lambda a, b, c: np.minimum(np.minimum(a, b), c)),
    "v_max3_u32": ("u32", "u32 u32 u32", lambda a, b, c: np.maximum(np.maximum(a, b), c)),
    "v_med3_i32": ("i32", "i32 i32 i32", med3),
    "v_med3_u32": ("u32", "u32 u32 u32", med3),
    "v_lshlrev_b32": ("u32", "u32 u32", lambda a, b: b << (a & U32(31))),
    "v_lshrrev_b32": ("u32", "u32 u32", lambda a, b: b >> (a & U32(31))),
    "v_ashrrev_i32": ("i32", "i32 i32", lambda a, b: b >> (a & I32(31))),
    "v_lshlrev_b64": ("u64", "u32 u64", lambda a, b: b << (a & U32(63)).astype(U64)),
    "v_lshrrev_b64": ("u64", "u32 u64", lambda a, b: b >> (a & U32(63)).astype(U64)),
    "v_ashrrev_i64": ("i64", "u32 i64", lambda a, b: b >> (a & U32(63)).astype(I64)),
    "v_lshlrev_b16": ("u16", "u16 u16", lambda a, b: b << (a & np.uint16(15))),
    "v_lshrrev_b16": ("u16", "u16 u16", lambda a, b: b >> (a & np.uint16(15))),
    "v_ashrrev_i16": ("i16", "i16 i16", lambda a, b: b >> (a & np.int16(15))),
    "v_add_u16": ("u16", "u16 u16", lambda a, b: a + b),
    "v_sub_u16": ("u16", "u16 u16", lambda a, b: a - b),
    "v_subrev_u16": ("u16", "u16 u16", lambda a, b: b - a),
    "v_max_i16": ("i16", "i16 i16", np.maximum),
    "v_min_i16": ("i16", "i16 i16", np.minimum),
    "v_max_u16": ("u16", "u16 u16", np.maximum),
    "v_min_u16": ("u16", "u16 u16", np.minimum),
    "v_mul_lo_u16": ("u16", "u16 u16", lambda a, b: a * b),
    "v_mad_legacy_u16": ("u16", "u16 u16 u16", lambda a, b, c: a * b + c),
    "v_mad_legacy_i16": ("i16", "i16 i16 i16", lambda a, b, c: a * b + c),
    "v_lshl_add_u32": ("u32", "u32 u32 u32", lambda a, b, c: (a << (b & U32(31))) + c),
    "v_add_lshl_u32": ("u32", "u32 u32 u32", lambda a, b, c: (a + b) << (c & U32(31))),
    "v_lshl_or_b32": ("u32", "u32 u32 u32", lambda a, b, c: (a << (b & U32(31))) | c),
    "v_and_or_b32": ("u32", "u32 u32 u32", lambda a, b, c: (a & b) | c),
    "v_or3_b32": ("u32", "u32 u32 u32", lambda a, b, c: a | b | c),
    "v_add3_u32": ("u32", "u32 u32 u32", lambda a, b, c: a + b + c),
    "v_xad_u32": ("u32", "u32 u32 u32", lambda a, b, c: (a ^ b) + c),
    "v_bfi_b32": ("u32", "u32 u32 u32", lambda a, b, c: (a & b) | (~a & c)),
    "v_bfe_u32": ("u32", "u32 u32 u32", bfe_u),
    "v_bfe_i32": ("u32", "u32 u32 u32", bfe_i),
    "v_perm_b32": ("u32", "u32 u32 u32", perm),
    "v_alignbit_b32": (
        "u32", "u32 u32 u32",
        lambda a, b, c: ((a.astype(U64) << U64(32) | b.astype(U64)) >> (c & U32(31)).astype(U64)).astype(U32),
    ),
    "v_alignbyte_b32": (
        "u32", "u32 u32 u32",
        lambda a, b, c: (
            (a.astype(U64) << U64(32) | b.astype(U64)) >> ((c & U32(3)) * U32(8)).astype(U64)
        ).astype(U32),
    ),
    "v_lshl_add_u64": ("u64", "u64 u32 u64", lambda a, b, c: (a << (b & U32(63)).astype(U64)) + c),
    "v_bcnt_u32_b32": ("u32", "u32 u32", lambda a, b: counted(a) + b),
    **{f"v_cvt_f32_ubyte{n}": ("f32", "u32", partial(_byte, n)) for n in range(4)},
}  # fmt: skip
"""By opcode: the type of the result, those of the sources, and the function."""


def _toward_zero(value: Values) -> Values:
    """A float32 as the bits of a float16, rounded toward zero."""
    half = np.asarray(value, dtype=F32).astype(np.float16)
    bits = half.view(np.uint16).astype(U32)
    return np.where(np.abs(half.astype(F32)) > np.abs(value), bits - U32(1), bits)


RELATIONS: dict[str, Function] = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    # of floats, where one may be NaN
    "lg": lambda a, b: (a < b) | (a > b),
    "neq": lambda a, b: ~(a == b),
    "nlt": lambda a, b: ~(a < b),
    "nle": lambda a, b: ~(a <= b),
    "ngt": lambda a, b: ~(a > b),
    "nge": lambda a, b: ~(a >= b),
    "nlg": lambda a, b: ~((a < b) | (a > b)),
    "o": lambda a, b: ~(np.isnan(a) | np.isnan(b)),
    "u": lambda a, b: np.isnan(a) | np.isnan(b),
}
