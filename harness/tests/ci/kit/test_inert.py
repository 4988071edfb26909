"""Stand-ins in a kit import, decorate, and refuse to be called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ci.kit import inert

SCRIPT = """
from flashinfer.sampling import min_p_sampling_from_probs
import cutlass.cute as cute
from cutlass._mlir.dialects import llvm

@cute.jit
def kernel(tensor: cute.Tensor) -> None:
    return "mine"

print(kernel(None), cute.nvgpu.cpasync, hasattr(llvm, "__wrapped__"))
for refused in (min_p_sampling_from_probs, cute.arch.barrier):
    try:
        refused(1, 2)
    except NotImplementedError as error:
        print(error)
try:
    import flashinfer.norm
except ImportError:
    print("no norms")
"""


def _laid_out(folder: Path) -> Path:
    for name, text in inert.files(()).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


def test_names_import_and_refuse(tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(_laid_out(tmp_path))}
    words = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=True)
    said = "was called, but the offline kit carries only its name"
    assert done.stdout.splitlines() == [
        "mine <inert cutlass.cute.nvgpu.cpasync> False",
        f"flashinfer.sampling.min_p_sampling_from_probs {said}",
        f"cutlass.cute.arch.barrier {said}",
        "no norms",
    ]


def test_what_is_there_has_no_stand_in() -> None:
    assert inert.files(inert.MODULES.keys()) == {} == inert.environment(inert.MODULES.keys())
    without = inert.files({"flashinfer-python", "sgl-deep-gemm"})
    assert not [name for name in without if name.startswith(("flashinfer", "deep_gemm"))]
    assert "cutlass/__init__.py" in without


def test_switches_go_with_the_stand_ins() -> None:
    assert inert.environment({"sgl-deep-gemm"}) == {"SGLANG_IS_FLASHINFER_AVAILABLE": "false"}
