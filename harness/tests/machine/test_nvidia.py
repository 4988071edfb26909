"""The GPU is told by the driver's management library, and by nothing where there is none."""

from __future__ import annotations

from ctypes import Array, c_char
from typing import Any

import pytest

from harness.machine import features, nvidia, torch_build
from harness.machine.nvidia import Gpu

H200 = Gpu(name="NVIDIA H200", chip=90, driver="580.1", cuda="13.0")


class Library:
    """Stands for libnvidia-ml: answers as for one H200, and refuses the call that `refuses` names."""

    def __init__(self, refuses: str = "") -> None:
        self.refuses, self.shut, self.index = refuses, 0, -1

    def __getattr__(self, name: str) -> Any:
        if name == self.refuses:
            return lambda *arguments: 999
        return getattr(self, f"_{name}")

    def _nvmlInit_v2(self) -> int:
        return 0

    def _nvmlShutdown(self) -> int:
        self.shut += 1
        return 0

    def _nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> int:
        self.index, handle._obj.value = index.value, 7
        return 0

    def _nvmlDeviceGetCudaComputeCapability(self, handle: Any, major: Any, minor: Any) -> int:
        assert handle.value == 7
        major._obj.value, minor._obj.value = 9, 0
        return 0

    def _nvmlDeviceGetCount_v2(self, number: Any) -> int:
        number._obj.value = 4
        return 0

    def _nvmlSystemGetCudaDriverVersion_v2(self, version: Any) -> int:
        version._obj.value = 13000
        return 0

    def _nvmlDeviceGetName(self, handle: Any, buffer: Array[c_char], size: Any) -> int:
        buffer.value = b"NVIDIA H200"
        return 0

    def _nvmlSystemGetDriverVersion(self, buffer: Array[c_char], size: Any) -> int:
        buffer.value = b"580.1"
        return 0


def test_an_h200_is_told() -> None:
    library = Library()
    assert nvidia.gpu({}, library) == H200 and H200.chip == 90
    assert library.shut == 1


@pytest.mark.parametrize(
    "refused",
    ["nvmlInit_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetName", "nvmlSystemGetDriverVersion"],
)
def test_a_driver_that_refuses_has_no_gpu(refused: str) -> None:
    library = Library(refused)
    assert nvidia.gpu({}, library) is None
    assert library.shut == (0 if refused == "nvmlInit_v2" else 1)


@pytest.mark.parametrize("visible", ["", "-1", " "])
def test_hidden_gpus_are_none(visible: str) -> None:
    assert nvidia.gpu({"CUDA_VISIBLE_DEVICES": visible}, Library()) is None


@pytest.mark.parametrize(("visible", "index"), [("0", 0), ("3,1", 3), ("GPU-8f2a", 0)])
def test_the_first_visible_gpu_is_asked(visible: str, index: int) -> None:
    library = Library()
    assert nvidia.gpu({"CUDA_VISIBLE_DEVICES": visible}, library) == H200 and library.index == index


def test_no_library_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "_LIBRARY", "libnothing-of-the-kind.so.1")
    assert nvidia.gpu({}) is None


@pytest.mark.parametrize(
    ("gpu", "cuda", "platform"), [(H200, "13.0", "cuda-sm90"), (H200, None, "cpu"), (None, "13.0", "cpu")]
)
def test_the_platform_needs_a_gpu_and_a_torch_for_it(
    gpu: Gpu | None, cuda: str | None, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvidia, "gpu", lambda: gpu)
    monkeypatch.setattr(torch_build, "cuda", lambda: cuda)
    found = features.this_machine()
    assert str(found.platform) == platform
    assert (found.facts.get("gpu"), found.facts.get("cuda")) == (
        ("NVIDIA H200", "13.0") if platform != "cpu" else (None, None)
    )


@pytest.mark.parametrize(("refuses", "found"), [("", 4), ("nvmlInit_v2", 0), ("nvmlDeviceGetCount_v2", 0)])
def test_the_driver_counts_its_gpus(refuses: str, found: int) -> None:
    library = Library(refuses)
    assert nvidia.count(library) == found
    assert library.shut == (refuses != "nvmlInit_v2")


@pytest.mark.parametrize(("listed", "seen"), [(None, 4), ("0,1", 2), ("3", 1), ("", 0), ("0,1,2,3,4,5", 4)])
def test_a_process_sees_what_the_environment_leaves_it(listed: str | None, seen: int) -> None:
    environment = {} if listed is None else {"CUDA_VISIBLE_DEVICES": listed}
    assert nvidia.visible(environment, Library()) == seen
