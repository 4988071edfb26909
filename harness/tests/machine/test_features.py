"""What this machine says of itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.facts import CPU, Feature, Platform
from harness.machine import Machine, features, hip_visible, nvidia, this_machine, torch_build
from harness.tests.machine.kfd import TREES, Tree


def test_missing_features_are_named_in_order() -> None:
    one = Machine(platform=CPU, features=frozenset({Feature.TORCH, Feature.TRITON}))
    assert one.missing(frozenset({"torch", "zeta", "alpha"})) == ("alpha", "zeta")
    assert one.missing(frozenset({"torch"})) == one.missing(frozenset()) == ()


def test_nvidias_device_file_is_a_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "_has_device", lambda candidate: candidate == "/dev/nvidiactl")
    assert {"cuda", "rocm"} & this_machine().features == {"cuda"}


RECOGNISED = [(name, tree) for name, tree in TREES.items() if tree.gpus and tree.architecture != "gfx000"]


@pytest.mark.parametrize(("name", "tree"), RECOGNISED, ids=[name for name, _ in RECOGNISED])
def test_an_amd_machine_is_recognised(
    name: str, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in (hip_visible.ROCR, hip_visible.HIP, hip_visible.CUDA):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(torch_build, "hip", lambda: "7.0.51831")
    found = this_machine(tree.write(tmp_path))
    assert (str(found.platform), found.gpus, found.host.value) == (
        f"rocm-{tree.architecture}",
        tree.gpus,
        "rocm",
    )
    assert Feature.ROCM in found.features and found.facts["hip"] == "7.0.51831"
    assert found.missing(frozenset({"rocm"}), ranks=2) == (() if tree.gpus > 1 else ("2 GPUs",))


@pytest.mark.parametrize("name", ["a CPU with the driver loaded", "Vega 10 under an old kernel"])
def test_a_machine_without_a_gpu_that_is_known_is_a_cpu(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_build, "hip", lambda: "7.0.51831")
    found = this_machine(TREES[name].write(tmp_path))
    assert (found.platform, found.gpus) == (CPU, 0) and Feature.ROCM not in found.features


def test_an_mi300_whose_torch_is_not_built_for_it_has_no_rocm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_build, "hip", lambda: None)
    found = this_machine(TREES["MI300X"].write(tmp_path))
    assert found.platform == CPU and Feature.ROCM not in found.features


def test_an_mi300_is_told_with_what_its_goldens_keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_build, "hip", lambda: "7.0.51831")
    monkeypatch.setenv(hip_visible.HIP, "0,3")
    found = this_machine(TREES["MI300X"].write(tmp_path))
    assert found.gpus == 2 and found.to_json()["gpus"] == 2
    assert {
        "gpu": "AMD Instinct MI300X OAM",
        "driver": "6.12.12",
        "hip": "7.0.51831",
    }.items() <= found.facts.items()


def test_a_distribution_that_is_not_installed_is_no_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "_version", lambda name: "1.0" if name == "torch" else None)
    one = this_machine()
    assert "torch" in one.features and "triton" not in one.features
    assert one.facts["torch"] == "1.0" and "triton" not in one.facts


@pytest.mark.parametrize(("gpus", "lacking"), [(1, ("2 GPUs",)), (2, ())])
def test_two_ranks_take_a_gpu_each(
    gpus: int, lacking: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpu = nvidia.Gpu(name="NVIDIA H200", chip=90, driver="580.1", cuda="13.0")
    monkeypatch.setattr(nvidia, "gpu", lambda: gpu)
    monkeypatch.setattr(torch_build, "cuda", lambda: "13.0")
    monkeypatch.setattr(nvidia, "visible", lambda: gpus)
    assert this_machine().missing(frozenset(), ranks=2) == lacking


def test_a_cpu_holds_any_number_of_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "gpu", lambda: None)
    assert this_machine().missing(frozenset(), ranks=64) == ()


def test_json_carries_platform_features_and_versions() -> None:
    data = Machine(
        platform=CPU, features=frozenset({Feature.TRITON, Feature.AITER}), facts={"python": "3.11"}
    ).to_json()
    assert data == {"platform": "cpu", "features": ["aiter", "triton"], "python": "3.11"}


def test_looking_imports_no_torch() -> None:
    script = (
        "import sys; from harness.machine import this_machine; this_machine(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("triton", "numpy", "works"),
    [
        ("3.6.0", "2.3.5", True),
        ("3.6.0", "2.5.2", False),
        ("3.9.0", "2.4.6", True),
        ("3.6.0+git1", "1.26.4", True),
    ],
)
def test_an_interpreter_goes_with_some_numpys_alone(triton: str, numpy: str, works: bool) -> None:
    assert features.interprets(triton, numpy) is works


def test_the_hardware_is_told_and_is_no_fact_that_a_golden_keeps() -> None:
    here = this_machine()
    assert here.hardware.endswith(f", {len(os.sched_getaffinity(0))} CPUs") and here.hardware[0] != ","
    assert here.to_json()["hardware"] == here.hardware and "hardware" not in here.facts


def test_what_a_document_says_of_a_machine_is_read_back_as_far_as_cases_need_it() -> None:
    one = Machine(
        platform=Platform.parse("cuda-sm90"),
        features=frozenset({Feature.CUDA}),
        gpus=2,
        facts={"python": "3.11"},
    )
    told = {**one.to_json(), "features": ["cuda", "gravity coils"]}
    assert Machine.from_json(told) == Machine(
        platform=Platform.parse("cuda-sm90"), features=one.features, gpus=2
    )
