"""The kernels of #23596 as MI300's and MI350's machine code: right slots for every pair of dtypes.

What HIP was reported to get wrong, the store of a widened int32, is right in what stock Triton emits.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from harness.host import environment

SCRIPT = Path(__file__).parents[2] / "ci" / "gcn_last_loc.py"
DTYPES = ("int64", "int32")
KERNELS = ("get_last_loc_kernel", "_get_last_loc_safe_kernel")


@pytest.mark.parametrize("platform", ["rocm-gfx942", pytest.param("rocm-gfx950", marks=pytest.mark.nightly)])
def test_slots_are_right_for_every_pair_of_dtypes(platform: str, tmp_path: Path) -> None:
    own = {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    variables = environment.merged(environment.COMPILED_KERNELS, own)
    ended = subprocess.run(
        [sys.executable, str(SCRIPT), platform], env=variables, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    ran = json.loads(ended.stdout.splitlines()[-1])["ran"]
    seen = [(one["prefix_lens"], one["req_pool_indices"], one["kernel"]) for one in ran]
    assert seen == list(product(DTYPES, DTYPES, KERNELS))
    assert [(one["wrong"], one["astray"], one["hazards"]) for one in ran] == [(0, [], [])] * 8
    assert all(one["waves"] == 4 and one["instructions"] > 100 for one in ran)
