"""Waves from barrier to barrier, and values that are used before the wait for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.errors import Runaway, Unsupported
from harness.gcn import assembly, emulator, segment
from harness.gcn.assembly import Slot
from harness.gcn.space import Space
from harness.gcn.wave import Wave
from harness.memory.poison import Poison
from harness.memory.violations import Violations
from harness.memory.windows import Argument
from harness.tests.gcn.snippets import LANE, Bench, doubles

_KERNEL = """\t.amdgcn_target "amdgcn-amd-amdhsa--gfx942"
\t.type\tk,@function
k:                                      ; @k
\t.loc\t1 7 0 prologue_end              ; kernel.py:7:0
{body}
.Lfunc_end0:
\t\t.amdhsa_user_sgpr_count 2
\t\t.amdhsa_user_sgpr_kernarg_segment_ptr 1
\t\t.amdhsa_system_sgpr_workgroup_id_x 1
\t\t.amdhsa_system_sgpr_workgroup_id_y {y}
{declared}
    .args:
      - .address_space:  global
        .offset:         0
        .size:           8
        .value_kind:     global_buffer
      - .offset:         8
        .size:           4
        .value_kind:     by_value
      - .offset:         12
        .size:           4
        .value_kind:     {hidden}
    .group_segment_fixed_size: 0
