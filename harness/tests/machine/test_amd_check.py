"""An AMD machine that would count as a CPU says why, and what to do about it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.machine import amd_check
from harness.machine.amd_check import Finding, Use
from harness.tests.machine.kfd import TREES

HIP = "7.0.51831"


@pytest.mark.parametrize(
    ("name", "built", "use"),
    [
        ("a CPU with the driver loaded", HIP, Use.NONE),
        ("MI300X", HIP, Use.WORKS),
        ("MI300X", None, Use.WRONG),
        ("MI355X", None, Use.WRONG),
        ("MI250", None, Use.WRONG),
        ("Radeon RX 7900 XTX", HIP, Use.WORKS),
        ("Radeon RX 7900 XTX", None, Use.LACKING),
        ("Vega 10 under an old kernel", HIP, Use.LACKING),
    ],
)
def test_torchs_build_is_held_against_the_gpus(
    name: str, built: str | None, use: Use, tmp_path: Path
) -> None:
    assert amd_check.look(built, {}, TREES[name].write(tmp_path)).use is use


def test_an_mi300_with_a_torch_for_something_else_names_the_remedy(tmp_path: Path) -> None:
    told = amd_check.look(None, {}, TREES["MI300X"].write(tmp_path)).told
    problem, remedy = (
        "torch is not built for HIP, so that this machine counts as a CPU",
        "install torch for ROCm",
    )
    assert told == f"8 of gfx942: {problem}: {remedy}"


@pytest.mark.parametrize(("built", "use"), [(HIP, Use.WRONG), (None, Use.LACKING)])
def test_gpus_that_nobody_may_open_are_named_with_the_remedy(
    built: str | None, use: Use, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(path: Path, flags: int) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    root = TREES["MI300X"].write(tmp_path)
    monkeypatch.setattr(os, "open", refuses)
    found = amd_check.look(built, {}, root)
    assert found.use is use and found.told.startswith("8 of gfx942, and this user can open none")
    assert "render and video" in found.told and "--device /dev/kfd --device /dev/dri" in found.told


def test_what_is_left_out_is_counted_with_its_reason(tmp_path: Path) -> None:
    root = TREES["MI300X"].write(tmp_path)
    (root / "dev/dri/renderD184").unlink()
    found = amd_check.look(HIP, {"HIP_VISIBLE_DEVICES": "0,1,2"}, root)
    assert found == Finding(Use.WORKS, "3 of gfx942; 4 hidden by a variable; 1 closed to this user")


def test_partitions_are_told_from_cards(tmp_path: Path) -> None:
    root = TREES["MI300X in CPX mode"].write(tmp_path)
    assert amd_check.look(HIP, {}, root).told == "32 of gfx942 (partitions of 4 cards)"


def test_gpus_that_a_variable_hides_are_told_with_it(tmp_path: Path) -> None:
    found = amd_check.look(HIP, {"ROCR_VISIBLE_DEVICES": ""}, TREES["MI325X"].write(tmp_path))
    assert found == Finding(Use.LACKING, "8 of gfx942, all of them hidden by ROCR_VISIBLE_DEVICES=")


def test_a_chip_that_is_to_pass_for_another_is_wrong(tmp_path: Path) -> None:
    root = TREES["Radeon RX 7900 XTX"].write(tmp_path)
    found = amd_check.look(HIP, {"HSA_OVERRIDE_GFX_VERSION": "9.4.2"}, root)
    assert (
        found.use is Use.WRONG and "HSA_OVERRIDE_GFX_VERSION=9.4.2" in found.told and "unset it" in found.told
    )


def test_a_mixed_machine_uses_the_kind_that_comes_first(tmp_path: Path) -> None:
    root = TREES["MI300X"].write(tmp_path)
    properties = root / "sys/class/kfd/kfd/topology/nodes/9/properties"
    properties.write_text(properties.read_text().replace("90402", "110000"))
    assert amd_check.look(HIP, {}, root).told == "7 of gfx942; 1 of another architecture"
