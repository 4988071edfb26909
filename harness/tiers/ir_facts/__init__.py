"""Facts about memory accesses in a compiled Triton kernel, in words that Triton 3.4 to 3.9 share.

Read are Triton's own IR (TTIR), which is the same for every target, and the assembly of AMD (AMDGCN)
and of NVIDIA (PTX). Names of registers, values, layouts and lines are left out: they differ from
release to release. What each fact means is told in docs/codegen.md.
"""

from harness.tiers.ir_facts.access import accesses
from harness.tiers.ir_facts.assembly import counted, machine_stores
from harness.tiers.ir_facts.store import MachineStore

__all__ = ["MachineStore", "accesses", "counted", "machine_stores"]
