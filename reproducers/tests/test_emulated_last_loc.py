"""The kernels of #23596 as MI300's and MI350's machine code: right slots for every pair of dtypes.

What HIP was reported to get wrong, the store of a widened int32, is right in what stock Triton emits.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.host import environment

_CODE = """
import sys
from harness.host import preload
import torch
from harness.facts import Platform
from harness.gcn.launches import Emulation, emulated
from harness.host.targets import Target
from harness.memory.violations import Violations
from sglang.srt.mem_cache.triton_ops import common

legacy, safe = common.get_last_loc_kernel, common._get_last_loc_safe_kernel
target = Target(Platform.parse(sys.argv[1]))

table = torch.zeros(64, 132, dtype=torch.int32)
table[:, 131] = 3 * torch.arange(64, dtype=torch.int32) - 7
ran = 0
for lengths in (torch.int64, torch.int32):
    for rows in (torch.int64, torch.int32):
        prefixes, pool = torch.full((64,), 132, dtype=lengths), torch.arange(64).flip(0).to(rows)
        prefixes[7] = 0
        expected = torch.where(prefixes > 0, 3 * pool.long() - 7, torch.tensor(-1))
        emulation = Emulation(target, Violations(), None, lambda name: None, lambda name, given: None)
        wide, narrow = torch.zeros(64, dtype=lengths), torch.zeros(64, dtype=torch.int32)
        with emulated(emulation):
            legacy[(1,)](table, pool, prefixes, wide, 64, 132, BLOCK_SIZE=256)
            safe[(1,)](
                table, pool, prefixes, narrow, 64, 132, BLOCK_SIZE=256,
                PREFIX_DTYPE_IS_I64=lengths == torch.int64,
            )
        assert torch.equal(wide.long(), expected), (lengths, rows, wide)
        assert torch.equal(narrow.long(), expected), (lengths, rows, narrow)
        assert not list(emulation.violations.faults()), list(emulation.violations.faults())
        assert not any(run.hazards for _, run in emulation.runs)
        ran += len(emulation.runs)
print("ran", ran)
"""


@pytest.mark.parametrize("platform", ["rocm-gfx942", "rocm-gfx950"])
def test_slots_are_right_for_every_pair_of_dtypes(platform: str, tmp_path: Path) -> None:
    own = {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    variables = environment.merged(environment.COMPILED_KERNELS, own)
    ended = subprocess.run(
        [sys.executable, "-c", _CODE, platform], env=variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout.split()[-2:] == ["ran", "8"]