"""


def _assembly(
    body: str, declared: str = "", hidden: str = "hidden_block_count_x", y: int = 0
) -> assembly.Assembly:
    return assembly.read(_KERNEL.format(body=body, declared=declared, hidden=hidden, y=y))


def _run(body: str, out: torch.Tensor, grid: tuple[int, int, int], warps: int, y: int = 0) -> emulator.Run:
    read = _assembly(body, y=y)
    space = Space("k", Violations(), Poison())
    base = space.place(Argument("out", out, "out"))
    content = segment.lay_out(read, ["*i32", "i32"], [base, 5], grid, warps)
    return emulator.run(emulator.decode(read), space, space.segment(content), grid, warps, 1024)


_STORE = """\ts_load_dwordx2 s[4:5], s[0:1], 0x0
\ts_load_dwordx2 s[6:7], s[0:1], 0x8
\ts_waitcnt lgkmcnt(0)
\ts_lshl_b32 s8, s2, 7
\tv_add_u32_e32 v1, s8, v0
\tv_lshlrev_b32_e32 v1, 2, v1
\tv_mov_b32_e32 v2, {value}
\tglobal_store_dword v1, v2, s[4:5]
\ts_endpgm"""


@pytest.mark.parametrize(("value", "expected"), [("s6", 5), ("s7", 3)])
def test_arguments_given_and_hidden(value: str, expected: int) -> None:
    out = torch.zeros(384, dtype=torch.int32)
    told = _run(_STORE.format(value=value), out, (3, 1, 1), 2)
    assert set(out.tolist()) == {expected}
    assert (told.waves, told.instructions, told.opcodes["s_endpgm"]) == (6, 54, 6)
    assert not told.hazards


def test_programs_of_two_axes() -> None:
    out = torch.zeros(384, dtype=torch.int32)
    _run(_STORE.format(value="s3"), out, (3, 2, 1), 2, y=1)
    assert set(out.tolist()) == {1}  # the last program to write


def test_work_items_are_numbered_through_the_waves() -> None:
    out = torch.zeros(256, dtype=torch.int32)
    _run(_STORE.format(value="v0").replace("s_lshl_b32 s8, s2, 7", "s_mov_b32 s8, 0"), out, (1, 1, 1), 4)
    assert out.tolist() == list(range(256))


_EXCHANGE = """\ts_load_dwordx2 s[4:5], s[0:1], 0x0
\tv_lshlrev_b32_e32 v1, 2, v0
\tv_xor_b32_e32 v2, 0x100, v1
\tds_write_b32 v1, v0
\ts_waitcnt lgkmcnt(0)
\ts_barrier
\tds_read_b32 v3, v2
\ts_waitcnt lgkmcnt(0)
\tglobal_store_dword v1, v3, s[4:5]
\ts_endpgm"""


def test_waves_exchange_values_at_a_barrier() -> None:
    out = torch.zeros(128, dtype=torch.int32)
    told = _run(_EXCHANGE, out, (1, 1, 1), 2)
    assert out.tolist() == [*range(64, 128), *range(64)]
    assert not told.hazards


_SHIFT = """\ts_load_dwordx2 s[4:5], s[0:1], 0x0
\tv_lshlrev_b32_e32 v1, 2, v0
\ts_waitcnt lgkmcnt(0)
\tglobal_load_dword v2, v1, s[4:5] offset:4
\ts_waitcnt vmcnt(0)
\tglobal_store_dword v1, v2, s[4:5]
\ts_endpgm"""


def test_waves_load_before_any_of_them_stores() -> None:
    """A row that is moved by one: the first wave's last element is the second one's first."""
    out = torch.arange(129, dtype=torch.int32)
    _run(_SHIFT, out, (1, 1, 1), 2)
    assert out.tolist() == [*range(1, 129), 128]
    parts = torch.arange(129, dtype=torch.int32)
    _run(_SHIFT.replace("\ts_waitcnt vmcnt(0)\n", "\ts_waitcnt vmcnt(0)\n\ts_barrier\n"), parts, (1, 1, 1), 2)
    assert parts.tolist() == out.tolist()


@pytest.mark.parametrize(
    ("removed", "at"),
    [(4, "s_barrier"), (7, "global_store_dword v1, v3, s[4:5]")],
)
def test_removed_wait_is_noticed(removed: int, at: str) -> None:
    lines = _EXCHANGE.splitlines()
    assert "s_waitcnt" in lines.pop(removed)
    told = _run("\n".join(lines), torch.zeros(128, dtype=torch.int32), (1, 1, 1), 2)
    assert [(hazard.instruction, hazard.line) for hazard in told.hazards] == [(at, "kernel.py:7")]


def test_waves_that_part_at_a_barrier_are_refused() -> None:
    lines = "v_readfirstlane_b32 s4, v0", "s_cmp_eq_u32 s4, 0", "s_cbranch_scc1 .LB", "s_barrier"
    body = "\n".join((*(f"\t{line}" for line in lines), ".LB:", "\ts_endpgm"))
    with pytest.raises(Unsupported, match="others wait at a barrier"):
        _run(body, torch.zeros(1, dtype=torch.int32), (1, 1, 1), 2)


def test_endless_loop_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "LONGEST", 1000)
    with pytest.raises(Runaway, match="stopped after 1000 instructions"):
        _run(".LB:\n\ts_branch .LB", torch.zeros(1, dtype=torch.int32), (1, 1, 1), 1)


# --- waits -----------------------------------------------------------------------------------


def _hazards(text: str) -> list[str]:
    bench = Bench()
    base = bench.tensor("x", torch.arange(256, dtype=torch.int32))
    low, high = doubles(np.uint64(base) + LANE.astype(np.uint64) * np.uint64(4))
    scalars = {4: base & 0xFFFFFFFF, 5: base >> 32}
    bench.run(text, scalars=scalars, vectors={0: low, 1: high, 8: LANE * 4, 9: 0})
    return [hazard.instruction for hazard in bench.told.hazards]


_TWO = "global_load_dword v2, v[0:1], off\nglobal_load_dword v3, v[0:1], off offset:4\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (_TWO + "s_waitcnt vmcnt(0)\nv_add_u32_e32 v4, v2, v3", []),
        (_TWO + "v_mov_b32_e32 v4, v2", ["v_mov_b32_e32 v4, v2"]),
        # Vector memory returns in order: with one outstanding, the first is there.
        (_TWO + "s_waitcnt vmcnt(1)\nv_mov_b32_e32 v4, v2", []),
        (_TWO + "s_waitcnt vmcnt(1)\nv_mov_b32_e32 v4, v3", ["v_mov_b32_e32 v4, v3"]),
        (_TWO + "s_waitcnt lgkmcnt(0)\nv_mov_b32_e32 v4, v2", ["v_mov_b32_e32 v4, v2"]),
        (_TWO + "s_waitcnt vmcnt(0) lgkmcnt(0)\nv_mov_b32_e32 v4, v2", []),
        # Written before it arrives, it would be overwritten.
        (_TWO + "v_mov_b32_e32 v3, 0", ["v_mov_b32_e32 v3, 0"]),
        (_TWO + "v_mov_b32_e32 v4, 0", []),
        # The scalar cache returns in any order: only a wait for all of it covers one.
        ("s_load_dword s6, s[4:5], 0x0\ns_waitcnt lgkmcnt(0)\ns_mov_b32 s8, s6", []),
        ("s_load_dword s6, s[4:5], 0x0\ns_mov_b32 s8, s6", ["s_mov_b32 s8, s6"]),
        (
            """s_load_dword s6, s[4:5], 0x0
            s_load_dword s7, s[4:5], 0x4
            s_waitcnt lgkmcnt(1)
            s_mov_b32 s8, s6""",
            ["s_mov_b32 s8, s6"],
        ),
        ("ds_read_b32 v2, v8\nds_read_b32 v3, v8\ns_waitcnt lgkmcnt(1)\nv_mov_b32_e32 v4, v2", []),
        ("ds_bpermute_b32 v2, v8, v9\nv_mov_b32_e32 v4, v2", ["v_mov_b32_e32 v4, v2"]),
        # A store's data was read when it was issued.
        ("global_store_dword v[0:1], v9, off\nv_mov_b32_e32 v9, 1", []),
    ],
)
def test_value_used_before_its_wait(text: str, told: list[str]) -> None:
    assert _hazards(text) == told


# --- waves side by side ----------------------------------------------------------------------

_PARTING = """\ts_load_dwordx2 s[4:5], s[0:1], 0x0
\ts_waitcnt lgkmcnt(0)
\tv_readfirstlane_b32 s9, v0
\tv_mov_b32_e32 v2, 1
\ts_cmp_eq_u32 s9, 64
\ts_cbranch_scc0 .L1
\tv_mov_b32_e32 v2, 2
.L1:
\tv_add_u32_e32 v2, s9, v2
{barrier}
\tv_cmp_gt_u32_e32 vcc, 100, v0
\tv_cndmask_b32_e32 v3, 0, v2, vcc
\tv_lshlrev_b32_e32 v1, 2, v0
\tglobal_store_dword v1, v3, s[4:5]
\tv_readlane_b32 s10, v0, 3
\tv_mov_b32_e32 v4, s10
\tglobal_store_dword v1, v4, s[4:5] offset:1024
\ts_endpgm"""
_ODD = [*[1] * 64, *[66] * 36, *[0] * 156]


@pytest.mark.parametrize("barrier", ["", "\ts_barrier"])
def test_waves_that_take_other_ways_part_and_join(barrier: str) -> None:
    out = torch.zeros(512, dtype=torch.int32)
    told = _run(_PARTING.format(barrier=barrier), out, (1, 1, 1), 4)
    assert out.tolist() == _ODD + [3 + 64 * (n // 64) for n in range(256)]
    # One of the four waves passed by what the others skipped.
    assert told.opcodes["v_mov_b32"] == 4 + 1 + 4
    assert told.waves == 4 and not told.hazards


def test_as_one_or_one_by_one_waves_do_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waves side by side do is what each of them does: the counts, the memory, and the stops."""
    body = _PARTING.format(barrier="\ts_barrier")
    one, other = torch.zeros(512, dtype=torch.int32), torch.zeros(512, dtype=torch.int32)
    together = _run(body, one, (2, 1, 1), 4)
    monkeypatch.setattr(emulator, "_joined", lambda whole, waves: [p for w in waves for p in w.parts()])
    monkeypatch.setattr(emulator, "_reached", _by_itself)
    apart = _run(body, other, (2, 1, 1), 4)
    assert torch.equal(one, other)
    assert (together.opcodes, together.instructions) == (apart.opcodes, apart.instructions)


