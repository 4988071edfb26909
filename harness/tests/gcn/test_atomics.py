"""Atomic operations against results worked out by hand, and how their lanes are judged (CDNA3 ISA, 12.15)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.tests.gcn.snippets import LANE, Bench, doubles, words

_RECORDS, _RESOURCE = 0x7FFFFFFE, 0x27000


def _at(base: int, offsets: Any) -> dict[int, Any]:
    low, high = doubles(np.uint64(base) + np.asarray(offsets, dtype=np.int64).astype(np.uint64))
    return {0: low, 1: high}


_WHOLE = [
    ("add", 5, 3, 8), ("sub", 5, 7, -2), ("swap", 5, 3, 3), ("smin", 5, -3, -3), ("smax", 5, -3, 5),
    ("umin", 5, -3, 5), ("umax", 5, -3, -3), ("and", 6, 3, 2), ("or", 6, 3, 7), ("xor", 6, 3, 5),
    ("inc", 5, 9, 6), ("inc", 9, 9, 0), ("dec", 5, 9, 4), ("dec", 0, 9, 9),
]  # fmt: skip


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize(("name", "before", "given", "after"), _WHOLE)
def test_whole_numbers(name: str, before: int, given: int, after: int, long: bool) -> None:
    dtype = torch.int64 if long else torch.int32
    memory, bench = torch.full((64,), before, dtype=dtype), Bench()
    base = bench.tensor("x", memory)
    opcode, data, result = ("_x2", "v[2:3]", "v[4:5]") if long else ("", "v2", "v4")
    low, high = doubles(np.full(64, given, dtype=np.int64))
    vectors = {**_at(base, LANE * dtype.itemsize), 2: low, 3: high, 5: 0}
    wave = bench.run(f"global_atomic_{name}{opcode} {result}, v[0:1], {data}, off sc0", vectors=vectors)
    assert memory.tolist() == [after] * 64
    assert wave.i[4].tolist() == [before] * 64
    assert not list(bench.violations.faults())


def test_lanes_come_one_after_the_other() -> None:
    memory, bench = torch.zeros(4, dtype=torch.int32), Bench()
    base = bench.tensor("x", memory)
    wave = bench.run(
        "global_atomic_add v3, v2, v4, s[4:5] sc0",
        scalars={4: base & 0xFFFFFFFF, 5: base >> 32}, vectors={2: LANE % 4 * 4, 4: 1},
    )  # fmt: skip
    assert memory.tolist() == [16] * 4
    assert wave.v[3].tolist() == (LANE // 4).tolist()


@pytest.mark.parametrize(
    ("name", "dtype", "given", "after"),
    [
        ("add_f32", torch.float32, words(0.5), 2.0),
        ("pk_add_f16", torch.float16, 0x38003800, 2.0),
        ("pk_add_bf16", torch.bfloat16, 0x3F003F00, 2.0),
    ],
)
def test_floats(name: str, dtype: torch.dtype, given: Any, after: float) -> None:
    memory, bench = torch.full((256 // dtype.itemsize,), 1.5, dtype=dtype), Bench()
    base = bench.tensor("x", memory)
    bench.run(f"global_atomic_{name} v[0:1], v2, off", vectors={**_at(base, LANE * 4), 2: given})
    assert set(memory.tolist()) == {after}


@pytest.mark.parametrize(("name", "after"), [("add_f64", 2.0), ("min_f64", 0.5), ("max_f64", 1.5)])
def test_doubles(name: str, after: float) -> None:
    memory, bench = torch.full((64,), 1.5, dtype=torch.float64), Bench()
    base = bench.tensor("x", memory)
    low, high = doubles(np.full(64, 0.5))
    bench.run(f"global_atomic_{name} v[0:1], v[2:3], off", vectors={**_at(base, LANE * 8), 2: low, 3: high})
    assert set(memory.tolist()) == {after}


def test_compare_and_swap_takes_the_new_value_first() -> None:
    memory, bench = torch.tensor([1, 2] * 32, dtype=torch.int32), Bench()
    base = bench.tensor("x", memory)
    wave = bench.run(
        "global_atomic_cmpswap v4, v[0:1], v[2:3], off sc0", vectors={**_at(base, LANE * 4), 2: 9, 3: 2}
    )
    assert memory.tolist() == [1, 9] * 32
    assert wave.v[4].tolist() == [1, 2] * 32


def test_buffer_returns_into_its_data_and_masks_lanes() -> None:
    memory, bench = torch.zeros(64, dtype=torch.int32), Bench()
    base = bench.tensor("x", memory)
    offsets = np.where(LANE < 10, LANE * 4, np.uint32(0x80000000))
    wave = bench.run(
        "buffer_atomic_add v2, v0, s[4:7], 0 offen sc0",
        scalars={4: base & 0xFFFFFFFF, 5: base >> 32, 6: _RECORDS, 7: _RESOURCE},
        vectors={0: offsets, 2: LANE + 1},
    )  # fmt: skip
    assert memory.tolist() == [*range(1, 11), *[0] * 54]
    assert wave.v[2].tolist() == [0] * 64
    assert not list(bench.violations.faults())


def test_a_lane_that_is_astray_is_told_and_changes_nothing() -> None:
    memory, bench = torch.zeros(60, dtype=torch.int32), Bench()
    base = bench.tensor("x", memory)
    wave = bench.run("global_atomic_add v4, v[0:1], v2, off sc0", vectors={**_at(base, LANE * 4), 2: 1, 4: 0})
    (fault,) = bench.violations.faults()
    assert fault.signature == "oob-write into x by k numel=60 first=60 last=63 count=4"
    assert fault.seen and "global_atomic_add of k, lane 60 of wave 0" in str(fault.seen.place)
    assert memory.tolist() == [1] * 60 and bench.poison.drawn
    assert wave.v[4][:60].tolist() == [0] * 60 and wave.v[4][60] != 0


def test_an_address_of_nothing_is_told() -> None:
    bench = Bench()
    bench.run("global_atomic_add v[0:1], v2, off", vectors={0: 0, 1: 0, 2: 1}, mask=1)
    (fault,) = bench.violations.faults()
    assert fault.kind == "oob-write" and "derived from no argument" in str(fault.message)


def test_between_the_rows_of_a_slice_nothing_is_changed() -> None:
    whole, bench = torch.zeros(8, 4, dtype=torch.int32), Bench()
    base = bench.tensor("x", whole[:, :2])
    bench.run("global_atomic_add v[0:1], v2, off", vectors={**_at(base, LANE * 4), 2: 1}, mask=0xF)
    assert whole[0].tolist() == [1, 1, 0, 0]
    assert [fault.count for fault in bench.violations.faults()] == [2]


@pytest.mark.parametrize("text", ["s_waitcnt vmcnt(0)", "s_nop 0"])
def test_what_is_returned_is_waited_for(text: str) -> None:
    memory, bench = torch.zeros(64, dtype=torch.int32), Bench()
    base = bench.tensor("x", memory)
    body = f"""global_atomic_add v4, v[0:1], v2, off sc0
        {text}
        v_mov_b32_e32 v5, v4"""
    bench.run(body, vectors={**_at(base, LANE * 4), 2: 1})
    assert bool(bench.told.hazards) is (text == "s_nop 0")


def test_caches_change_nothing() -> None:
    wave = Bench().run("buffer_wbl2 sc1\ns_waitcnt vmcnt(0)\nbuffer_inv sc1")
    assert wave.waits.outstanding("vm") == 1
