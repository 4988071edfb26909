"""Stores in NVIDIA's assembly."""

from __future__ import annotations

from harness.tiers.codegen import assembly
from harness.tiers.codegen.machine_store import MachineStore


def ptx(*lines: str) -> tuple[MachineStore, ...]:
    return assembly.machine_stores("\n".join(f"\t{line}" for line in lines), "ptx")


def test_ptx_stores_tell_their_width_and_conversion() -> None:
    widened = ptx(
        "cvt.s64.s32 \t%rd11, %r1;", "// begin inline asm", "@%p1 st.global.b64 [ %rd12 + 0 ], { %rd11 };"
    )
    assert widened == (MachineStore(64, True),)
    assert ptx("@%p1 st.global.b32 [ %rd11 + 0 ], { %r1 };") == (MachineStore(32, False),)
    assert ptx("@%p1 st.global.v4.b32 [ %rd11 + 0 ], { %r1, %r2, %r3, %r4 };") == (MachineStore(128, False),)


def test_ptx_stores_to_shared_memory_and_loads_are_none() -> None:
    assert ptx("st.shared.b32 [ %r3 + 0 ], %r1;", "@%p1 ld.global.b64 { %rd1 }, [ %rd2 + 0 ];") == ()
