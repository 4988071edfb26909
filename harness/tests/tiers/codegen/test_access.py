"""Loads and stores of Triton's IR."""

from __future__ import annotations

from harness.tiers.codegen.access import accesses

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
    found = accesses("".join((HEADER, *pieces)), ARGUMENTS)
    return [{"kind": access.kind, "mixed": access.mixed_width, **access.to_json()} for access in found]


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
