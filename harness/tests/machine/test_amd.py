"""AMD's GPUs are told by what the kernel's driver publishes, and by nothing where it publishes none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.machine import amd
from harness.tests.machine.kfd import NODES, TREES, Tree


@pytest.mark.parametrize("tree", TREES.values(), ids=TREES)
def test_a_machine_has_the_gpus_that_its_driver_publishes(tree: Tree, tmp_path: Path) -> None:
    found = amd.usable(tree.write(tmp_path))
    assert [gpu.architecture for gpu in found] == [tree.architecture] * tree.gpus
    assert len({gpu.card for gpu in found}) == tree.cards
    assert [gpu.node for gpu in found] == list(range(tree.cpus, tree.cpus + tree.gpus))
    assert [gpu.render for gpu in found] == [node.render for node in tree.nodes]


def test_partitions_of_a_card_are_gpus_of_their_own_and_share_its_name(tmp_path: Path) -> None:
    found = amd.usable(TREES["MI300X in CPX mode"].write(tmp_path))
    assert {gpu.uuid for gpu in found[:8]} == {"GPU-e3aa140f9a5f9e31"}
    assert len({gpu.uuid for gpu in found}) == 4 and len({gpu.render for gpu in found}) == 32


@pytest.mark.parametrize(
    ("version", "architecture"),
    [
        (90402, "gfx942"), (90500, "gfx950"), (90010, "gfx90a"), (90012, "gfx90c"), (90600, "gfx960"),
        (90008, "gfx908"), (100300, "gfx1030"), (110000, "gfx1100"), (110501, "gfx1151"), (120001, "gfx1201"),
    ],
)  # fmt: skip
def test_an_architecture_is_read_from_its_version(version: int, architecture: str) -> None:
    gpu = amd.Gpu(node=1, version=version, render=128, device=0, uuid=None, card=(0, 0))
    assert gpu.architecture == architecture


def test_a_machine_without_the_driver_has_none(tmp_path: Path) -> None:
    assert amd.published(tmp_path) == amd.usable(tmp_path) == () and amd.driver(tmp_path) is None


def test_nodes_are_taken_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    root = TREES["MI300X in CPX mode"].write(tmp_path)
    assert [gpu.node for gpu in amd.published(root)] == list(range(2, 34))  # and not 10 before 2


def test_a_gpu_without_its_render_node_is_published_and_not_usable(tmp_path: Path) -> None:
    root = TREES["MI300X"].write(tmp_path)
    (root / "dev/dri/renderD136").unlink()  # a container that was given seven of eight
    assert len(amd.published(root)) == 8
    assert [gpu.node for gpu in amd.usable(root)] == [2, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("closed", ["dev/dri/renderD128", "dev/kfd"])
def test_a_device_that_this_user_may_not_open_does_not_count(
    closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, opens = TREES["Radeon RX 7900 XTX"].write(tmp_path), os.open

    def refuses(path: Path, flags: int) -> int:
        if str(path).endswith(closed):
            raise PermissionError(13, "Permission denied", str(path))
        return opens(path, flags)

    assert len(amd.usable(root)) == 1
    monkeypatch.setattr(os, "open", refuses)
    assert amd.usable(root) == () and len(amd.published(root)) == 1


def test_a_node_that_this_container_may_not_read_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, reads = TREES["MI300X"].write(tmp_path), Path.read_text

    def refuses(path: Path, encoding: str, errors: str) -> str:
        if path.parent.name in ("3", "9"):  # amdkfd's node_show: EPERM for a device of another cgroup
            raise PermissionError(1, "Operation not permitted", str(path))
        return reads(path, encoding, errors)

    monkeypatch.setattr(Path, "read_text", refuses)
    assert [gpu.node for gpu in amd.published(root)] == [2, 4, 5, 6, 7, 8]


def test_nothing_is_left_open(tmp_path: Path) -> None:
    root = TREES["MI355X"].write(tmp_path)
    before = set(os.listdir("/proc/self/fd"))
    assert len(amd.usable(root)) == 8
    assert set(os.listdir("/proc/self/fd")) == before


def test_lines_that_tell_no_number_are_passed_over(tmp_path: Path) -> None:
    root = TREES["Radeon RX 7900 XTX"].write(tmp_path)
    properties = root / NODES / "1/properties"
    properties.write_text("junk\nname ip discovery\nfuture_flags -1\n\n" + properties.read_text())
    assert [gpu.architecture for gpu in amd.usable(root)] == ["gfx1100"]


@pytest.mark.parametrize(("tree", "name"), [("MI300X", "AMD Instinct MI300X OAM"), ("MI355X", "AMD 0x75a3")])
def test_a_card_goes_by_its_product_or_its_id(tree: str, name: str, tmp_path: Path) -> None:
    root = TREES[tree].write(tmp_path)
    assert amd.name(amd.usable(root)[0], root) == name


def test_the_drivers_version_is_told_where_it_has_one(tmp_path: Path) -> None:
    assert amd.driver(TREES["MI300X"].write(tmp_path / "own")) == "6.12.12"
    assert amd.driver(TREES["MI355X"].write(tmp_path / "kernels")) is None
