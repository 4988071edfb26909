"""Packed instructions against results worked out by hand (CDNA3 ISA, 12.10)."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import Unsupported
from harness.tests.gcn.snippets import run


def halves(low: float, high: float, kind: str = "f2") -> int:
    """Two values of 16 bits as a word."""
    bits = np.array([low, high]).astype(kind).view("u2").astype(np.uint32)
    return int(bits[0] | bits[1] << 16)


_FLOATS = [
    ("v_pk_add_f16 v3, v0, v1", (1.5, 2.5), (2.0, -4.0), (3.5, -1.5)),
    ("v_pk_mul_f16 v3, v0, v1", (1.5, 2.5), (2.0, -4.0), (3.0, -10.0)),
    ("v_pk_max_f16 v3, v0, v1", (1.5, 2.5), (2.0, -4.0), (2.0, 2.5)),
    ("v_pk_min_f16 v3, v0, v1", (1.5, 2.5), (2.0, -4.0), (1.5, -4.0)),
    ("v_pk_fma_f16 v3, v0, v1, v0", (1.5, 2.5), (2.0, -4.0), (4.5, -7.5)),
    # The low operation takes the high halves, and the other way round.
    ("v_pk_add_f16 v3, v0, v1 op_sel:[1,0] op_sel_hi:[0,1]", (1.5, 2.5), (2.0, -4.0), (4.5, -2.5)),
    ("v_pk_add_f16 v3, v0, v1 neg_lo:[0,1] neg_hi:[1,0]", (1.5, 2.5), (2.0, -4.0), (-0.5, -6.5)),
    ("v_pk_add_f16 v3, v0, 1.0 op_sel_hi:[1,0]", (1.5, 2.5), (0.0, 0.0), (2.5, 3.5)),
    ("v_pk_add_f16 v3, v0, 0", (1.5, 2.5), (0.0, 0.0), (1.5, 2.5)),
    # One rounding: what is left of the product is its last bit.
    ("v_pk_fma_f16 v3, v0, v0, v1", (1 + 2**-10, 1.0), (-(1 + 2**-9), 1.0), (2.0**-20, 2.0)),
    ("v_pk_mul_f16 v3, v0, v1", (60000.0, 1.0), (2.0, 1.0), (float("inf"), 1.0)),
]
_WHOLE = [
    ("v_pk_add_u16 v3, v0, v1", "u2", (65535, 1), (1, 2), (0, 3)),
    ("v_pk_add_i16 v3, v0, v1", "i2", (-3, 1), (1, 2), (-2, 3)),
    ("v_pk_sub_u16 v3, v0, v1", "u2", (0, 5), (1, 2), (65535, 3)),
    ("v_pk_sub_i16 v3, v0, v1", "i2", (0, 5), (1, -2), (-1, 7)),
    ("v_pk_mul_lo_u16 v3, v0, v1", "u2", (300, 5), (300, 7), (90000 % 65536, 35)),
    ("v_pk_mad_u16 v3, v0, v1, v0", "u2", (300, 5), (300, 7), ((90000 + 300) % 65536, 40)),
    ("v_pk_mad_i16 v3, v0, v1, v0", "i2", (-3, 5), (2, 7), (-9, 40)),
    ("v_pk_max_i16 v3, v0, v1", "i2", (-3, 5), (2, 7), (2, 7)),
    ("v_pk_min_i16 v3, v0, v1", "i2", (-3, 5), (2, 7), (-3, 5)),
    ("v_pk_max_u16 v3, v0, v1", "u2", (65533, 5), (2, 7), (65533, 7)),
    ("v_pk_min_u16 v3, v0, v1", "u2", (65533, 5), (2, 7), (2, 5)),
    ("v_pk_lshlrev_b16 v3, v0, v1", "u2", (4, 17), (0x8001, 3), (0x10, 6)),
    ("v_pk_lshrrev_b16 v3, v0, v1", "u2", (4, 17), (0x8001, 3), (0x800, 1)),
    ("v_pk_ashrrev_i16 v3, v0, v1", "i2", (1, 1), (-8, 9), (-4, 4)),
    ("v_pk_add_u16 v3, v0, 1 op_sel_hi:[1,0]", "u2", (7, 8), (0, 0), (8, 9)),
]


@pytest.mark.parametrize(("text", "first", "second", "result"), _FLOATS)
def test_halves_of_floats(
    text: str, first: tuple[float, float], second: tuple[float, float], result: tuple[float, float]
) -> None:
    wave = run(text, vectors={0: halves(*first), 1: halves(*second), 3: 0xDEADBEEF})
    assert [hex(word) for word in set(wave.v[3].tolist())] == [hex(halves(*result))]


@pytest.mark.parametrize(("text", "kind", "first", "second", "result"), _WHOLE)
def test_halves_of_whole_numbers(
    text: str, kind: str, first: tuple[int, int], second: tuple[int, int], result: tuple[int, int]
) -> None:
    wave = run(text, vectors={0: halves(*first, kind), 1: halves(*second, kind)})
    assert [hex(word) for word in set(wave.v[3].tolist())] == [hex(halves(*result, kind))]


def test_a_scalar_register_has_halves_too() -> None:
    wave = run("v_pk_add_u16 v3, v0, s4", vectors={0: halves(1, 2, "u2")}, scalars={4: halves(10, 20, "u2")})
    assert wave.v[3][0] == halves(11, 22, "u2")


def test_lanes_that_are_off_keep_their_word() -> None:
    wave = run("v_pk_add_u16 v3, v0, v0", vectors={0: halves(1, 2, "u2"), 3: 7}, mask=0b10)
    assert wave.v[3][:3].tolist() == [7, halves(2, 4, "u2"), 7]


@pytest.mark.parametrize(
    ("text", "result"),
    [
        # v0 is 3.0 as a float, v1 the halves 1.5 and 2.5.
        ("v_fma_mix_f32 v3, v0, v1, v0 op_sel_hi:[0,1,0]", 3 * 1.5 + 3),
        ("v_fma_mix_f32 v3, v0, v1, v0 op_sel:[0,1,0] op_sel_hi:[0,1,0]", 3 * 2.5 + 3),
        ("v_fma_mix_f32 v3, -v0, v1, |v0| op_sel_hi:[0,1,0]", -3 * 1.5 + 3),
        ("v_fma_mix_f32 v3, v0, v1, -v1 op_sel:[0,0,1] op_sel_hi:[0,1,1]", 3 * 1.5 - 2.5),
        ("v_fma_mix_f32 v3, v0, v1, 1.0 op_sel_hi:[0,1,0] clamp", 1.0),
    ],
)
def test_products_of_mixed_sizes(text: str, result: float) -> None:
    wave = run(text, vectors={0: 3.0, 1: halves(1.5, 2.5)})
    assert set(wave.f[3].tolist()) == {result}


def test_a_mixed_product_fills_one_half_and_leaves_the_other() -> None:
    given = {0: 3.0, 1: halves(1.5, 2.5), 3: halves(7.0, 8.0)}
    low = run("v_fma_mixlo_f16 v3, v0, v1, v0 op_sel_hi:[0,1,0]", vectors=given)
    assert low.v[3][0] == halves(7.5, 8.0)
    high = run("v_fma_mixhi_f16 v3, v0, v1, v0 op_sel_hi:[0,1,0]", vectors=given)
    assert high.v[3][0] == halves(7.0, 7.5)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("v_pk_add_f16 v0, v1, 1.0", "the upper half of the constant 1.0"),
        ("v_pk_add_f16 v0, v1, v2 clamp", "v_pk_add_f16 with clamp"),
        ("v_pk_add_u16 v0, v1, v2 neg_lo:[0,1]", "v_pk_add_u16 with neg_lo"),
        ("v_pk_add_f16 v0, -v1, v2", "a packed operation with -v1"),
        ("v_pk_fma_f16 v0, v1, v2, v3 op_sel:[1,0]", "op_sel for 2 of 3 sources"),
        ("v_fma_mix_f32 v0, v1, v2, v3 op_sel:[1,0,0]", "the upper half of the float v1"),
        ("v_pk_minimum3_f16 v0, v1, v2, v3", "v_pk_minimum3_f16"),
    ],
)
def test_what_is_not_implemented_is_named(text: str, named: str) -> None:
    with pytest.raises(Unsupported) as caught:
        run(text)
    assert named in str(caught.value)
