"""DPP and SDWA against the documented moves (CDNA3 ISA, sections 6.5 and 6.6)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.errors import Unsupported
from harness.gcn.wave import VCC
from harness.tests.gcn.snippets import LANE, run

_ROW = LANE % 16
_OLD = 1000


def _dpp(control: str, mask: int = (1 << 64) - 1, masks: str = "row_mask:0xf bank_mask:0xf") -> Any:
    text = f"v_mov_b32_dpp v1, v0 {control} {masks}"
    return run(text, vectors={0: LANE, 1: _OLD}, mask=mask).v[1]


@pytest.mark.parametrize(
    ("control", "source"),
    [
        ("quad_perm:[1,0,3,2]", LANE ^ 1),
        ("quad_perm:[2,3,0,1]", LANE ^ 2),
        ("quad_perm:[0,0,0,0]", LANE // 4 * 4),
        ("row_ror:4", LANE // 16 * 16 + (_ROW - 4) % 16),
        ("row_mirror", LANE ^ 15),
        ("row_half_mirror", LANE ^ 7),
        ("row_newbcast:3", LANE // 16 * 16 + 3),
        ("wave_rol:1", (LANE + 1) % 64),
        ("wave_ror:1", (LANE - 1) % 64),
    ],
)
def test_every_lane_has_a_source(control: str, source: Any) -> None:
    assert np.array_equal(_dpp(control), source)


@pytest.mark.parametrize(
    ("control", "source", "valid"),
    [
        ("row_shr:3", LANE - 3, _ROW >= 3),
        ("row_shl:3", LANE + 3, _ROW < 13),
        ("row_bcast:15", LANE // 16 * 16 - 1, LANE >= 16),
        ("row_bcast:31", np.full(64, 31), LANE >= 32),
        ("wave_shr:1", LANE - 1, LANE > 0),
        ("wave_shl:1", LANE + 1, LANE < 63),
    ],
)
def test_lane_without_a_source_reads_0_or_does_not_write(control: str, source: Any, valid: Any) -> None:
    assert np.array_equal(_dpp(control), np.where(valid, source, _OLD))
    assert np.array_equal(_dpp(f"{control} bound_ctrl:1"), np.where(valid, source, 0))


def test_source_lane_that_is_off_counts_as_none() -> None:
    mask = 0b1110
    assert _dpp("quad_perm:[1,0,3,2]", mask)[:4].tolist() == [_OLD, _OLD, 3, 2]
    assert _dpp("quad_perm:[1,0,3,2] bound_ctrl:1", mask)[:4].tolist() == [_OLD, 0, 3, 2]


def test_row_and_bank_masks_hold_writes_back() -> None:
    rows = _dpp("quad_perm:[1,0,3,2]", masks="row_mask:0xa bank_mask:0xf")
    assert np.array_equal(rows, np.where(LANE // 16 % 2 == 1, LANE ^ 1, _OLD))
    banks = _dpp("quad_perm:[1,0,3,2] bound_ctrl:1", masks="row_mask:0xf bank_mask:0x1")
    assert np.array_equal(banks, np.where(_ROW < 4, LANE ^ 1, _OLD))


def test_all_lanes_are_read_before_one_is_written() -> None:
    """A move lane by lane within one register would hand the first lane's value through the row."""
    text = "v_mov_b32_dpp v0, v0 row_shr:1 row_mask:0xf bank_mask:0xf"
    assert np.array_equal(run(text, vectors={0: LANE}).v[0], np.where(_ROW > 0, LANE - 1, LANE))


def test_sum_over_a_row() -> None:
    text = "\n".join(
        f"v_add_u32_dpp v0, v0, v0 row_shr:{by} row_mask:0xf bank_mask:0xf bound_ctrl:1"
        for by in (8, 4, 2, 1)
    )
    found = run(text, vectors={0: LANE}).v[0]
    assert found[[15, 31, 47, 63]].tolist() == [sum(range(start, start + 16)) for start in (0, 16, 32, 48)]


def test_accumulation_reads_its_destination() -> None:
    text = "v_fmac_f32_dpp v1, v0, v2 quad_perm:[1,0,3,2] row_mask:0xf bank_mask:0xf"
    wave = run(text, vectors={0: LANE.astype(np.float32), 1: 1.0, 2: 2.0})
    assert np.array_equal(wave.f[1], (LANE ^ 1).astype(np.float32) * 2 + 1)


# --- parts of a word -------------------------------------------------------------------------

_FULL = "dst_sel:DWORD dst_unused:UNUSED_PAD"


