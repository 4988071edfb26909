"""Runs a few instructions on one wave, for tests of single opcodes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from harness.gcn import assembly, emulator
from harness.gcn.emulator import Run
from harness.gcn.space import Space
from harness.gcn.wave import ALL, BARRIER, END, EXEC, LANES, STORE, Wave
from harness.memory.poison import Poison
from harness.memory.violations import Violations
from harness.memory.windows import Argument

LANE = np.arange(LANES, dtype=np.uint32)
_FRAME = """\t.amdgcn_target "amdgcn-amd-amdhsa--{architecture}"
\t.type\tk,@function
k:
{body}
\ts_endpgm
.Lfunc_end0:
\t\t.amdhsa_user_sgpr_count 2
\t\t.amdhsa_user_sgpr_kernarg_segment_ptr 1
\t\t.amdhsa_system_sgpr_workgroup_id_x 1
\t\t.amdhsa_private_segment_fixed_size {scratch}
"""


class Bench:
    """One wave, its memory, and what was seen of it."""

    def __init__(self, architecture: str = "gfx942", local_bytes: int = 1024, scratch: int = 0) -> None:
        self.architecture, self.scratch = architecture, scratch
        self.violations = Violations()
        self.poison = Poison()
        self.space = Space("k", self.violations, self.poison)
        self.local = np.zeros(local_bytes, dtype=np.uint8)
        self.wave = Wave(0, self.local, self.space)
        self.told = Run()

    def tensor(self, name: str, tensor: torch.Tensor) -> int:
        """The address of a tensor that the wave may touch."""
        return self.space.place(Argument(name, tensor, name))

    def run(
        self,
        text: str,
        scalars: Mapping[int, int] | None = None,
        vectors: Mapping[int, Any] | None = None,
        mask: int = ALL,
    ) -> Wave:
        """Execute instructions, one a line, up to the end or a barrier."""
        wave = self.wave
        for register, value in (scalars or {}).items():
            wave.write(register, value, 1)
        for register, values in (vectors or {}).items():
            wave.v[register] = words(values)
        wave.write(EXEC, mask, 2)
        body = "\n".join(f"\t{line.strip()}" if ":" not in line[:5] else line for line in text.splitlines())
        framed = _FRAME.format(architecture=self.architecture, body=body, scratch=self.scratch)
        code = emulator.decode(assembly.read(framed))
        wave.pc = 0
        self.told.executed = [0] * len(code.steps)
        with np.errstate(all="ignore"):
            while (stop := emulator._advance(code, wave, self.told)) == STORE:
                continue
            assert stop in (BARRIER, END)
        return wave


def run(text: str, **given: Any) -> Wave:
    """Execute instructions on a fresh wave."""
    return Bench(given.pop("architecture", "gfx942")).run(text, **given)


def words(values: Any) -> npt.NDArray[np.uint32]:
    """Values of 32 bits as they lie in a register; one for all lanes, or one each."""
    array = np.asarray(values)
    if array.dtype.kind == "f":
        array = array.astype(np.float32).view(np.uint32)
    return np.broadcast_to((array.astype(np.int64) & 0xFFFFFFFF).astype(np.uint32), (LANES,))


def doubles(values: Any) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Values of 64 bits as the two registers that hold them."""
    array = np.broadcast_to(np.asarray(values), (LANES,))
    bits = array.view(np.uint64) if array.dtype.itemsize == 8 else array.astype(np.uint64)
    return (bits & np.uint64(0xFFFFFFFF)).astype(np.uint32), (bits >> np.uint64(32)).astype(np.uint32)
