"""Scalar instructions against results worked out by hand (CDNA3 ISA, sections 12.1 to 12.5)."""

from __future__ import annotations

import pytest

from harness.errors import Unsupported
from harness.gcn.wave import ALL, VCC
from harness.tests.gcn.snippets import run

_MINUS = 0xFFFFFFFF


@pytest.mark.parametrize(
    ("text", "first", "second", "result", "scc"),
    [
        ("s_add_u32 s2, s0, s1", _MINUS, 2, 1, 1),
        ("s_add_u32 s2, s0, s1", 5, 2, 7, 0),
        ("s_sub_u32 s2, s0, s1", 1, 2, _MINUS, 1),
        ("s_add_i32 s2, s0, s1", 0x7FFFFFFF, 1, 0x80000000, 1),
        ("s_add_i32 s2, s0, s1", _MINUS, 1, 0, 0),
        ("s_sub_i32 s2, s0, s1", 0x80000000, 1, 0x7FFFFFFF, 1),
        ("s_mul_i32 s2, s0, s1", _MINUS, 3, 0xFFFFFFFD, 0),
        ("s_mul_hi_u32 s2, s0, s1", _MINUS, 3, 2, 0),
        ("s_mul_hi_i32 s2, s0, s1", _MINUS, 3, _MINUS, 0),
        ("s_min_i32 s2, s0, s1", _MINUS, 3, _MINUS, 1),
        ("s_max_i32 s2, s0, s1", _MINUS, 3, 3, 0),
        ("s_min_u32 s2, s0, s1", _MINUS, 3, 3, 0),
        ("s_max_u32 s2, s0, s1", _MINUS, 3, _MINUS, 1),
        ("s_and_b32 s2, s0, s1", 0xF0, 0x3C, 0x30, 1),
        ("s_and_b32 s2, s0, s1", 0xF0, 0x0F, 0, 0),
        ("s_or_b32 s2, s0, s1", 0xF0, 0x0F, 0xFF, 1),
        ("s_xor_b32 s2, s0, s1", 0xFF, 0x0F, 0xF0, 1),
        ("s_andn2_b32 s2, s0, s1", 0xFF, 0x0F, 0xF0, 1),
        ("s_orn2_b32 s2, s0, s1", 0, _MINUS, 0, 0),
        ("s_nand_b32 s2, s0, s1", _MINUS, _MINUS, 0, 0),
        ("s_nor_b32 s2, s0, s1", 0, 0, _MINUS, 1),
        ("s_xnor_b32 s2, s0, s1", 5, 5, _MINUS, 1),
        ("s_lshl_b32 s2, s0, s1", 3, 33, 6, 1),
        ("s_lshr_b32 s2, s0, s1", 0x80000000, 31, 1, 1),
        ("s_ashr_i32 s2, s0, s1", 0x80000000, 31, _MINUS, 1),
        ("s_bfe_u32 s2, s0, s1", 0xABCD, 0x80004, 0xBC, 1),
        ("s_bfe_i32 s2, s0, s1", 0xABCD, 0x80004, 0xFFFFFFBC, 1),
        ("s_bfe_i32 s2, s0, s1", 0xA3CD, 0x80004, 0x3C, 1),
        ("s_bfe_i32 s2, s0, s1", 0xABCD, 0x4, 0, 0),
        ("s_bfe_i64 s[2:3], s[0:1], s1", 0x5ABCD, 0x80004, 0xFFFFFFBC, 1),
        ("s_bfe_u64 s[2:3], s[0:1], s1", 0x5ABCD, 0x80004, 0xBC, 1),
        ("s_bfm_b32 s2, s0, s1", 4, 8, 0xF00, 0),
        ("s_lshl2_add_u32 s2, s0, s1", 0x40000000, 3, 3, 1),
        ("s_pack_ll_b32_b16 s2, s0, s1", 0x11112222, 0x33334444, 0x44442222, 0),
        ("s_pack_lh_b32_b16 s2, s0, s1", 0x11112222, 0x33334444, 0x33332222, 0),
        ("s_pack_hh_b32_b16 s2, s0, s1", 0x11112222, 0x33334444, 0x33331111, 0),
        ("s_mov_b32 s2, s0", 7, 0, 7, 0),
        ("s_not_b32 s2, s0", _MINUS, 0, 0, 0),
        ("s_brev_b32 s2, s0", 1, 0, 0x80000000, 0),
        ("s_bcnt1_i32_b32 s2, s0", 0xF0F, 0, 8, 1),
        ("s_ff1_i32_b32 s2, s0", 8, 0, 3, 0),
        ("s_ff1_i32_b32 s2, s0", 0, 0, _MINUS, 0),
        ("s_flbit_i32_b32 s2, s0", 1, 0, 31, 0),
        ("s_flbit_i32_b64 s2, s[0:1]", 1, 4, 29, 0),
        ("s_flbit_i32 s2, s0", 0xFFFFFFF0, 0, 28, 0),
        ("s_flbit_i32 s2, s0", 0x40000000, 0, 1, 0),
        ("s_flbit_i32 s2, s0", 0xFFFFFFFF, 0, 0xFFFFFFFF, 0),
        ("s_flbit_i32_i64 s2, s[0:1]", 5, 0xFFFFFFFF, 32, 0),
        ("s_abs_i32 s2, s0", 0xFFFFFFFB, 0, 5, 1),
        ("s_sext_i32_i8 s2, s0", 0x80, 0, 0xFFFFFF80, 0),
        ("s_sext_i32_i16 s2, s0", 0x8000, 0, 0xFFFF8000, 0),
        ("s_movk_i32 s2, 0xffe8", 0, 0, 0xFFFFFFE8, 0),
        ("s_mov_b32 s2, -1", 0, 0, _MINUS, 0),
        ("s_mov_b32 s2, 0x7fffffff", 0, 0, 0x7FFFFFFF, 0),
    ],
)
def test_result_and_condition(text: str, first: int, second: int, result: int, scc: int) -> None:
    wave = run(text, scalars={0: first, 1: second})
    assert (wave.scalars[2], wave.scc) == (result, scc)


