"""Memory instructions, and how their lanes are judged (CDNA3 ISA, sections 7 to 9)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import Runaway, Unsupported
from harness.gcn.space import ASTRAY
from harness.gcn.wave import ALL
from harness.tests.gcn.snippets import LANE, Bench, doubles

_RESOURCE = 0x27000
_RECORDS = 0x7FFFFFFE


def _bench(tensor: torch.Tensor) -> tuple[Bench, int]:
    bench = Bench()
    return bench, bench.tensor("x", tensor)


def _pointers(base: int, offsets: Any) -> dict[int, Any]:
    low, high = doubles(np.uint64(base) + np.asarray(offsets, dtype=np.int64).astype(np.uint64))
    return {0: low, 1: high}


def _resource(base: int) -> dict[int, int]:
    return {4: base & 0xFFFFFFFF, 5: base >> 32, 6: _RECORDS, 7: _RESOURCE}


@pytest.mark.parametrize(
    ("name", "dtype", "size"),
    [("dword", torch.int32, 4), ("dwordx2", torch.int64, 8), ("dwordx4", torch.int64, 16),
     ("dwordx3", torch.int32, 12)],
)  # fmt: skip
def test_global_words_there_and_back(name: str, dtype: torch.dtype, size: int) -> None:
    source = (torch.arange(64 * size // dtype.itemsize) * 0x01010107).to(dtype)
    target = torch.zeros_like(source)
    bench, base = _bench(source)
    other = bench.tensor("y", target)
    words = size // 4
    register = f"v[4:{3 + words}]" if words > 1 else "v4"
    text = f"""global_load_{name} {register}, v[0:1], off
        s_waitcnt vmcnt(0)
        global_store_{name} v[2:3], {register}, off"""
    low, high = _pointers(other, LANE * size).values()
    bench.run(text, vectors={**_pointers(base, LANE * size), 2: low, 3: high})
    assert torch.equal(source, target)
    assert not list(bench.violations.faults())


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ubyte", 0x80), ("sbyte", 0xFFFFFF80), ("ushort", 0x9180), ("sshort", 0xFFFF9180),
     ("short_d16", 0xAAAA9180), ("short_d16_hi", 0x9180BBBB)],
)  # fmt: skip
def test_part_of_a_word(name: str, expected: int) -> None:
    bench, base = _bench(torch.tensor([0x80, 0x91], dtype=torch.uint8))
    wave = bench.run(f"global_load_{name} v4, v[0:1], off", vectors={**_pointers(base, 0), 4: 0xAAAABBBB})
    assert hex(wave.v[4][0]) == hex(expected)


@pytest.mark.parametrize(
    ("name", "expected"), [("byte", 0xCD), ("short", 0xABCD), ("short_d16_hi", 0x1234), ("byte_d16_hi", 0x34)]
)
def test_store_of_a_part(name: str, expected: int) -> None:
    target = torch.zeros(2, dtype=torch.uint8)
    bench, base = _bench(target)
    bench.run(f"global_store_{name} v[0:1], v4, off", vectors={**_pointers(base, 0), 4: 0x1234ABCD}, mask=1)
    assert int(target[0]) | int(target[1]) << 8 == expected


def test_global_address_is_a_scalar_base_and_a_32_bit_offset() -> None:
    bench, base = _bench(torch.arange(64, dtype=torch.int32))
    scalars = {4: base & 0xFFFFFFFF, 5: base >> 32}
    wave = bench.run("global_load_dword v1, v0, s[4:5] offset:-4", scalars=scalars, vectors={0: LANE * 4 + 4})
    assert np.array_equal(wave.v[1], LANE)


def test_buffer_address_is_the_sum_of_four() -> None:
    bench, base = _bench(torch.arange(100, dtype=torch.int32))
    text = (
        "buffer_load_dword v1, v0, s[4:7], s8 offen offset:8\nbuffer_load_dword v2, off, s[4:7], 0 offset:12"
    )
    wave = bench.run(text, scalars={**_resource(base), 8: 16}, vectors={0: LANE * 4})
    assert np.array_equal(wave.v[1], LANE + 6)
    assert set(wave.v[2].tolist()) == {3}


def test_masked_lanes_of_a_buffer_read_0_and_write_nothing() -> None:
    tensor = torch.arange(64, dtype=torch.int32)
    bench, base = _bench(tensor)
    text = "buffer_load_dword v1, v0, s[4:7], 0 offen\nbuffer_store_dword v2, v0, s[4:7], 0 offen"
    offsets = np.where(LANE < 32, LANE * 4, 0x80000000)
    wave = bench.run(text, scalars=_resource(base), vectors={0: offsets, 1: 7, 2: 9})
    assert np.array_equal(wave.v[1], np.where(LANE < 32, LANE, 0))
    assert tensor.tolist() == [9] * 32 + list(range(32, 64))
    assert not list(bench.violations.faults())


def test_lane_that_the_hardware_drops_is_astray_all_the_same() -> None:
    bench, base = _bench(torch.arange(64, dtype=torch.int32))
    offsets = np.where(LANE == 3, np.uint32(-8 & 0xFFFFFFFF), LANE * 4)
    wave = bench.run(
        "buffer_load_dword v1, v0, s[4:7], 0 offen", scalars=_resource(base), vectors={0: offsets}
    )
    assert wave.v[1][3] == 0
    (fault,) = bench.violations.faults()
    assert (fault.kind, fault.buffer, fault.first, fault.last, fault.count) == ("oob-read", "x", -2, -2, 1)
    assert "lane 3 of wave 0" in str(fault.seen)


def test_buffer_with_a_stride_is_refused() -> None:
    bench, base = _bench(torch.zeros(4, dtype=torch.int32))
    given = _resource(base)
    given[5] |= 4 << 16
    with pytest.raises(Unsupported, match="with a stride"):
        bench.run("buffer_load_dword v1, v0, s[4:7], 0 offen", scalars=given, vectors={0: 0})


def test_stray_loads_read_poison_and_are_counted_in_elements() -> None:
    bench, base = _bench(torch.arange(10, dtype=torch.int32))
    wave = bench.run("global_load_dwordx2 v[4:5], v[0:1], off", vectors=_pointers(base, LANE * 8), mask=0xFF)
    assert wave.v[4][4] == 8
    assert hex(wave.v[4][5]) == hex(0x5EADDEAD)
    assert bench.poison.drawn
    (fault,) = bench.violations.faults()
    assert (fault.kind, fault.numel, fault.first, fault.last, fault.count) == ("oob-read", 10, 10, 15, 6)
    assert "global_load_dwordx2 of k, lane 5 of wave 0" in str(fault.seen)


def test_part_of_a_wide_access_that_is_inside_is_done() -> None:
    tensor = torch.zeros(9, dtype=torch.int32)
    bench, base = _bench(tensor)
    given = {**_pointers(base, LANE * 8), 4: 5, 5: 6}
    bench.run("global_store_dwordx2 v[0:1], v[4:5], off", vectors=given, mask=0b11111)
    assert tensor.tolist() == [5, 6] * 4 + [5]
    (fault,) = bench.violations.faults()
    assert (fault.kind, fault.first, fault.last, fault.count) == ("oob-write", 9, 9, 1)


def test_gap_between_the_rows_of_a_slice() -> None:
    whole = torch.arange(64, dtype=torch.int32).view(8, 8)
    bench, base = _bench(whole[:, :4])
    bench.run("global_load_dword v4, v[0:1], off", vectors=_pointers(base, LANE * 4), mask=0x3F)
    (fault,) = bench.violations.faults()
    assert (fault.first, fault.last, fault.message) == (4, 5, "between the rows of the slice that was passed")


def test_address_of_no_argument() -> None:
    bench, _ = _bench(torch.zeros(4, dtype=torch.int32))
    bench.run("global_load_dword v4, v[0:1], off", vectors=_pointers(0x1234, 0), mask=1)
    (fault,) = bench.violations.faults()
    assert fault.message == "an address that was derived from no argument and no live tensor"


def test_lanes_that_are_off_access_nothing() -> None:
    bench, base = _bench(torch.zeros(1, dtype=torch.int32))
    wave = bench.run(
        "global_load_dword v4, v[0:1], off", vectors={**_pointers(base, LANE * 4), 4: LANE}, mask=1
    )
    assert wave.v[4].tolist() == [0, *range(1, 64)]
    assert not list(bench.violations.faults())


def test_endless_loop_astray_is_stopped() -> None:
    bench, base = _bench(torch.zeros(1, dtype=torch.int32))
    text = ".LB:\nglobal_load_dword v4, v[0:1], off\ns_waitcnt vmcnt(0)\ns_branch .LB"
    with pytest.raises(Runaway, match=f"after {ASTRAY} accesses"):
        bench.run(text, vectors=_pointers(base, 4000))


def test_scalar_loads_read_arguments_and_tensors() -> None:
    bench, base = _bench(torch.arange(8, dtype=torch.int32))
    segment = bench.space.segment(base.to_bytes(8, "little") + b"\x07\0\0\0")
    text = """s_load_dwordx2 s[4:5], s[0:1], 0x0
        s_load_dword s6, s[0:1], 0x8
        s_waitcnt lgkmcnt(0)
        s_load_dwordx4 s[8:11], s[4:5], 0x4
        s_load_dword s12, s[4:5], s6 offset:0x8"""
    wave = bench.run(text, scalars={0: segment & 0xFFFFFFFF, 1: segment >> 32})
    assert (wave.read(4, 2), wave.scalars[6], wave.scalars[8:12]) == (base, 7, [1, 2, 3, 4])
    assert wave.scalars[12] == 3  # the two lowest bits of the address do not count


def test_scalar_load_astray() -> None:
    bench, base = _bench(torch.arange(8, dtype=torch.int32))
    bench.run("s_load_dwordx2 s[4:5], s[0:1], 0x1c", scalars={0: base & 0xFFFFFFFF, 1: base >> 32})
    (fault,) = bench.violations.faults()
    assert (fault.kind, fault.first, fault.count) == ("oob-read", 8, 1)


def test_scalar_load_that_is_partly_astray() -> None:
    bench, base = _bench(torch.arange(8, dtype=torch.int32))
    wave = bench.run("s_load_dwordx2 s[4:5], s[0:1], 0x1c", scalars={0: base & 0xFFFFFFFF, 1: base >> 32})
    assert wave.scalars[4:6] == [7, 0x5EADDEAD]


_MASKS = st.one_of(st.just(ALL), st.integers(0, ALL))


@settings(max_examples=40)
@given(width=st.sampled_from([4, 8, 12, 16]), shift=st.integers(0, 16), step=st.integers(0, 20), mask=_MASKS)
def test_a_load_finds_the_bytes_that_lie_there(width: int, shift: int, step: int, mask: int) -> None:
    """However its lanes are aligned, and whichever of them are off."""
    octets = torch.arange(64 * 20 + 32, dtype=torch.int32).to(torch.uint8)
    bench, base = _bench(octets)
    words = width // 4
    places, active = shift + step * np.arange(64), mask >> np.arange(64, dtype=object) & 1 == 1
    name = "dword" if words == 1 else f"dwordx{words}"
    target = "v4" if words == 1 else f"v[4:{3 + words}]"
    before = {4 + n: 99 for n in range(words)}
    wave = bench.run(
        f"global_load_{name} {target}, v[0:1], off", vectors=_pointers(base, places) | before, mask=mask
    )
    found = np.ascontiguousarray(wave.v[4 : 4 + words].T).view(np.uint8).reshape(64, width)
    lies = octets.numpy()[places[:, None] + np.arange(width)]
    assert (found[active] == lies[active]).all()
    assert (wave.v[4 : 4 + words, ~active] == 99).all()
    assert not list(bench.violations.faults())


@settings(max_examples=40)
@given(words=st.sampled_from([1, 2, 4]), shift=st.integers(0, 8), room=st.integers(0, 8), mask=_MASKS)
def test_a_store_lies_where_its_lanes_put_it(words: int, shift: int, room: int, mask: int) -> None:
    octets = torch.zeros(64 * 24 + 8, dtype=torch.uint8)
    bench, base = _bench(octets)
    places = shift + (4 * words + room) * np.arange(64)
    values = {4 + n: LANE * 1000003 + n for n in range(words)}
    name, source = ("dword", "v4") if words == 1 else (f"dwordx{words}", f"v[4:{3 + words}]")
    text = f"global_store_{name} v[0:1], {source}, off"
    bench.run(text, vectors=_pointers(base, places) | values, mask=mask)
    rows = np.stack([values[4 + n] for n in range(words)], axis=1).astype(np.uint32).view(np.uint8)
    lies = np.zeros(octets.numel(), dtype=np.uint8)
    for lane in range(64):
        if mask >> lane & 1:
            lies[places[lane] : places[lane] + 4 * words] = rows[lane]
    assert (octets.numpy() == lies).all()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("global_atomic_add_u32 v[0:1], v2, off", "global_atomic_add_u32"),
        ("flat_load_dword v0, v[2:3] lds", "flat_load_dword with lds"),
        ("buffer_load_dword v0, s[4:7], 0 offen lds", "buffer_load_dword with lds"),
        ("buffer_load_dword v[0:1], v2, s[4:7], 0 idxen", "buffer_load_dword with idxen"),
        ("s_buffer_load_dword s0, s[4:7], 0x0", "s_buffer_load_dword"),
        ("s_load_dwordx16 s[0:15], s[4:5], 0x0 nv", "s_load_dwordx16 with nv"),
    ],
)
def test_what_is_not_implemented_is_named(text: str, named: str) -> None:
    with pytest.raises(Unsupported) as caught:
        Bench().run(text)
    assert named in str(caught.value)
