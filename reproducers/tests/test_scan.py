"""The scan for mixed-width stores: what it reads of a kernel, and that it finds what upstream has."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "ci" / "scan_mixed_width.py"
KERNELS = """
import triton
import triton.language as tl

@triton.jit
def copies(req_to_token, out_cache_loc, count, BLOCK: tl.constexpr):
    lane = tl.arange(0, BLOCK)
    begin = req_to_token + lane
    tl.store(out_cache_loc + lane, tl.load(begin, mask=lane < count))

@triton.jit
def multiplies(k_ptr, out_ptr):
    tl.store(out_ptr, tl.dot(tl.load(k_ptr), tl.load(k_ptr)))

@triton.jit
def reads(req_to_token):
    return tl.load(req_to_token)

def no_kernel(a):
    tl.store(a, 1)
"""


@pytest.fixture
def scan(scripts: None) -> Any:
    return importlib.import_module("scan_mixed_width")


def test_kernels_of_integers_are_read_with_their_pointers_and_constants(scan: Any, tmp_path: Path) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "kernels.py").write_text(KERNELS)
    left_out: Counter[str] = Counter()
    (found,) = scan.kernels(tmp_path / "toy", left_out)
    assert (found.module, found.name) == ("toy.kernels", "copies")
    assert set(found.pointers) == {"req_to_token", "out_cache_loc"} and found.constants == {"BLOCK": 16}
    assert left_out == {"computes with floats": 1, "stores nothing itself": 1}


def test_dtypes_go_by_name_and_are_tried_both_ways_where_none_is_known(scan: Any) -> None:
    assert list(scan._combinations(["req_to_token", "stray"])) == [
        {"req_to_token": "i32", "stray": "i64"},
        {"req_to_token": "i32", "stray": "i32"},
    ]


def test_upstreams_every_decode_holds_the_store(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    command = [sys.executable, str(SCRIPT), "--only", "triton_ops.kv_indices", "--json", str(found)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    stores = {one["kernel"]: one for one in json.loads(found.read_text())}
    decode = stores["create_flashinfer_kv_indices_triton"]
    assert (decode["argument"], decode["value"], decode["element"]) == ("kv_indices_ptr", "i32", "i64")
    assert decode["conversion"] == "sign-extended" and decode["named"]