@pytest.mark.parametrize(
    ("part", "plain", "signed"),
    [
        ("BYTE_0", 0x80, 0xFFFFFF80), ("BYTE_1", 0x91, 0xFFFFFF91), ("BYTE_2", 0x22, 0x22),
        ("BYTE_3", 0x93, 0xFFFFFF93), ("WORD_0", 0x9180, 0xFFFF9180), ("WORD_1", 0x9322, 0xFFFF9322),
        ("DWORD", 0x93229180, 0x93229180),
    ],
)  # fmt: skip
def test_part_of_a_source(part: str, plain: int, signed: int) -> None:
    for source, expected in (("v0", plain), ("sext(v0)", signed)):
        wave = run(f"v_mov_b32_sdwa v1, {source} {_FULL} src0_sel:{part}", vectors={0: 0x93229180})
        assert hex(wave.v[1][3]) == hex(expected)


@pytest.mark.parametrize(
    ("part", "unused", "result"),
    [
        ("BYTE_1", "UNUSED_PAD", 0x0000AB00), ("BYTE_1", "UNUSED_PRESERVE", 0x1122AB44),
        ("BYTE_1", "UNUSED_SEXT", 0xFFFFAB00), ("WORD_1", "UNUSED_PRESERVE", 0xAAAB3344),
        ("WORD_0", "UNUSED_PRESERVE", 0x1122AAAB), ("WORD_0", "UNUSED_SEXT", 0xFFFFAAAB),
        ("WORD_1", "UNUSED_PAD", 0xAAAB0000), ("DWORD", "UNUSED_PAD", 0xAAAB),
    ],
)  # fmt: skip
def test_part_of_a_destination(part: str, unused: str, result: int) -> None:
    text = f"v_mov_b32_sdwa v1, v0 dst_sel:{part} dst_unused:{unused} src0_sel:DWORD"
    assert hex(run(text, vectors={0: 0xAAAB, 1: 0x11223344}).v[1][3]) == hex(result)


def test_choice_between_parts() -> None:
    """V_CNDMASK_B32 takes parts of both sources, as every other instruction does."""
    text = f"v_cndmask_b32_sdwa v2, v0, v1, vcc {_FULL} src0_sel:WORD_1 src1_sel:BYTE_3"
    wave = run(text, vectors={0: 0x11112222, 1: 0x33444444}, scalars={VCC: 2, VCC + 1: 0})
    assert wave.v[2][:3].tolist() == [0x1111, 0x33, 0x1111]


def test_choice_into_a_part() -> None:
    into = "dst_sel:WORD_1 dst_unused:UNUSED_PRESERVE"
    text = f"v_cndmask_b32_sdwa v2, v0, v1, vcc {into} src0_sel:DWORD src1_sel:DWORD"
    wave = run(text, vectors={0: 1, 1: 2, 2: 0xABCD}, scalars={VCC: 2, VCC + 1: 0})
    assert [hex(word) for word in wave.v[2][:2]] == ["0x1abcd", "0x2abcd"]


def test_comparison_of_parts() -> None:
    text = "v_cmp_eq_u32_sdwa s[4:5], v0, v1 src0_sel:BYTE_1 src1_sel:WORD_0"
    assert run(text, vectors={0: LANE << 8, 1: 5}).read(4, 2) == 1 << 5


def test_sum_of_halves() -> None:
    text = f"v_add_f32_sdwa v2, v0, v1 {_FULL} src0_sel:DWORD src1_sel:DWORD"
    assert run(text, vectors={0: 1.5, 1: 2.0}).f[2][0] == 3.5
    text = (
        "v_add_f16_sdwa v2, v0, v1 dst_sel:WORD_1 dst_unused:UNUSED_PRESERVE src0_sel:WORD_1 src1_sel:WORD_0"
    )
    wave = run(text, vectors={0: 0x3C000000, 1: 0x4000, 2: 0x1234})
    assert hex(wave.v[2][0]) == hex(0x42001234)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("v_mov_b32_dpp v0, v1 row_share:1 row_mask:0xf bank_mask:0xf", "v_mov_b32 with row_share"),
        ("v_mov_b32_dpp v0, v1 row_mask:0xf bank_mask:0xf", "its DPP control"),
        ("v_add_f32_dpp v0, -v1, v2 row_shr:1 row_mask:0xf bank_mask:0xf", "DPP with -v1"),
        ("v_add_f32_sdwa v0, |v1|, v2 dst_sel:DWORD dst_unused:UNUSED_PAD src0_sel:WORD_0", "SDWA with |v1|"),
        ("v_mov_b32_sdwa v0, v1 dst_sel:DWORD dst_unused:UNUSED_PAD src0_sel:NIBBLE", "the SDWA part NIBBLE"),
        ("v_add_co_u32_dpp v0, vcc, v1, v2 row_shr:1", "v_add_co_u32 with"),
        ("v_mov_b64_dpp v[0:1], v[2:3] row_newbcast:1 row_mask:0xf bank_mask:0xf", "DPP or SDWA on u64"),
    ],
)
def test_what_is_not_implemented_is_named(text: str, named: str) -> None:
    with pytest.raises(Unsupported) as caught:
        run(text)
    assert named in str(caught.value)
