"""Electric fences through HIP's interface, answered by a library that reads what is passed as HIP does."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.errors import Unresolved
from harness.memory.device import driver
from harness.memory.device.driver import HIP, DriverMemory
from harness.memory.device.memory import GuardedSource
from harness.tests.memory.device.hip_double import compiled

UNIT = 1 << 16
STRAY = """
import ctypes
import sys
import torch
from harness.memory.device.driver import HIP, DriverMemory, Vendor
from harness.memory.device.memory import GuardedSource
vendor = Vendor(sys.argv[1], "hip", HIP.oldest)
region = GuardedSource(torch.device("cpu"), DriverMemory(vendor, 1)).take(64)
ctypes.memset(region.address + int(sys.argv[2]), 7, 1)
print("written")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("hip"))


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HIP_DOUBLE_LOG", str(tmp_path / "calls"))
    monkeypatch.delenv("HIP_DOUBLE_REFUSES", raising=False)
    return tmp_path / "calls"


def memory(library: Path, device: int = 1) -> DriverMemory:
    return DriverMemory(replace(HIP, library=str(library)), device)


def test_a_buffer_behind_an_electric_fence_is_made_and_given_back_as_hip_documents_it(
    library: Path, log: Path
) -> None:
    region = GuardedSource(torch.device("cpu"), memory(library)).take(100)
    region.view(0, 100).fill_(7)
    region.close()
    assert log.read_text().splitlines() == [
        "Init 0",
        "MemGetAllocationGranularity type=1 location=1:1 win32=0 usage=0 option=0",
        f"MemAddressReserve size={2 * UNIT} alignment=0 wanted=0 flags=0",
        "ThreadExchangeStreamCaptureMode 2",
        f"MemCreate size={UNIT} type=1 location=1:1 flags=0",
        f"MemMap size={UNIT} offset=0 handle={UNIT} flags=0",
        f"MemSetAccess size={UNIT} location=1:1 flags=3 count=1",
        "ThreadExchangeStreamCaptureMode 0",
        f"MemUnmap size={UNIT}",
        f"MemRelease handle={UNIT}",
        f"MemAddressFree size={2 * UNIT}",
    ]


@pytest.mark.parametrize(("place", "code", "said"), [(63, 0, "written\n"), (64, -11, "")])
def test_the_first_byte_behind_it_faults(place: int, code: int, said: str, library: Path, log: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", STRAY, str(library), str(place)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (code, said), done.stderr


@pytest.mark.parametrize(
    "refused", ["MemGetAllocationGranularity", "MemAddressReserve", "MemCreate", "MemMap", "MemSetAccess"]
)
def test_a_call_that_hip_refuses_is_named(
    refused: str, library: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIP_DOUBLE_REFUSES", refused)
    with pytest.raises(Unresolved, match=f"hip{refused} ended with error 2"):
        GuardedSource(torch.device("cpu"), memory(library)).take(100)
    if refused not in ("MemGetAllocationGranularity", "MemAddressReserve"):  # the capture's mode is put back
        assert log.read_text().splitlines()[-1] == "ThreadExchangeStreamCaptureMode 0"


@pytest.mark.parametrize(
    ("version", "accepted"), [(50_221_153, False), (60_000_000, True), (70_051_831, True)]
)
def test_a_hip_with_another_layout_is_refused(
    version: int, accepted: bool, tmp_path: Path, log: Path
) -> None:
    virtual = memory(compiled(tmp_path, version))
    if accepted:
        assert virtual.granularity == UNIT
        return
    with pytest.raises(Unresolved, match="is of version 50221153: electric fences need 60000000 or later"):
        _ = virtual.granularity
    assert "Granularity" not in log.read_text()  # nothing was asked that it would read in another way


def test_the_hip_that_this_process_has_loaded_is_the_one_that_is_asked(tmp_path: Path, log: Path) -> None:
    other = tmp_path / "wheel"
    other.mkdir()
    script = (
        "import ctypes, sys; from harness.memory.device.driver import mapped;"
        "print(mapped('libamdhip64.so'));"
        "ctypes.CDLL(sys.argv[1]); print(mapped('libamdhip64.so'))"
    )
    library = compiled(other)
    done = subprocess.run(
        [sys.executable, "-c", script, str(library)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["None", str(library)]
    assert (driver.mapped("libc.so.6") or "").endswith("/libc.so.6")


def test_a_machine_without_hip_is_told_what_is_missing() -> None:
    with pytest.raises(Unresolved, match=r"libno-such-hip\.so cannot be loaded"):
        _ = DriverMemory(replace(HIP, library="libno-such-hip.so"), 0).granularity
