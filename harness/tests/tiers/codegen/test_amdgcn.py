"""Stores in AMD's assembly."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.tiers.codegen import assembly
from harness.tiers.codegen.machine_store import MachineStore

WIDTHS = {"byte": 8, "short": 16, "dword": 32, "dwordx2": 64, "dwordx4": 128, "b8": 8, "b32": 32, "b128": 128}


def amd(*lines: str) -> tuple[MachineStore, ...]:
    return assembly.machine_stores("\n".join(f"\t{line}" for line in lines), "amdgcn")


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


@given(st.lists(st.sampled_from(sorted(WIDTHS)), max_size=12))
def test_every_store_is_counted_once_with_its_width(words: list[str]) -> None:
    lines = [
        line
        for word in words
        for line in ("s_waitcnt vmcnt(0)", f"buffer_store_{word} v[2:3], v5, s[8:11], 0 offen")
    ]
    stores = amd(*lines)
    assert [store.bits for store in stores] == [WIDTHS[word] for word in words]
    counted = assembly.counted(stores)
    assert sum(fact["count"] for fact in counted) == len(words)
    assert [fact["bits"] for fact in counted] == sorted({WIDTHS[word] for word in words})