@pytest.mark.parametrize(
    ("text", "before", "result"),
    [("s_addk_i32 s2, 0xffff", 5, 4), ("s_mulk_i32 s2, 0x120", 2, 0x240), ("s_mulk_i32 s2, 0xffff", 2, -2)],
)
def test_immediate_of_16_bits_has_a_sign(text: str, before: int, result: int) -> None:
    assert run(text, scalars={2: before}).scalars[2] == result & _MINUS


def test_carry_goes_through_a_pair() -> None:
    text = "s_add_u32 s4, s0, s2\ns_addc_u32 s5, s1, s3\ns_sub_u32 s6, s0, s2\ns_subb_u32 s7, s1, s3"
    wave = run(text, scalars={0: _MINUS, 1: 1, 2: 1, 3: 2})
    assert wave.read(4, 2) == 0x1FFFFFFFF + 0x200000001
    assert wave.read(6, 2) == (0x1FFFFFFFF - 0x200000001) % 2**64


def test_pairs_are_shifted_by_one_word() -> None:
    text = "s_lshl_b64 s[4:5], s[0:1], s2\ns_ashr_i64 s[6:7], s[0:1], 4\ns_lshr_b64 s[8:9], s[0:1], 4"
    wave = run(text, scalars={0: 0x10, 1: 0x80000000, 2: 4, 3: 77})
    assert wave.read(4, 2) == 0x100
    assert wave.read(6, 2) == 0xF800000000000001
    assert wave.read(8, 2) == 0x0800000000000001


def test_constant_of_a_pair_is_extended_by_its_sign() -> None:
    assert run("s_mov_b64 s[4:5], -1").read(4, 2) == ALL


