"""Scratch and flat memory (CDNA3 ISA, section 10)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.errors import Unsupported
from harness.tests.gcn.snippets import LANE, Bench, doubles


def test_each_lane_has_memory_of_its_own() -> None:
    bench = Bench(scratch=32)
    body = """scratch_store_dword off, v0, s4 offset:8
        scratch_store_dwordx2 off, v[0:1], off offset:16
        scratch_store_short_d16_hi v3, v2, off
        scratch_load_dword v4, off, s4 offset:8
        scratch_load_dwordx2 v[5:6], off, off offset:16
        scratch_load_sshort v7, v3, off
        s_waitcnt vmcnt(0)"""
    bench.run(body, scalars={4: 4}, vectors={0: LANE, 1: LANE * 2, 2: 0xFFFE0000, 3: LANE % 3 * 2})
    wave = bench.wave
    assert wave.v[4].tolist() == wave.v[5].tolist() == LANE.tolist()
    assert wave.v[6].tolist() == (LANE * 2).tolist()
    assert set(wave.i[7].tolist()) == {-2}
    assert not list(bench.violations.faults())


def test_past_its_end_a_lane_is_told_and_reads_nothing() -> None:
    bench = Bench(scratch=16)
    wave = bench.run("scratch_load_dword v4, v0, off", vectors={0: np.where(LANE == 5, 16, 12), 4: 7})
    (fault,) = bench.violations.faults()
    assert fault.signature == "oob-read from scratch memory by k numel=4 first=4 last=4 count=1"
    assert fault.seen and "lane 5 of wave 0" in str(fault.seen.place)
    assert wave.v[4][5] == 0 and wave.v[4][4] == 0xA5A5A5A5


def test_what_is_loaded_is_waited_for() -> None:
    bench = Bench(scratch=16)
    bench.run("scratch_load_dword v4, off, off\nv_mov_b32_e32 v5, v4")
    assert bench.told.hazards


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("scratch_load_dword v0, off, s0 lds", "scratch_load_dword with lds"),
        ("scratch_load_lds_dword v0, off", "scratch_load_lds_dword"),
    ],
)
def test_what_is_not_implemented_is_named(text: str, named: str) -> None:
    with pytest.raises(Unsupported) as caught:
        Bench(scratch=16).run(text)
    assert named in str(caught.value)


def test_flat_memory_is_that_of_the_arguments() -> None:
    source, target, bench = torch.arange(64, dtype=torch.int32), torch.zeros(64, dtype=torch.int32), Bench()
    one, two = (bench.tensor(name, tensor) for name, tensor in (("x", source), ("y", target)))
    low, high = doubles(np.uint64(one - 4) + LANE.astype(np.uint64) * np.uint64(4))
    to_low, to_high = doubles(np.uint64(two) + LANE.astype(np.uint64) * np.uint64(4))
    body = """flat_load_dword v4, v[0:1] offset:4
        s_waitcnt vmcnt(0) lgkmcnt(0)
        flat_store_dword v[2:3], v4
        flat_atomic_add v[2:3], v4"""
    bench.run(body, vectors={0: low, 1: high, 2: to_low, 3: to_high})
    assert target.tolist() == (source * 2).tolist()
    assert not list(bench.violations.faults()) and not bench.told.hazards


@pytest.mark.parametrize("wait", ["vmcnt(0)", "lgkmcnt(0)"])
def test_flat_memory_counts_twice(wait: str) -> None:
    memory, bench = torch.zeros(64, dtype=torch.int32), Bench()
    low, high = doubles(np.full(64, bench.tensor("x", memory), dtype=np.uint64))
    bench.run(
        f"flat_load_dword v4, v[0:1]\ns_waitcnt {wait}\nv_mov_b32_e32 v5, v4", vectors={0: low, 1: high}
    )
    assert bench.told.hazards