def _by_itself(code: emulator.Code, wave: Wave, told: emulator.Run) -> list[tuple[Wave, int]]:
    return [(part, emulator._advance(code, part, told)) for part in wave.parts()]


def test_waves_join_where_all_stand_at_the_same_instruction() -> None:
    whole = Wave(0, np.zeros(0, dtype=np.uint8), Space("k", Violations(), Poison()), 2)
    first, second = whole.parts()
    first.write(4, 7, 1)
    second.pc = 1
    assert not whole.join([first, second])
    first.pc = 1
    assert whole.join([first, second])
    assert (whole.pc, whole.read(4, 1)) == (1, (7, second.read(4, 1)))


_SKIPPED = """\ts_load_dwordx2 s[4:5], s[0:1], 0x0
\ts_waitcnt lgkmcnt(0)
\tv_lshlrev_b32_e32 v1, 2, v0
\tglobal_load_dword v2, v1, s[4:5]
\tv_readfirstlane_b32 s9, v0
\ts_cmp_eq_u32 s9, 64
\ts_cbranch_scc1 .L1
\tglobal_load_dword v3, v1, s[4:5]
.L1:
\ts_waitcnt vmcnt({left})
\tv_add_u32_e32 v2, 1, v2
\ts_endpgm"""


@pytest.mark.parametrize(("left", "told"), [(0, 0), (1, 1)])
def test_a_wave_that_skipped_a_load_has_another_count_to_wait_for(left: int, told: int) -> None:
    """Two loads are outstanding for the others and one for it: a wait for all but one is no wait for it."""
    out = torch.zeros(256, dtype=torch.int32)
    assert len(_run(_SKIPPED.format(left=left), out, (1, 1, 1), 4).hazards) == told