@pytest.mark.parametrize(
    ("text", "scc"),
    [
        ("s_cmp_lt_i32 s0, s1", 1), ("s_cmp_lt_u32 s0, s1", 0), ("s_cmp_eq_u32 s0, -1", 1),
        ("s_cmp_lg_u32 s0, s1", 1), ("s_cmp_ge_i32 s0, s1", 0), ("s_cmp_gt_u32 s0, s1", 1),
        ("s_cmp_le_i32 s0, s1", 1), ("s_cmpk_lt_i32 s1, 0x200", 1), ("s_cmpk_gt_i32 s0, 0xfffe", 1),
        ("s_cmp_eq_u64 s[0:1], s[0:1]", 1), ("s_cmp_lg_u64 s[0:1], 0", 1),
        ("s_bitcmp0_b32 s1, 0", 0), ("s_bitcmp0_b32 s1, 1", 1), ("s_bitcmp1_b32 s1, 0", 1),
        ("s_bitcmp1_b32 s1, 32", 1), ("s_bitcmp1_b32 s1, 33", 0), ("s_bitcmp0_b32 s0, 31", 0),
        ("s_bitcmp1_b64 s[0:1], 32", 1), ("s_bitcmp0_b64 s[0:1], 33", 1), ("s_bitcmp1_b64 s[0:1], s1", 1),
    ],
)  # fmt: skip
def test_comparison(text: str, scc: int) -> None:
    assert run(text, scalars={0: _MINUS, 1: 1}).scc == scc


def test_select_follows_the_condition() -> None:
    text = "s_cmp_eq_u32 s0, 0\ns_cselect_b32 s2, 1, 2\ns_cselect_b64 s[4:5], -1, 0"
    assert run(text, scalars={0: 0}).scalars[2:6:2] == [1, _MINUS]
    assert run(text, scalars={0: 1}).scalars[2:6:2] == [2, 0]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("s_and_saveexec_b64 s[2:3], s[0:1]", 0b0100),
        ("s_or_saveexec_b64 s[2:3], s[0:1]", 0b1110),
        ("s_xor_saveexec_b64 s[2:3], s[0:1]", 0b1010),
        ("s_andn2_saveexec_b64 s[2:3], s[0:1]", 0b1000),
    ],
)
def test_mask_is_saved_and_changed(text: str, result: int) -> None:
    wave = run(text, scalars={0: 0b1100, 1: 0}, mask=0b0110)
    assert (wave.read(2, 2), wave.exec, wave.scc) == (0b0110, result, 1)
    assert [lane for lane in range(64) if wave.mask[lane]] == [n for n in range(4) if result >> n & 1]


@pytest.mark.parametrize(
    ("branch", "condition", "mask", "taken"),
    [
        ("s_cbranch_scc0", 0, ALL, True), ("s_cbranch_scc1", 0, ALL, False), ("s_branch", 0, ALL, True),
        ("s_cbranch_vccz", 0, ALL, True), ("s_cbranch_vccnz", 0, ALL, False),
        ("s_cbranch_vccnz", 4, ALL, True), ("s_cbranch_execz", 0, 0, True),
        ("s_cbranch_execz", 0, 1, False), ("s_cbranch_execnz", 0, 1, True),
    ],
)  # fmt: skip
def test_branch(branch: str, condition: int, mask: int, taken: bool) -> None:
    text = f"s_mov_b32 s2, 1\n{branch} .LB\ns_mov_b32 s2, 2\n.LB:\ns_nop 0"
    assert run(text, scalars={VCC: condition, VCC + 1: 0}, mask=mask).scalars[2] == (1 if taken else 2)


@pytest.mark.parametrize(
    "text",
    [
        "s_getpc_b64 s[0:1]",
        "s_setreg_b32 hwreg(1), s0",
        "s_setreg_imm32_b32 hwreg(HW_REG_MODE, 4, 2), 3",
        "s_waitcnt vscnt(0)",
    ],
)
def test_what_is_not_implemented_is_named(text: str) -> None:
    with pytest.raises(Unsupported, match=text.split()[0]):
        run(text)
