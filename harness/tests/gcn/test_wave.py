"""Scalar values of waves side by side: one for all, or one for each where they differ."""

from __future__ import annotations

import numpy as np
import pytest

from harness.gcn import scalar
from harness.gcn.assembly import instruction
from harness.gcn.space import Space
from harness.gcn.wave import ALL, EXEC, VCC, Diverged, Wave, alike, bits_of, each, uniform
from harness.memory.poison import Poison
from harness.memory.violations import Violations


def _wave(size: int) -> Wave:
    return Wave(0, np.zeros(0, dtype=np.uint8), Space("k", Violations(), Poison()), size)


def test_a_value_that_all_have_is_one() -> None:
    assert alike([3, 3]) == 3
    assert alike([3, 4]) == (3, 4)
    assert each(lambda a, b: a + b, (1, 2), 5) == (6, 7)
    assert each(lambda a, b: a + b, (1, 2), (2, 1)) == 3
    assert uniform(3) == 3
    with pytest.raises(Diverged):
        uniform((3, 4))


def test_pairs_of_registers_differ_where_one_of_them_does() -> None:
    wave = _wave(2)
    wave.write(4, (0x1_00000002, 0x3_00000002), 2)
    assert wave.scalars[4:6] == [2, (1, 3)]
    assert wave.read(4, 2) == (0x1_00000002, 0x3_00000002)


def test_masks_are_told_wave_by_wave() -> None:
    wave = _wave(2)
    assert wave.full and bits_of(wave.mask) == ALL
    lanes = np.arange(128) >= 70
    wave.write(VCC, bits_of(lanes), 2)
    assert wave.read(VCC, 2) == (0, ALL & ~0x3F)
    wave.write(EXEC, wave.read(VCC, 2), 2)
    assert np.array_equal(wave.mask, lanes) and not wave.full
    wave.put(wave.v[3], 7)
    assert (wave.v[3] == 7).tolist() == lanes.tolist()
    wave.write(EXEC, 1, 2)
    assert np.flatnonzero(wave.mask).tolist() == [0, 64]


def test_parts_share_the_registers() -> None:
    wave = _wave(2)
    wave.write(4, (7, 8), 1)
    first, second = wave.parts()
    second.v[3] = 5
    assert wave.v[3, 64:].tolist() == [5] * 64 and wave.v[3, 0] != 5
    assert (first.read(4, 1), second.read(4, 1), second.number) == (7, 8, 1)


def test_parts_that_part_again_stand_where_the_whole_does_then() -> None:
    wave = _wave(2)
    wave.write(4, (7, 8), 1)
    before = wave.parts()
    assert wave.join(before)
    wave.write(4, 9, 1)
    wave.write(5, (1, 2), 1)
    wave.pc, wave.scc = 3, (0, 1)
    first, second = wave.parts()
    assert [one.scalars[4:6] for one in (first, second)] == [[9, 1], [9, 2]]
    assert [(one.pc, one.scc) for one in (first, second)] == [(3, 0), (3, 1)]


def _executed(text: str, wave: Wave) -> Wave:
    step = scalar.build(instruction(text))
    assert step
    step(wave)
    return wave


def test_only_what_asks_for_the_condition_differs_by_it() -> None:
    wave = _wave(2)
    wave.write(0, 6, 1)
    wave.write(1, 3, 1)
    wave.scc = (0, 1)
    assert _executed("s_cselect_b32 s4, s0, s1", wave).scalars[4] == (3, 6)
    assert _executed("s_addc_u32 s5, s0, s1", wave).scalars[5] == (9, 10)
    wave.scc = (0, 1)
    done = _executed("s_and_b32 s6, s0, s1", wave)
    assert (done.scalars[6], done.scc) == (2, 1)


def test_pairs_of_waves_that_differ_are_computed_one_by_one() -> None:
    wave = _wave(3)
    wave.write(0, (0x1_00000001, 0x3_00000003, 0x2_00000000), 2)
    _executed("s_and_b64 s[4:5], s[0:1], 3", wave)
    assert (wave.read(4, 2), wave.scc) == ((1, 3, 0), (1, 1, 0))
    assert wave.scalars[5] == 0