# --- what a kernel asks of its launch --------------------------------------------------------


def test_equal_instructions_share_what_executes_them() -> None:
    body = "\tv_add_u32_e32 v40, v1, v2\n\tv_add_u32_e32 v40, v1, v2\n\tv_add_u32_e32 v40, v1, v3\n\ts_endpgm"
    code = emulator.decode(_assembly(body))
    assert code.steps[0] is code.steps[1] and code.steps[0] is not code.steps[2]
    assert code.vectors == 41
    as_another = replace(code.assembly.instructions[0], opcode="v_sub_u32")
    other = emulator.decode(replace(code.assembly, instructions=(as_another,)))
    wave = Bench().wave
    wave.v[1], wave.v[2] = 7, 3
    other.steps[0](wave)
    assert wave.v[40][0] == 4  # by what it is, not by how it was written


def test_all_that_is_missing_is_named_at_once() -> None:
    body = "\tv_sin_f32_e32 v0, v1\n\tbuffer_load_lds_dword v0\n\tv_sin_f32_e32 v0, v1\n\ts_endpgm"
    with pytest.raises(Unsupported) as caught:
        emulator.decode(_assembly(body))
    assert str(caught.value) == "k on gfx942: v_sin_f32; buffer_load_lds_dword"


def test_other_registers_at_the_start_are_refused() -> None:
    declared = "\t\t.amdhsa_user_sgpr_dispatch_ptr 1"
    with pytest.raises(Unsupported, match="user_sgpr_dispatch_ptr"):
        emulator.decode(_assembly("\ts_endpgm", declared))


def test_local_bytes_of_the_launch_are_a_hidden_argument() -> None:
    read = _assembly("\ts_endpgm", "\t\t.amdhsa_group_segment_fixed_size 64", "hidden_dynamic_lds_size")
    content = segment.lay_out(read, ["*i32", "i32"], [0, 0], (1, 1, 1), 1, 1024)
    assert int.from_bytes(content[12:16], "little") == 960


def test_unknown_hidden_argument_is_refused() -> None:
    with pytest.raises(Unsupported, match="hidden_hostcall_buffer"):
        segment.lay_out(
            _assembly("\ts_endpgm", hidden="hidden_hostcall_buffer"), ["*i32", "i32"], [0, 0], (1, 1, 1), 1
        )


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("i32", -2, b"\xfe\xff\xff\xff"), ("u64", 2**63, b"\0" * 7 + b"\x80"), ("i1", True, b"\1"),
        ("fp32", 1.0, b"\0\0\x80\x3f"), ("fp16", 1.0, b"\0\x3c"), ("bf16", 1.0, b"\x80\x3f"),
        ("fp64", 1.0, b"\0" * 6 + b"\xf0\x3f"), ("*fp32", 258, b"\2\1" + b"\0" * 6),
    ],
)  # fmt: skip
def test_argument_by_its_type(kind: str, value: float, expected: bytes) -> None:
    assert segment.packed(kind, value) == expected


def test_argument_of_another_type_is_refused() -> None:
    with pytest.raises(Unsupported, match="an argument of type tensordesc"):
        segment.packed("tensordesc<fp16>", 0)


def test_too_few_arguments_are_refused() -> None:
    with pytest.raises(Unsupported, match="arguments declared, 0 given"):
        segment.lay_out(_assembly("\ts_endpgm").__class__(
            "k", "gfx942", (), {}, {}, tuple(Slot(8 * n, 8, "global_buffer") for n in range(3))
        ), [], [], (1, 1, 1), 1)  # fmt: skip
