"""Vector instructions against results worked out by hand (CDNA3 ISA, sections 12.7 to 12.11)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.errors import Unsupported
from harness.gcn.wave import ALL, VCC, uniform
from harness.tests.gcn.snippets import LANE, doubles, run, words

_NAN, _INF = float("nan"), float("inf")
_MINUS = 0xFFFFFFFF

_FLOATS: list[tuple[str, list[float], float]] = [
    ("v_add_f32_e32 v3, v0, v1", [1.5, 2.25], 3.75),
    ("v_sub_f32_e32 v3, v0, v1", [1.5, 2.25], -0.75),
    ("v_subrev_f32_e32 v3, v0, v1", [1.5, 2.25], 0.75),
    ("v_mul_f32_e32 v3, v0, v1", [1.5, -2.0], -3.0),
    ("v_mul_f32_e32 v3, 0.5, v1", [0.0, -2.0], -1.0),
    ("v_mul_f32_e32 v3, 0x3fb8aa3b, v1", [0.0, 1.0], 1.44269502),
    ("v_add_f32_e64 v3, -v0, |v1|", [1.5, -2.25], 0.75),
    ("v_add_f32_e64 v3, -|v0|, v1", [-1.5, 2.25], 0.75),
    ("v_add_f32_e64 v3, v0, v1 clamp", [1.5, 2.25], 1.0),
    ("v_add_f32_e64 v3, v0, v1 mul:2", [1.5, 2.25], 7.5),
    ("v_add_f32_e64 v3, v0, v1 mul:4", [1.5, 2.25], 15.0),
    ("v_add_f32_e64 v3, v0, v1 div:2", [1.5, 2.5], 2.0),
    ("v_max_f32_e32 v3, v0, v1", [_NAN, 2.0], 2.0),
    ("v_min_f32_e32 v3, v0, v1", [-1.0, _NAN], -1.0),
    ("v_max3_f32 v3, v0, v1, v2", [1.0, 3.0, 2.0], 3.0),
    ("v_min3_f32 v3, v0, v1, v2", [1.0, 3.0, 2.0], 1.0),
    ("v_fma_f32 v3, v0, v1, v2", [2.0, 3.0, 1.0], 7.0),
    ("v_fma_f32 v3, -v0, v1, 1.0", [2.0, 3.0, 0.0], -5.0),
    # One rounding: the product's last bit is what remains.
    ("v_fma_f32 v3, v0, v1, v2", [1 + 2.0**-12, 1 + 2.0**-12, -(1 + 2.0**-11)], 2.0**-24),
    ("v_fmac_f32_e32 v3, v0, v1", [2.0, 3.0, 0.0, 5.0], 11.0),
    ("v_fmaak_f32 v3, v0, v1, 0x40000000", [2.0, 3.0], 8.0),
    ("v_fmamk_f32 v3, v0, 0x40000000, v1", [2.0, 3.0], 7.0),
    ("v_rcp_f32_e32 v3, v0", [4.0], 0.25),
    ("v_rcp_f32_e32 v3, v0", [0.0], _INF),
    ("v_rcp_iflag_f32_e32 v3, v0", [0.5], 2.0),
    ("v_rsq_f32_e32 v3, v0", [16.0], 0.25),
    ("v_sqrt_f32_e32 v3, v0", [9.0], 3.0),
    ("v_exp_f32_e32 v3, v0", [-2.0], 0.25),
    ("v_exp_f32_e32 v3, v0", [-_INF], 0.0),
    ("v_log_f32_e32 v3, v0", [8.0], 3.0),
    ("v_floor_f32_e32 v3, v0", [-1.5], -2.0),
    ("v_ceil_f32_e32 v3, v0", [-1.5], -1.0),
    ("v_trunc_f32_e32 v3, v0", [-1.5], -1.0),
    ("v_rndne_f32_e32 v3, v0", [2.5], 2.0),
    ("v_fract_f32_e32 v3, v0", [-0.25], 0.75),
    ("v_frexp_mant_f32_e32 v3, v0", [12.0], 0.75),
    ("v_cndmask_b32_e64 v3, -v0, v1, vcc", [2.0, 1.0], -2.0),
    ("v_div_fixup_f32 v3, v0, v1, v2", [0.5, 2.0, 1.0], 0.5),
    ("v_div_fixup_f32 v3, v0, v1, v2", [0.5, 0.0, -1.0], -_INF),
    ("v_div_fixup_f32 v3, v0, v1, v2", [0.5, _INF, 1.0], 0.0),
    ("v_div_fixup_f32 v3, v0, v1, v2", [0.5, 0.0, 0.0], _NAN),
    ("v_div_fmas_f32 v3, v0, v1, v2", [2.0, 3.0, 1.0], 7.0),
]


@pytest.mark.parametrize(("text", "given", "result"), _FLOATS)
def test_float_result(text: str, given: list[float], result: float) -> None:
    wave = run(text, vectors=dict(enumerate(given)), scalars={VCC: 0, VCC + 1: 0})
    np.testing.assert_array_equal(wave.f[3], np.float32(result))


_INTEGERS: list[tuple[str, list[Any], int]] = [
    ("v_mov_b32_e32 v3, v0", [7], 7),
    ("v_mov_b32_e32 v3, -1", [0], _MINUS),
    ("v_mov_b32_e32 v3, 1.0", [0], 0x3F800000),
    ("v_mov_b32_e32 v3, 0xff800000", [0], 0xFF800000),
    ("v_accvgpr_write_b32 a1, v0\nv_accvgpr_read_b32 v3, a1", [7], 7),
    ("v_accvgpr_write_b32 a1, v0\nv_accvgpr_mov_b32 a2, a1\nv_accvgpr_read_b32 v3, a2", [9], 9),
    ("v_not_b32_e32 v3, 63", [0], 0xFFFFFFC0),
    ("v_bfrev_b32_e32 v3, 1", [0], 0x80000000),
    ("v_bfrev_b32_e32 v3, v0", [0x12345678], 0x1E6A2C48),
    ("v_ffbh_u32_e32 v3, v0", [1], 31),
    ("v_ffbh_u32_e32 v3, v0", [0], _MINUS),
    ("v_ffbh_i32_e32 v3, v0", [1], 31),
    ("v_ffbh_i32_e32 v3, v0", [0x40000000], 1),
    ("v_ffbh_i32_e32 v3, v0", [0xFFFFFFF0], 28),
    ("v_ffbh_i32_e32 v3, v0", [0], _MINUS),
    ("v_ffbh_i32_e32 v3, v0", [_MINUS], _MINUS),
    ("v_sub_u32_e64 v3, v0, v1 clamp", [3, 5], 0),
    ("v_sub_u32_e64 v3, v0, v1 clamp", [_MINUS, 5], _MINUS - 5),
    ("v_add_u32_e64 v3, v0, v1 clamp", [_MINUS, 5], _MINUS),
    ("v_sub_u16_e64 v3, v0, v1 clamp", [3, 5], 0),
    ("v_add_u16_e64 v3, v0, v1 clamp", [0xFFFE, 5], 0xFFFF),
    ("v_ffbl_b32_e32 v3, v0", [0x50], 4),
    ("v_ffbl_b32_e32 v3, v0", [0], _MINUS),
    ("v_and_b32_e32 v3, 0x3fc, v0", [0xFFFF], 0x3FC),
    ("v_or_b32_e32 v3, v0, v1", [0xF0, 0x0F], 0xFF),
    ("v_xor_b32_e32 v3, v0, v1", [0xFF, 0x0F], 0xF0),
    ("v_xnor_b32_e32 v3, v0, v1", [5, 5], _MINUS),
    ("v_add_u32_e32 v3, v0, v1", [_MINUS, 2], 1),
    ("v_sub_u32_e32 v3, v0, v1", [1, 2], _MINUS),
    ("v_subrev_u32_e32 v3, v0, v1", [1, 3], 2),
    ("v_mul_lo_u32 v3, v0, v1", [0x10001, 0x10001], 0x20001),
    ("v_mul_hi_u32 v3, v0, v1", [_MINUS, 3], 2),
    ("v_mul_hi_i32 v3, v0, v1", [_MINUS, 3], _MINUS),
    ("v_mul_u32_u24_e32 v3, v0, v1", [0xFF000003, 5], 15),
    ("v_mul_i32_i24_e32 v3, v0, v1", [0x00FFFFFF, 5], -5),
    ("v_mul_hi_u32_u24_e32 v3, v0, v1", [0x800000, 0x400], 2),
    ("v_mad_u32_u24 v3, v0, v1, v2", [0xFF000003, 5, 1], 16),
    ("v_mad_i32_i24 v3, v0, v1, v2", [0x00FFFFFF, 5, 1], -4),
    ("v_min_u32_e32 v3, v0, v1", [_MINUS, 3], 3),
    ("v_max_u32_e32 v3, v0, v1", [_MINUS, 3], _MINUS),
    ("v_min_i32_e32 v3, v0, v1", [_MINUS, 3], _MINUS),
    ("v_max_i32_e32 v3, v0, v1", [_MINUS, 3], 3),
    ("v_min3_i32 v3, v0, v1, v2", [_MINUS, 3, 4], _MINUS),
    ("v_max3_i32 v3, v0, v1, v2", [_MINUS, 3, 4], 4),
    ("v_min3_u32 v3, v0, v1, v2", [_MINUS, 3, 4], 3),
    ("v_max3_u32 v3, v0, v1, v2", [_MINUS, 3, 4], _MINUS),
    ("v_med3_i32 v3, v0, v1, v2", [_MINUS, 3, 4], 3),
    ("v_med3_u32 v3, v0, v1, v2", [_MINUS, 3, 4], 4),
    ("v_lshlrev_b32_e32 v3, v0, v1", [33, 3], 6),
    ("v_lshrrev_b32_e32 v3, v0, v1", [31, 0x80000000], 1),
    ("v_ashrrev_i32_e32 v3, v0, v1", [31, 0x80000000], _MINUS),
    ("v_lshlrev_b16_e32 v3, v0, v1", [4, 0xABCDF00F], 0x00F0),
    ("v_lshrrev_b16_e32 v3, v0, v1", [4, 0xABCDF00F], 0x0F00),
    ("v_ashrrev_i16_e32 v3, v0, v1", [4, 0xABCDF00F], 0xFF00),
    ("v_add_u16_e32 v3, v0, v1", [0x1FFFF, 2], 1),
    ("v_sub_u16_e32 v3, v0, v1", [0, 1], 0xFFFF),
    ("v_subrev_u16_e32 v3, v0, v1", [1, 0], 0xFFFF),
    ("v_max_i16_e32 v3, v0, v1", [0xFFFF, 3], 3),
    ("v_min_i16_e32 v3, v0, v1", [0xFFFF, 3], 0xFFFF),
    ("v_max_u16_e32 v3, v0, v1", [0xFFFF, 3], 0xFFFF),
    ("v_min_u16_e32 v3, v0, v1", [0xFFFF, 3], 3),
    ("v_mul_lo_u16_e32 v3, v0, v1", [0x101, 0x101], 0x0201),
    ("v_mad_legacy_u16 v3, v0, v1, v2", [300, 300, 7], (90000 + 7) % 65536),
    ("v_mad_legacy_i16 v3, v0, v1, v2", [3, -2, 7], 1),
    ("v_lshl_add_u32 v3, v0, v1, v2", [3, 2, 5], 17),
    ("v_add_lshl_u32 v3, v0, v1, v2", [3, 2, 1], 10),
    ("v_lshl_or_b32 v3, v0, v1, v2", [3, 4, 5], 0x35),
    ("v_and_or_b32 v3, v0, v1, v2", [0xFF, 0xF0, 0x01], 0xF1),
    ("v_or3_b32 v3, v0, v1, v2", [1, 2, 4], 7),
    ("v_add3_u32 v3, v0, v1, v2", [_MINUS, 2, 4], 5),
    ("v_xad_u32 v3, v0, 48, 0", [0x21], 0x11),
    ("v_bfi_b32 v3, v0, v1, v2", [0x0F, 0xAA, 0x55], 0x5A),
    ("v_bfe_u32 v3, v0, v1, v2", [0xABCD, 4, 8], 0xBC),
    ("v_bfe_u32 v3, v0, v1, v2", [0xABCD, 4, 0], 0),
    ("v_bfe_i32 v3, v0, v1, v2", [0xABCD, 4, 8], 0xFFFFFFBC),
    ("v_bfe_i32 v3, v0, v1, v2", [0x80000000, 28, 8], 0xFFFFFFF8),
    ("v_perm_b32 v3, v0, v1, v2", [0x44332211, 0x88776655, 0x07060100], 0x44336655),
    ("v_perm_b32 v3, v0, v1, v2", [0x44332211, 0x88776655, 0x0C0D0804], 0x00FF0011),
    ("v_alignbit_b32 v3, v0, v1, v2", [0x12345678, 0x9ABCDEF0, 8], 0x789ABCDE),
    ("v_alignbyte_b32 v3, v0, v1, v2", [0x12345678, 0x9ABCDEF0, 1], 0x789ABCDE),
    ("v_bcnt_u32_b32 v3, v0, v1", [0xF0F, 3], 11),
    ("v_cvt_f32_u32_e32 v3, v0", [_MINUS], 0x4F800000),
    ("v_cvt_f32_i32_e32 v3, v0", [_MINUS], 0xBF800000),
    ("v_cvt_u32_f32_e32 v3, v0", [3.99], 3),
    ("v_cvt_u32_f32_e32 v3, v0", [-1.0], 0),
    ("v_cvt_i32_f32_e32 v3, v0", [-3.99], -3),
    ("v_cvt_i32_f32_e32 v3, v0", [1e20], 0x7FFFFFFF),
    ("v_cvt_i32_f32_e32 v3, v0", [_NAN], 0),
    ("v_cvt_f32_f16_e32 v3, v0", [0xABCD3C00], 0x3F800000),
    ("v_cvt_f16_f32_e32 v3, v0", [1.0], 0x3C00),
    ("v_cvt_f16_u16_e32 v3, v0", [0xFFFF0003], 0x4200),
    ("v_cvt_f16_i16_e32 v3, v0", [0x1FFFD], 0xC200),
    ("v_cvt_u16_f16_e32 v3, v0", [0x4280], 3),
    ("v_cvt_i16_f16_e32 v3, v0", [0xC280], 0xFFFD),
    ("v_cvt_f32_ubyte0_e32 v3, v0", [0x04030201], 0x3F800000),
    ("v_cvt_f32_ubyte1_e32 v3, v0", [0x04030201], 0x40000000),
    ("v_cvt_f32_ubyte2_e32 v3, v0", [0x04030201], 0x40400000),
    ("v_cvt_f32_ubyte3_e32 v3, v0", [0x04030201], 0x40800000),
    ("v_cvt_pk_bf16_f32 v3, v0, v1", [1.0, 1 + 2.0**-8], 0x3F803F80),
    ("v_cvt_pk_bf16_f32 v3, v0, v1", [1 + 3 * 2.0**-8, -2.0], 0xC0003F82),
    ("v_cvt_pkrtz_f16_f32 v3, v0, v1", [1 + 2.0**-10 * 0.9, -2.0], 0xC0003C00),
    ("v_cvt_f32_bf16_e32 v3, v0", [0x3F80], 0x3F800000),
    ("v_frexp_exp_i32_f32_e32 v3, v0", [12.0], 4),
    ("v_add_f16_e32 v3, v0, v1", [0x3C00, 0x4000], 0x4200),
    ("v_sub_f16_e32 v3, v0, v1", [0x3C00, 0x4000], 0xBC00),
    ("v_mul_f16_e32 v3, v0, v1", [0x4000, 0x4200], 0x4600),
    ("v_fma_f16 v3, v0, v1, v2", [0x4000, 0x4200, 0xC400], 0x4000),  # 2 * 3 - 4
    ("v_fma_f16 v3, v0, v1, v2", [0x3C01, 0x3C01, 0xBC02], 0x0010),  # (1 + 2**-10)**2 - (1 + 2**-9): 2**-20
    ("v_max_f16_e32 v3, v0, v1", [0x3C00, 0x4000], 0x4000),
    ("v_min_f16_e32 v3, v0, v1", [0x3C00, 0x4000], 0x3C00),
    ("v_bitop3_b32 v3, v0, v1, v2 bitop3:0x36", [0xF0, 0xCC, 0xAA], 0x36),
    # the upper half of v3 stays what it was, which is what nobody wrote
    ("v_bitop3_b16 v3, v0, v1, v2 bitop3:0x36", [0xFFFF00F0, 0xFFFF00CC, 0xFFFF00AA], 0x7FDB0036),
    ("v_ldexp_f32 v3, 1.0, v0", [3], 0x41000000),
    ("v_ldexp_f32 v3, 1.0, v0", [-3 & _MINUS], 0x3E000000),
]


@pytest.mark.parametrize(("text", "given", "result"), _INTEGERS)
def test_integer_result(text: str, given: list[Any], result: int) -> None:
    wave = run(text, vectors=dict(enumerate(given)), architecture="gfx950")
    assert [hex(word) for word in set(wave.v[3].tolist())] == [hex(result & _MINUS)]


@pytest.mark.parametrize(
    ("text", "first", "second", "result"),
    [
        ("v_mov_b64_e32 v[6:7], v[0:1]", 2**40 + 1, 0, 2**40 + 1),
        ("v_lshlrev_b64 v[6:7], 4, v[0:1]", 2**62 + 1, 0, 16),
        ("v_lshrrev_b64 v[6:7], 4, v[0:1]", 2**63, 0, 2**59),
        ("v_ashrrev_i64 v[6:7], 4, v[0:1]", -(2**63), 0, -(2**59)),
        ("v_lshl_add_u64 v[6:7], v[0:1], 2, v[2:3]", 2**40, 5, 2**42 + 5),
        ("v_lshl_add_u64 v[6:7], v[0:1], 0, -1", 2**40, 0, 2**40 - 1),
    ],
)
def test_pair_of_registers(text: str, first: int, second: int, result: int) -> None:
    low, high = doubles(np.int64(first if first < 2**63 else first - 2**64))
    other = doubles(np.int64(second))
    wave = run(text, vectors={0: low, 1: high, 2: other[0], 3: other[1]})
    expected = doubles(np.int64(result))
    assert np.array_equal(wave.v[6:8], np.stack(expected))


@pytest.mark.parametrize(
    ("text", "first", "second", "result"),
    [
        ("v_add_f64 v[6:7], v[0:1], v[2:3]", 1.5, 2.0**-40, 1.5 + 2.0**-40),
        ("v_mul_f64 v[6:7], v[0:1], v[2:3]", 1.5, 3.0, 4.5),
        ("v_max_f64 v[6:7], v[0:1], v[2:3]", 1.5, 3.0, 3.0),
        ("v_min_f64 v[6:7], v[0:1], -v[2:3]", 1.5, 3.0, -3.0),
        ("v_cvt_f64_f32_e32 v[6:7], 2.0", 0.0, 0.0, 2.0),
        ("v_cvt_f64_i32_e32 v[6:7], -3", 0.0, 0.0, -3.0),
        ("v_cvt_f64_u32_e32 v[6:7], 3", 0.0, 0.0, 3.0),
    ],
)
def test_double(text: str, first: float, second: float, result: float) -> None:
    one, two = doubles(np.float64(first)), doubles(np.float64(second))
    wave = run(text, vectors={0: one[0], 1: one[1], 2: two[0], 3: two[1]})
    assert np.array_equal(wave.v[6:8], np.stack(doubles(np.float64(result))))


@pytest.mark.parametrize(
    ("text", "result"),
    [("v_cvt_f32_f64_e32 v6, v[0:1]", 0xC0600000), ("v_cvt_i32_f64_e32 v6, v[0:1]", -3),
     ("v_cvt_u32_f64_e32 v6, v[0:1]", 0)],
)  # fmt: skip
def test_from_double(text: str, result: int) -> None:
    low, high = doubles(np.float64(-3.5))
    assert run(text, vectors={0: low, 1: high}).v[6][9] == result & _MINUS


def test_lane_counts_those_below_it() -> None:
    text = "v_mbcnt_lo_u32_b32 v1, -1, 0\nv_mbcnt_hi_u32_b32 v2, -1, v1"
    assert np.array_equal(run(text).v[2], LANE)


@pytest.mark.parametrize(
    ("relation", "lanes"),
    [("lt", LANE < 5), ("le", LANE <= 5), ("eq", LANE == 5), ("ne", LANE != 5),
     ("gt", LANE > 5), ("ge", LANE >= 5)],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["i32", "u32"])
def test_comparison_gives_a_bit_for_each_lane(relation: str, lanes: Any, kind: str) -> None:
    expected = sum(1 << int(lane) for lane in LANE[lanes])
    assert run(f"v_cmp_{relation}_{kind}_e64 s[4:5], v0, 5", vectors={0: LANE}).read(4, 2) == expected


def test_comparison_is_signed_or_not() -> None:
    wave = run("v_cmp_lt_i32_e32 vcc, v0, v1\nv_cmp_lt_u32_e64 s[4:5], v0, v1", vectors={0: _MINUS, 1: 1})
    assert (wave.read(VCC, 2), wave.read(4, 2)) == (ALL, 0)


def test_comparison_of_pairs() -> None:
    low, high = doubles(np.int64(-(2**40)))
    wave = run(
        "v_cmp_gt_i64_e32 vcc, 0, v[0:1]\nv_cmp_gt_u64_e64 s[4:5], 0, v[0:1]", vectors={0: low, 1: high}
    )
    assert (wave.read(VCC, 2), wave.read(4, 2)) == (ALL, 0)


@pytest.mark.parametrize(
    ("relation", "of_nan", "of_less"),
    [("lt", 0, 1), ("neq", 1, 1), ("lg", 0, 1), ("nlt", 1, 0), ("nge", 1, 1), ("o", 0, 1), ("u", 1, 0),
     ("nle", 1, 0), ("ngt", 1, 1), ("nlg", 1, 0), ("eq", 0, 0), ("ge", 0, 0)],
)  # fmt: skip
def test_comparison_of_floats_with_nan(relation: str, of_nan: int, of_less: int) -> None:
    given = {0: np.where(LANE == 0, np.float32(_NAN), np.float32(1)), 1: 2.0}
    found = uniform(run(f"v_cmp_{relation}_f32_e64 s[4:5], v0, v1", vectors=given).read(4, 2))
    assert (found & 1, found >> 1 & 1) == (of_nan, of_less)


def test_comparison_ignores_lanes_that_are_off() -> None:
    assert run("v_cmp_eq_u32_e32 vcc, v0, v0", vectors={0: LANE}, mask=0b1010).read(VCC, 2) == 0b1010


def test_comparison_that_sets_the_mask() -> None:
    wave = run("v_cmpx_gt_u32_e32 vcc, 3, v0", vectors={0: LANE}, mask=0b1110)
    assert (wave.exec, wave.read(VCC, 2)) == (0b0110, 0b0110)


@pytest.mark.parametrize(
    ("value", "bit"),
    [(_NAN, 1), (-_INF, 2), (-1.0, 3), (-1e-40, 4), (-0.0, 5), (0.0, 6), (1e-40, 7), (1.0, 8), (_INF, 9)],
)
def test_class_of_a_float(value: float, bit: int) -> None:
    given = {0: value, 1: 1 << bit, 2: ~(1 << bit) & 0x3FF}
    wave = run("v_cmp_class_f32_e64 s[4:5], v0, v1\nv_cmp_class_f32_e64 s[6:7], v0, v2", vectors=given)
    assert (wave.read(4, 2), wave.read(6, 2)) == (ALL, 0)


def test_choice_follows_the_mask_lane_by_lane() -> None:
    text = "v_cndmask_b32_e32 v2, v0, v1, vcc\nv_cndmask_b32_e64 v3, 5, v1, s[4:5]"
    wave = run(text, vectors={0: LANE, 1: 100}, scalars={VCC: 6, VCC + 1: 0, 4: 0, 5: 1})
    assert wave.v[2][:4].tolist() == [0, 100, 100, 3]
    assert wave.v[3][31:34].tolist() == [5, 100, 5]


@pytest.mark.parametrize(
    ("text", "result", "carry"),
    [
        ("v_add_co_u32_e32 v2, vcc, v0, v1", 1, ALL), ("v_sub_co_u32_e32 v2, vcc, v1, v0", 3, ALL),
        ("v_subrev_co_u32_e32 v2, vcc, v0, v1", 3, ALL), ("v_sub_co_u32_e64 v2, vcc, v0, v1", -3, 0),
        ("v_addc_co_u32_e32 v2, vcc, v0, v1, vcc", 2, ALL),
        ("v_subb_co_u32_e32 v2, vcc, v0, v1, vcc", -4, 0),
        ("v_subbrev_co_u32_e32 v2, vcc, v0, v1, vcc", 2, ALL),
    ],
)  # fmt: skip
def test_carry(text: str, result: int, carry: int) -> None:
    wave = run(text, vectors={0: _MINUS, 1: 2}, scalars={VCC: _MINUS, VCC + 1: _MINUS})
    assert wave.v[2][5] == result & _MINUS
    assert wave.read(VCC, 2) == carry


def test_multiply_and_add_of_64_bits() -> None:
    low, high = doubles(np.int64(-1))
    text = "v_mad_u64_u32 v[4:5], s[4:5], v0, v1, v[2:3]\nv_mad_i64_i32 v[6:7], s[6:7], v0, v1, v[2:3]"
    wave = run(text, vectors={0: _MINUS, 1: 2, 2: low, 3: high})
    assert np.array_equal(wave.v[4:6], np.stack(doubles(np.int64(2 * _MINUS - 1))))
    assert np.array_equal(wave.v[6:8], np.stack(doubles(np.int64(-3))))
    assert wave.read(4, 2) == ALL


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("v_pk_mul_f32 v[6:7], v[0:1], v[2:3]", 10.0, 21.0),
        ("v_pk_mul_f32 v[6:7], v[0:1], v[2:3] op_sel_hi:[1,0]", 10.0, 15.0),
        ("v_pk_mul_f32 v[6:7], v[0:1], v[2:3] op_sel_hi:[0,1]", 10.0, 14.0),
        ("v_pk_mul_f32 v[6:7], v[0:1], v[2:3] op_sel:[1,0]", 15.0, 21.0),
        ("v_pk_add_f32 v[6:7], v[0:1], v[2:3] neg_lo:[0,1] neg_hi:[0,1]", -3.0, -4.0),
        ("v_pk_fma_f32 v[6:7], v[0:1], v[2:3], v[0:1]", 12.0, 24.0),
        ("v_pk_mov_b32 v[6:7], v[0:1], v[2:3] op_sel:[1,0]", 3.0, 5.0),
        ("v_pk_mul_f32 v[0:1], v[0:1], v[0:1] op_sel_hi:[1,0]\nv_mov_b64_e32 v[6:7], v[0:1]", 4.0, 6.0),
    ],
)
def test_packed_floats(text: str, low: float, high: float) -> None:
    wave = run(text, vectors={0: 2.0, 1: 3.0, 2: 5.0, 3: 7.0})
    assert (wave.f[6][1], wave.f[7][1]) == (low, high)


def test_division_of_floats() -> None:
    """The sequence that Triton has for a division, over magnitudes that need its scaling."""
    text = """v_div_scale_f32 v2, s[2:3], v1, v1, v0
        v_rcp_f32_e32 v3, v2
        v_fma_f32 v4, -v2, v3, 1.0
        v_fmac_f32_e32 v3, v4, v3
        v_div_scale_f32 v4, vcc, v0, v1, v0
        v_mul_f32_e32 v5, v4, v3
        v_fma_f32 v6, -v2, v5, v4
        v_fmac_f32_e32 v5, v6, v3
        v_fma_f32 v2, -v2, v5, v4
        v_div_fmas_f32 v2, v2, v3, v5
        v_div_fixup_f32 v7, v2, v1, v0"""
    dice = np.random.default_rng(0)
    tops, bottoms = (
        (dice.uniform(1, 2, 64) * 2.0 ** dice.integers(-120, 120, 64)).astype(np.float32) for _ in range(2)
    )
    with np.errstate(all="ignore"):
        expected = tops / bottoms
    found = run(text, vectors={0: tops, 1: bottoms}).f[7]
    normal = (np.abs(expected) > 2.0**-126) & np.isfinite(expected)
    assert np.array_equal(found[normal], expected[normal])


def test_read_and_write_of_one_lane() -> None:
    text = "v_readlane_b32 s2, v0, 33\nv_writelane_b32 v1, s2, 7\nv_readfirstlane_b32 s3, v0"
    wave = run(text, vectors={0: LANE, 1: 0}, mask=0b1100)
    assert (wave.scalars[2], wave.scalars[3]) == (33, 2)
    assert np.array_equal(wave.v[1], np.where(LANE == 7, 33, 0))


def test_halves_are_exchanged() -> None:
    wave = run("v_permlane32_swap_b32_e32 v0, v1", vectors={0: LANE, 1: LANE + 100}, architecture="gfx950")
    assert np.array_equal(wave.v[0], np.concatenate((LANE[:32], LANE[:32] + 100)))
    assert np.array_equal(wave.v[1], np.concatenate((LANE[32:], LANE[32:] + 100)))


def test_rows_are_exchanged() -> None:
    wave = run("v_permlane16_swap_b32_e32 v0, v1", vectors={0: LANE, 1: LANE + 100}, architecture="gfx950")
    assert wave.v[0][[0, 16, 32, 48]].tolist() == [0, 100, 32, 132]
    assert wave.v[1][[0, 16, 32, 48]].tolist() == [16, 116, 48, 148]


def test_lanes_that_are_off_keep_what_they_had() -> None:
    wave = run("v_mov_b32_e32 v1, 5\nv_mov_b64_e32 v[2:3], -1", vectors={1: LANE, 2: 0, 3: 0}, mask=0b10)
    assert np.array_equal(wave.v[1], np.where(LANE == 1, 5, LANE))
    assert np.array_equal(wave.v[3], np.where(LANE == 1, words(-1), 0))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("v_sin_f32_e32 v0, v1", "v_sin_f32"),
        ("v_add_f32_e64 v0, v1, v2 op_sel:[1,0,0]", "v_add_f32 with op_sel"),
        ("v_min_u32_e64 v0, v1, v2 clamp", "v_min_u32 with an output modifier"),
        ("v_add_u32_e64 v0, -v1, v2", "'-v1' on an integer"),
        ("v_cmp_lt_f32_e64 s[0:1], v0, v1 clamp", "v_cmp_lt_f32 with clamp"),
        ("v_cmp_lt_f32_dpp vcc, v0, v1 row_shr:1", "v_cmp_lt_f32 with dpp"),
        ("v_pk_mul_f32 v[0:1], v[2:3], 2.0", "the upper half of the constant"),
        ("v_mov_b32_e32 v0, ttmp3", "the operand 'ttmp3'"),
        ("v_readlane_b32 s0, v1, s2 clamp", "v_readlane_b32 with clamp"),
    ],
)
def test_what_is_not_implemented_is_named(text: str, named: str) -> None:
    with pytest.raises(Unsupported) as caught:
        run(text)
    assert named in str(caught.value)


@pytest.mark.parametrize("swap", ["v_permlane32_swap_b32_e32", "v_permlane16_swap_b32_e32"])
def test_exchange_with_lanes_off_is_refused(swap: str) -> None:
    with pytest.raises(Unsupported, match="switched off"):
        run(f"{swap} v0, v1", mask=1)
