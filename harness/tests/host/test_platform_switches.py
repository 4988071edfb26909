"""A pretended platform turns the switches that modules keep, in the package under test alone."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
import torch

from harness.facts import Platform
from harness.host.platform_switches import hide_hip, pretend


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module of a package under test, with the answers of a machine that has only a CPU."""
    monkeypatch.setattr(torch.version, "hip", None)
    ours = ModuleType("toyland_under_test.allocation")
    vars(ours).update(_is_hip=False, _is_cpu=True, _is_cpu_name="cpu")
    monkeypatch.setitem(sys.modules, ours.__name__, ours)
    return ours


CUDA = Platform.parse("cuda")


@pytest.mark.parametrize(
    ("platform", "hip", "cpu"), [("rocm-gfx942", True, False), ("cuda", False, False), ("cpu", False, True)]
)
def test_each_platform_has_its_switches(platform: str, hip: bool, cpu: bool, module: ModuleType) -> None:
    pretend(Platform.parse(platform), "toyland_under_test")
    assert (vars(module)["_is_hip"], vars(module)["_is_cpu"]) == (hip, cpu)
    assert (torch.version.hip is not None) is hip


def test_what_was_changed_is_listed(module: ModuleType) -> None:
    assert pretend(CUDA, "toyland_under_test") == ("toyland_under_test.allocation._is_cpu, as on cuda",)
    assert pretend(CUDA, "toyland_under_test") == ()


def test_a_torch_for_hip_is_none_to_what_is_imported_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "hip", "7.0.51831")
    assert hide_hip() == ("torch.version.hip, as on the cpu",)
    assert torch.version.hip is None and hide_hip() == ()


def test_a_case_can_be_on_hip_again_behind_that(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.version, "hip", "7.0.51831")
    hide_hip()
    assert pretend(Platform.parse("rocm"), "toyland_under_test")[0] == "torch.version.hip, as on rocm"
    assert torch.version.hip and vars(module)["_is_hip"]


def test_other_packages_and_other_names_stay(module: ModuleType) -> None:
    assert pretend(CUDA, "toyland_under") == ()
    pretend(CUDA, "toyland_under_test")
    assert vars(module)["_is_cpu_name"] == "cpu"
