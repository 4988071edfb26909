"""What is read out of IR and assembly, on invented pieces of both."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.tiers import ir_facts
from harness.tiers.ir_facts import MachineStore

ARGUMENTS = ("table", "rows", "out", "stride")
HEADER = """
module {
  tt.func public @look_up(%arg0: !tt.ptr<i32> {tt.divisibility = 16 : i32} loc("table"(#loc)), \
%arg1: !tt.ptr<i64> loc(#loc), %arg2: !tt.ptr<i64>, %arg3: i32) attributes {noinline = false} {
    %c0 = arith.constant dense<0> : tensor<64xi64> loc(#loc)
    %lane = tt.make_range {end = 64 : i32, start = 0 : i32} : tensor<64xi32> loc(#loc)
    %rp = tt.splat %arg1 : !tt.ptr<i64> -> tensor<64x!tt.ptr<i64>> loc(#loc)
    %ra = tt.addptr %rp, %lane : tensor<64x!tt.ptr<i64>>, tensor<64xi32> loc(#loc)
    %row = tt.load %ra, %mask, %c0 : tensor<64x!tt.ptr<i64>> loc(#loc)
"""
LOOK_UP = """
    %s = arith.extsi %arg3 : i32 to i64 loc(#loc)
    %ss = tt.splat %s : i64 -> tensor<64xi64> loc(#loc)
    %index = arith.muli %row, %ss : tensor<64xi64> loc(#loc)
    %tp = tt.splat %arg0 : !tt.ptr<i32> -> tensor<64x!tt.ptr<i32>> loc(#loc)
    %ta = tt.addptr %tp, %index : tensor<64x!tt.ptr<i32>>, tensor<64xi64> loc(#loc)
    %slot = tt.load %ta, %mask evictionPolicy = evict_last : tensor<64x!tt.ptr<i32>> loc(#loc)
"""
ADDRESS = """
    %op = tt.splat %arg2 : !tt.ptr<i64> -> tensor<64x!tt.ptr<i64>> loc(#loc)
    %oa = tt.addptr %op, %lane : tensor<64x!tt.ptr<i64>>, tensor<64xi32> loc(#loc)
"""
STORE = "    tt.store %oa, %wide, %mask : tensor<64x!tt.ptr<i64>> loc(#loc)\n"


def read(*pieces: str) -> list[dict[str, object]]:
    found = ir_facts.accesses("".join((HEADER, *pieces)), ARGUMENTS)
    return [{"kind": access.kind, "mixed": access.mixed_width, **access.to_json()} for access in found]


# --- Triton's IR -----------------------------------------------------------------------------


def test_accesses_name_argument_element_offset_and_product() -> None:
    rows, table = read(LOOK_UP)
    assert rows == {"kind": "load", "mixed": False, "argument": "rows", "element": "i64", "offset": "i32"}
    index = {"offset": "i64", "products": ["i64"]}
    assert table == {"kind": "load", "mixed": False, "argument": "table", "element": "i32", **index}


def test_a_value_widened_just_before_its_store_is_of_mixed_width() -> None:
    widened = "    %wide = arith.extsi %slot : tensor<64xi32> to tensor<64xi64> loc(#loc)\n"
    store = read(LOOK_UP, ADDRESS, widened, STORE)[-1]
    assert store["mixed"] and (store["argument"], store["element"]) == ("out", "i64")
    assert (store["value"], store["conversion"]) == ("i32", "sign-extended")


def test_a_change_of_shape_between_does_not_hide_it() -> None:
    widened = "    %w = arith.trunci %row : tensor<64xi64> to tensor<64xi32> loc(#loc)\n"
    shaped = "    %wide = tt.reshape %w allow_reorder : tensor<64xi32> -> tensor<64xi32> loc(#loc)\n"
    store = read(ADDRESS, widened, shaped, STORE)[-1]
    assert store["mixed"] and store["conversion"] == "truncated" and store["value"] == "i64"


def test_a_value_computed_on_after_it_was_widened_is_not_of_mixed_width() -> None:
    widened = "    %w = arith.extsi %slot : tensor<64xi32> to tensor<64xi64> loc(#loc)\n"
    added = "    %wide = arith.addi %w, %row : tensor<64xi64> loc(#loc)\n"
    store = read(LOOK_UP, ADDRESS, widened, added, STORE)[-1]
    assert not store["mixed"] and "conversion" not in store


def test_a_flag_is_not_of_mixed_width() -> None:
    flag = "    %wide = arith.extui %hit : tensor<64xi1> to tensor<64xi64> loc(#loc)\n"
    made = "    %hit = arith.cmpi eq, %row, %c0 : tensor<64xi64> loc(#loc)\n"
    store = read(ADDRESS, made, flag, STORE)[-1]
    assert store["conversion"] == "zero-extended" and not store["mixed"]


def test_a_pointer_carried_through_a_loop_keeps_its_argument() -> None:
    loop = """
    %last = scf.for %i = %c0 to %c9 step %c1 iter_args(%at = %oa) -> (tensor<64x!tt.ptr<i64>>)  : i32 {
      tt.store %at, %row, %mask : tensor<64x!tt.ptr<i64>> loc(#loc)
      %next = tt.addptr %at, %lane : tensor<64x!tt.ptr<i64>>, tensor<64xi32> loc(#loc)
      scf.yield %next : tensor<64x!tt.ptr<i64>> loc(#loc)
    } loc(#loc)
"""
    store = read(ADDRESS, loop)[-1]
    assert store["argument"] == "out" and not store["mixed"]


def test_a_pointer_that_was_loaded_belongs_to_no_argument() -> None:
    loaded = """
    %far = tt.int_to_ptr %row : tensor<64xi64> -> tensor<64x!tt.ptr<i64>> loc(#loc)
    tt.store %far, %row, %mask : tensor<64x!tt.ptr<i64>> loc(#loc)
"""
    assert "argument" not in read(loaded)[-1]


def test_a_product_of_launch_facts_alone_is_none_of_the_data() -> None:
    index = """
    %block = arith.muli %pid, %arg3 : i32 loc(#loc)
    %bs = tt.splat %block : i32 -> tensor<64xi32> loc(#loc)
    %oa2 = tt.addptr %op, %bs : tensor<64x!tt.ptr<i64>>, tensor<64xi32> loc(#loc)
    tt.store %oa2, %row, %mask : tensor<64x!tt.ptr<i64>> loc(#loc)
"""
    assert "products" not in read(ADDRESS, index)[-1]


# --- AMD's assembly --------------------------------------------------------------------------


def amd(*lines: str) -> tuple[MachineStore, ...]:
    return ir_facts.machine_stores("\n".join(f"\t{line}" for line in lines), "amdgcn")


def test_a_store_of_a_register_filled_with_the_sign_is_sign_extended() -> None:
    filled = ("buffer_load_dword v0, v0, s[12:15], 0 offen", "v_ashrrev_i32_e32 v1, 31, v0")
    assert amd(*filled, "buffer_store_dwordx2 v[0:1], v5, s[8:11], 0 offen") == (MachineStore(64, True),)
    assert amd(*filled, "global_store_dwordx2 v5, v[0:1], s[8:9]") == (MachineStore(64, True),)
    assert amd(*filled, "global_store_b64 v5, v[0:1], s[8:9]") == (MachineStore(64, True),)


def test_a_choice_between_sign_and_default_keeps_the_sign() -> None:
    chosen = ("v_ashrrev_i32_e32 v1, 31, v0", "v_cndmask_b32_e32 v1, -1, v1, vcc")
    assert amd(*chosen, "buffer_store_dwordx2 v[0:1], v5, s[8:11], 0 offen") == (MachineStore(64, True),)


def test_a_register_written_anew_has_no_sign_any_more() -> None:
    written = ("v_ashrrev_i32_e32 v1, 31, v0", "buffer_load_dwordx2 v[0:1], v9, s[0:3], 0 offen")
    assert amd(*written, "buffer_store_dwordx2 v[0:1], v5, s[8:11], 0 offen") == (MachineStore(64, False),)


def test_a_shift_by_less_is_no_sign() -> None:
    shifted = ("v_ashrrev_i32_e32 v1, 3, v0", "flat_store_dwordx2 v[4:5], v[0:1]")
    assert amd(*shifted) == (MachineStore(64, False),)


WIDTHS = {"byte": 8, "short": 16, "dword": 32, "dwordx2": 64, "dwordx4": 128, "b8": 8, "b32": 32, "b128": 128}


@given(st.lists(st.sampled_from(sorted(WIDTHS)), max_size=12))
def test_every_store_is_counted_once_with_its_width(words: list[str]) -> None:
    lines = [
        line
        for word in words
        for line in ("s_waitcnt vmcnt(0)", f"buffer_store_{word} v[2:3], v5, s[8:11], 0 offen")
    ]
    stores = amd(*lines)
    assert [store.bits for store in stores] == [WIDTHS[word] for word in words]
    counted = ir_facts.counted(stores)
    assert sum(fact["count"] for fact in counted) == len(words)
    assert [fact["bits"] for fact in counted] == sorted({WIDTHS[word] for word in words})


# --- NVIDIA's --------------------------------------------------------------------------------


def ptx(*lines: str) -> tuple[MachineStore, ...]:
    return ir_facts.machine_stores("\n".join(f"\t{line}" for line in lines), "ptx")


def test_ptx_stores_tell_their_width_and_conversion() -> None:
    widened = ptx(
        "cvt.s64.s32 \t%rd11, %r1;", "// begin inline asm", "@%p1 st.global.b64 [ %rd12 + 0 ], { %rd11 };"
    )
    assert widened == (MachineStore(64, True),)
    assert ptx("@%p1 st.global.b32 [ %rd11 + 0 ], { %r1 };") == (MachineStore(32, False),)
    assert ptx("@%p1 st.global.v4.b32 [ %rd11 + 0 ], { %r1, %r2, %r3, %r4 };") == (MachineStore(128, False),)


def test_ptx_stores_to_shared_memory_and_loads_are_none() -> None:
    assert ptx("st.shared.b32 [ %r3 + 0 ], %r1;", "@%p1 ld.global.b64 { %rd1 }, [ %rd2 + 0 ];") == ()
