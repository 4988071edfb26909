"""The variables that arms start with."""

from __future__ import annotations

from harness.host import environment


def test_kernels_are_interpreted_on_the_cpu_and_compiled_for_codegen() -> None:
    assert environment.CPU_KERNELS["TRITON_INTERPRET"] == "1"
    assert environment.COMPILED_KERNELS["TRITON_INTERPRET"] is None
    for variables in (environment.CPU_KERNELS, environment.COMPILED_KERNELS):
        assert variables["CUDA_VISIBLE_DEVICES"] == "" and variables["SGLANG_USE_CPU_ENGINE"] == "1"


def test_no_arm_asks_the_network_and_sets_of_strings_keep_their_order() -> None:
    for variables in (environment.CPU_KERNELS, environment.COMPILED_KERNELS, environment.DEVICE_KERNELS):
        assert variables["HF_HUB_OFFLINE"] == "1" and variables["PYTHONHASHSEED"] == "0"
