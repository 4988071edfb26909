"""The local data share, and moves through it (CDNA3 ISA, section 11)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.errors import Unsupported
from harness.tests.gcn.snippets import LANE, Bench, run


@pytest.mark.parametrize(
    ("size", "words"), [("b8", 1), ("b16", 1), ("b32", 1), ("b64", 2), ("b96", 3), ("b128", 4)]
)
def test_there_and_back(size: str, words: int) -> None:
    reads = {"b8": "u8", "b16": "u16"}.get(size, size)
    source, target = (f"v[{n}:{n + words - 1}]" if words > 1 else f"v{n}" for n in (4, 8))
    text = f"ds_write_{size} v0, {source} offset:16\nds_read_{reads} {target}, v0 offset:16"
    given = {4 + n: LANE + 50 * n for n in range(words)}
    wave = Bench(local_bytes=4096).run(text, vectors={0: LANE * 16, **given})
    for number in range(words):
        assert np.array_equal(wave.v[8 + number], given[4 + number])


@pytest.mark.parametrize(("words", "place"), [(1, 2), (2, 4), (4, 8), (4, 16)])
def test_rows_that_are_not_aligned_lie_where_they_were_put(words: int, place: int) -> None:
    source, target = (f"v[{n}:{n + words - 1}]" if words > 1 else f"v{n}" for n in (4, 8))
    name = f"b{32 * words}"
    text = f"ds_write_{name} v0, {source} offset:{place}\nds_read_{name} {target}, v0 offset:{place}"
    given = {4 + n: LANE * 77 + n for n in range(words)}
    bench = Bench(local_bytes=2048)
    wave = bench.run(text, vectors={0: LANE * 16, **given})
    assert all(np.array_equal(wave.v[8 + n], given[4 + n]) for n in range(words))
    rows = np.stack([given[4 + n] for n in range(words)], axis=1).astype(np.uint32)
    lies = bench.local[place : place + 64 * 16 - (16 - 4 * words) * (words < 4)]
    for lane in (0, 1, 63):
        assert lies[16 * lane : 16 * lane + 4 * words].tolist() == rows[lane].view(np.uint8).tolist()


@pytest.mark.parametrize(("name", "result"), [("i8", 0xFFFFFF80), ("u8", 0x80), ("i16", 0xFFFF9180)])
def test_part_with_and_without_a_sign(name: str, result: int) -> None:
    bench = Bench()
    bench.local[:2] = [0x80, 0x91]
    assert hex(bench.run(f"ds_read_{name} v1, v0", vectors={0: 0}).v[1][0]) == hex(result)


@pytest.mark.parametrize(("suffix", "unit"), [("", 4), ("st64", 256)])
def test_pair_of_words_at_two_places(suffix: str, unit: int) -> None:
    places = "offset0:1 offset1:2"
    text = f"ds_write2{suffix}_b32 v0, v1, v2 {places}\nds_read2{suffix}_b32 v[4:5], v0 {places}"
    bench = Bench(local_bytes=2048)
    wave = bench.run(text, vectors={0: 0, 1: 11, 2: 22}, mask=1)
    assert (wave.v[4][0], wave.v[5][0]) == (11, 22)
    assert bench.local.view(np.uint32)[[unit // 4, unit // 2]].tolist() == [11, 22]


def test_pair_of_doubles() -> None:
    text = "ds_write2_b64 v0, v[2:3], v[4:5] offset1:1\nds_read2_b64 v[6:9], v0 offset1:1"
    wave = Bench(local_bytes=2048).run(text, vectors={0: LANE * 16, 2: 1, 3: 2, 4: 3, 5: LANE})
    assert [wave.v[n][9] for n in range(6, 10)] == [1, 2, 3, 9]


@pytest.mark.parametrize(
    ("name", "result"),
    [("add_u32", 106), ("sub_u32", 94), ("min_u32", 1), ("max_i32", 100), ("min_i32", 1), ("max_u32", 100),
     ("and_b32", 0), ("or_b32", 103), ("xor_b32", 100)],
)  # fmt: skip
def test_lanes_change_one_word_in_turn(name: str, result: int) -> None:
    bench = Bench()
    bench.local.view(np.uint32)[2] = 100
    bench.run(f"ds_{name} v0, v1 offset:4", vectors={0: 4, 1: LANE}, mask=0b1110)
    assert bench.local.view(np.uint32)[:4].tolist() == [0, 0, result, 0]


def test_a_change_past_the_share_is_told_and_one_of_two_words_refused() -> None:
    bench = Bench(local_bytes=64)
    bench.run("ds_add_u32 v0, v1", vectors={0: LANE * 4, 1: 1})
    (fault,) = bench.violations.faults()
    assert (fault.kind, fault.first, fault.last, fault.count) == ("oob-write", 16, 63, 48)
    assert bench.local.view(np.uint32).tolist() == [1] * 16
    with pytest.raises(Unsupported, match="ds_add_u32 on a part of two words"):
        run("ds_add_u32 v0, v1", vectors={0: 2, 1: 1})


def test_address_may_be_a_destination() -> None:
    bench = Bench()
    bench.local[:8] = [1, 0, 0, 0, 2, 0, 0, 0]
    wave = bench.run("ds_read2_b32 v[0:1], v0 offset1:1", vectors={0: 0})
    assert (wave.v[0][0], wave.v[1][0]) == (1, 2)


def test_access_past_the_share_reads_0_and_is_told() -> None:
    bench = Bench(local_bytes=64)
    wave = bench.run("ds_read_b32 v1, v0\nds_write_b32 v0, v2", vectors={0: LANE * 4, 2: 7})
    assert wave.v[1][20] == 0
    kinds = {(fault.kind, fault.buffer, fault.first, fault.count) for fault in bench.violations.faults()}
    assert kinds == {("oob-read", "local data share", 16, 48), ("oob-write", "local data share", 16, 48)}
    assert bench.local.view(np.uint32).tolist() == [7] * 16


def test_pull_from_another_lane() -> None:
    wave = run("ds_bpermute_b32 v2, v0, v1", vectors={0: (LANE ^ 5) * 4, 1: LANE + 100})
    assert np.array_equal(wave.v[2], (LANE ^ 5) + 100)


def test_pull_from_a_lane_that_is_off_gives_0() -> None:
    wave = run("ds_bpermute_b32 v2, v0, v1", vectors={0: 4, 1: LANE + 100, 2: 9}, mask=0b101)
    assert wave.v[2][:4].tolist() == [0, 9, 0, 9]


def test_push_to_another_lane() -> None:
    wave = run("ds_permute_b32 v2, v0, v1", vectors={0: (LANE + 1) % 64 * 4, 1: LANE + 100})
    assert np.array_equal(wave.v[2], (LANE - 1) % 64 + 100)


@pytest.mark.parametrize(("bits", "per_lane"), [(16, 4), (8, 8)])
def test_transposed_read_keeps_a_column(bits: int, per_lane: int) -> None:
    bench = Bench("gfx950", local_bytes=512)
    values = np.arange(512 * 8 // bits, dtype=f"u{bits // 8}")
    bench.local[:] = values.view(np.uint8)
    wave = bench.run(f"ds_read_b64_tr_b{bits} v[2:3], v0", vectors={0: LANE * 8})
    found = np.ascontiguousarray(wave.v[2:4].T).view(values.dtype)
    assert np.array_equal(found, values.reshape(4, per_lane, 16).transpose(0, 2, 1).reshape(64, per_lane))


@pytest.mark.parametrize(
    ("pattern", "source"),
    [
        ("swizzle(SWAP,16)", lambda n: n ^ 16),
        ("swizzle(REVERSE,8)", lambda n: n ^ 7),
        ("swizzle(BROADCAST,32,31)", lambda n: n // 32 * 32 + 31),
        ("swizzle(QUAD_PERM,1,0,3,2)", lambda n: n ^ 1),
        ('swizzle(BITMASK_PERM,"01pip")', lambda n: n & 32 | 8 | (n & 5) | (~n & 2)),
        ("0x401f", lambda n: n ^ 16),  # and_mask 31, or_mask 0, xor_mask 16
        ("0x80b1", lambda n: n ^ 1),  # a quad's lanes 1, 0, 3, 2
    ],
)
def test_swizzle_takes_a_lane_by_a_pattern_of_bits(pattern: str, source: Callable[[int], int]) -> None:
    wave = Bench().run(f"ds_swizzle_b32 v1, v0 offset:{pattern}", vectors={0: LANE + 100})
    assert wave.v[1].tolist() == [source(lane) + 100 for lane in range(64)]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("ds_add_rtn_u32 v0, v1, v2", "ds_add_rtn_u32"),
        ("ds_swizzle_b32 v0, v1 offset:swizzle(FFT,1)", "ds_swizzle_b32 swizzle(FFT,1)"),
        ("ds_swizzle_b32 v0, v1 offset:0xc000", "ds_swizzle_b32 offset:0xc000"),
        ("ds_read_u8_d16 v0, v1", "ds_read_u8_d16"),
        ("ds_read_b32 v0, v1 gds", "ds_read_b32 with gds"),
    ],
)
def test_what_is_not_implemented_is_named(text: str, named: str) -> None:
    with pytest.raises(Unsupported) as caught:
        run(text)
    assert named in str(caught.value)
