"""The variables that arms start with."""

from __future__ import annotations

from pathlib import Path

from harness.host import environment
from harness.machine import hip_visible
from harness.tests.machine.kfd import TREES


def test_kernels_are_interpreted_on_the_cpu_and_compiled_for_codegen() -> None:
    assert environment.CPU_KERNELS["TRITON_INTERPRET"] == "1"
    assert environment.COMPILED_KERNELS["TRITON_INTERPRET"] is None
    for variables in (environment.CPU_KERNELS, environment.COMPILED_KERNELS):
        assert variables["CUDA_VISIBLE_DEVICES"] == "" and variables["SGLANG_USE_CPU_ENGINE"] == "1"


def test_an_arm_on_the_cpu_of_an_mi300_sees_no_gpu(tmp_path: Path) -> None:
    root = TREES["MI300X"].write(tmp_path)
    for variables in (environment.CPU_KERNELS, environment.COMPILED_KERNELS):
        assert hip_visible.of_this_machine(environment.merged(variables, {}), root) == ()
    on_it = environment.merged(environment.DEVICE_KERNELS, {"HIP_VISIBLE_DEVICES": "2"})
    assert [one.ordinal for one in hip_visible.of_this_machine(on_it, root)] == [2]


def test_no_arm_asks_the_network_and_sets_of_strings_keep_their_order() -> None:
    for variables in (environment.CPU_KERNELS, environment.COMPILED_KERNELS, environment.DEVICE_KERNELS):
        assert variables["HF_HUB_OFFLINE"] == "1" and variables["PYTHONHASHSEED"] == "0"
