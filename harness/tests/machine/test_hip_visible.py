"""The three variables choose as ROCr and HIP read them: each case follows a line of their sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.machine import amd, hip_visible
from harness.machine.amd import Gpu
from harness.machine.hip_visible import visible
from harness.tests.machine.kfd import TREES

UUIDS = ("GPU-1902017ea6d4d4a6", "GPU-5127d84ef7d02bf3", "GPU-93bbe93b65a2eedc", "GPU-43448fb5c01b1d1f")
FOUR = tuple(
    Gpu(node=place, version=90402, render=128 + place, device=0x74A1, uuid=uuid, card=(0, place))
    for place, uuid in enumerate(UUIDS)
)


def nodes(**environment: str) -> list[int]:
    """The nodes that are seen of four, in HIP's order."""
    return [one.gpu.node for one in visible(FOUR, environment)]


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("0", [0]), ("2,1", [2, 1]), ("-1", []), ("4", []), ("1,4,2", [1]), ("1,x,2", [1]), ("0,,1", [0]),
        ("0,0,1", [0, 1]), ("0, 1", [0]), ("01", []), ("0,1,", [0, 1]), ("GPU-5127d84ef7d02bf3,0", [1, 0]),
        ("GPU-5127", [1]), ("GPU-", [0]), ("gpu-5127d84ef7d02bf3", []), ("GPU-ffff,0", []),
        ("", [0, 1, 2, 3]),
    ],
)  # fmt: skip
def test_hip_reads_its_list(value: str, seen: list[int]) -> None:
    assert nodes(HIP_VISIBLE_DEVICES=value) == seen
    assert nodes(CUDA_VISIBLE_DEVICES=value) == seen


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("0", [0]), ("2,1", [2, 1]), ("-1", []), ("4", []), ("1,4,2", [1]), ("1,x,2", [1]), ("0,,1", [0]),
        ("0,0,1", [0]), ("0, 1", [0, 1]), ("01", [1]), ("0x1", [1]), ("08", []), ("", []),
        ("gpu-5127d84ef7d02bf3,0", [1, 0]), ("GPU-5127", [1]), ("GPU-", []), ("GPU-ffff,0", []),
        ("0,1,2,3,0", [0, 1, 2, 3]),
    ],
)  # fmt: skip
def test_rocr_reads_its_list_in_another_way(value: str, seen: list[int]) -> None:
    assert nodes(ROCR_VISIBLE_DEVICES=value) == seen


def test_hip_numbers_what_rocr_leaves() -> None:
    assert nodes(ROCR_VISIBLE_DEVICES="3,1", HIP_VISIBLE_DEVICES="1") == [1]
    assert nodes(ROCR_VISIBLE_DEVICES="3,1", HIP_VISIBLE_DEVICES="3") == []
    seen = visible(FOUR, {"ROCR_VISIBLE_DEVICES": "3,1"})
    assert [(one.ordinal, one.gpu.node) for one in seen] == [(0, 3), (1, 1)]


def test_an_ordinal_asks_for_the_same_gpu_again() -> None:
    outer = {"ROCR_VISIBLE_DEVICES": "3,1,0", "CUDA_VISIBLE_DEVICES": "2,0"}
    for one in visible(FOUR, outer):
        (again,) = visible(FOUR, {**outer, "HIP_VISIBLE_DEVICES": str(one.ordinal)})
        assert again.gpu == one.gpu


def test_hips_own_variable_comes_before_cudas() -> None:
    assert nodes(HIP_VISIBLE_DEVICES="1", CUDA_VISIBLE_DEVICES="2") == [1]
    assert nodes(HIP_VISIBLE_DEVICES="", CUDA_VISIBLE_DEVICES="2") == [2]


def test_minus_one_hides_all_where_an_empty_list_hides_none() -> None:
    assert nodes(HIP_VISIBLE_DEVICES=hip_visible.NONE) == []
    assert nodes(HIP_VISIBLE_DEVICES="", CUDA_VISIBLE_DEVICES="") == [0, 1, 2, 3]


def test_a_name_that_partitions_share_means_none_of_them_to_rocr(tmp_path: Path) -> None:
    gpus = amd.usable(TREES["MI300X in CPX mode"].write(tmp_path))
    assert visible(gpus, {"ROCR_VISIBLE_DEVICES": gpus[0].uuid or ""}) == ()
    (first,) = visible(gpus, {"HIP_VISIBLE_DEVICES": gpus[0].uuid or ""})
    assert first.gpu == gpus[0]


def test_gpus_of_another_architecture_than_the_first_are_left_out(tmp_path: Path) -> None:
    old = Gpu(node=9, version=110000, render=140, device=0x744C, uuid=None, card=(0, 9))
    seen = visible((FOUR[0], old, FOUR[1]), {})
    assert [one.ordinal for one in hip_visible.alike(seen)] == [0, 2]
    assert [one.gpu for one in hip_visible.alike(visible((old, *FOUR), {}))] == [old]
    assert hip_visible.alike(()) == ()


def test_what_a_process_may_not_open_has_no_number(tmp_path: Path) -> None:
    root = TREES["MI300X"].write(tmp_path)
    (root / "dev/dri/renderD128").unlink()
    seen = hip_visible.of_this_machine({"HIP_VISIBLE_DEVICES": "0"}, root)
    assert [(one.ordinal, one.gpu.render) for one in seen] == [(0, 136)]
