"""Leases: exclusive among processes, gone with a crash, shared within a run only where it must be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

import harness
from harness.errors import BadInput, Unresolved
from harness.facts import Host
from harness.machine import gpu_leases, hip_visible, nvidia
from harness.machine.gpu_leases import Leases, Seats
from harness.tests.machine.kfd import TREES

_HOLD = """
import sys
from pathlib import Path
from harness.machine.gpu_leases import Leases
lease = Leases(gpus=("0",), variable="CUDA_VISIBLE_DEVICES", folder=Path(sys.argv[1])).take()
print("held" if lease else "refused", flush=True)
sys.stdin.read()
"""


def on(folder: Path, *gpus: str) -> Leases:
    return Leases(gpus=gpus, variable="CUDA_VISIBLE_DEVICES", folder=folder / "locks")


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process, which has GPU 0 until it ends."""
    command = [sys.executable, "-c", _HOLD, str(folder / "locks")]
    path = {**os.environ, "PYTHONPATH": str(Path(next(iter(harness.__path__))).parent)}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=path)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_another_process_holds_it_until_it_is_killed(tmp_path: Path) -> None:
    known = on(tmp_path, "0")
    process = holder(tmp_path)
    try:
        assert known.take() is None
        held = known.holders()["0"]
        assert held is not None and held.pid == process.pid and held.since.startswith("20")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert known.holders() == {"0": None}
    lease = known.take()
    assert lease is not None and lease.gpu == "0"
    lease.end()


def test_each_gpu_is_taken_once(tmp_path: Path) -> None:
    known = on(tmp_path, "0", "1")
    first, second = known.take(), known.take()
    assert first and second and {first.gpu, second.gpu} == {"0", "1"} and known.take() is None
    first.end()
    third = known.take()
    assert third is not None and third.gpu == first.gpu
    for lease in (second, third):
        lease.end()


@pytest.mark.parametrize(("lanes", "gpus", "most"), [(1, 1, 1), (2, 2, 1), (2, 1, 2), (5, 2, 3)])
def test_a_run_seats_its_lanes_and_no_more(tmp_path: Path, lanes: int, gpus: int, most: int) -> None:
    seats = Seats(on(tmp_path, *map(str, range(gpus))), lanes, patience=0.0)
    with ExitStack() as sitting:
        taken = [sitting.enter_context(seats.seat())["CUDA_VISIBLE_DEVICES"] for _ in range(most * gpus)]
        assert {gpu: taken.count(gpu) for gpu in taken} == {str(gpu): most for gpu in range(gpus)}
        with pytest.raises(Unresolved, match="no GPU became free"), seats.seat():
            pass
    assert set(on(tmp_path, *map(str, range(gpus))).holders().values()) == {None}


def test_another_run_gets_no_seat_beside_it(tmp_path: Path) -> None:
    mine, theirs = Seats(on(tmp_path, "0"), 4, patience=0.0), Seats(on(tmp_path, "0"), 4, patience=0.0)
    with mine.seat(), pytest.raises(Unresolved, match="doctor"), theirs.seat():
        pass
    with theirs.seat() as variables:
        assert variables == {"CUDA_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def test_an_arm_of_two_ranks_gets_two_gpus_or_none(tmp_path: Path) -> None:
    mine = Seats(on(tmp_path, "0", "1", "2"), 1, patience=0.0)
    theirs = Seats(on(tmp_path, "0", "1", "2"), 1, patience=0.0)
    with mine.seat(2) as variables:
        assert variables["CUDA_VISIBLE_DEVICES"] == "0,1"
        with pytest.raises(Unresolved, match="became free"), theirs.seat(2):
            pass
        with theirs.seat() as left:  # what it had taken for nothing is free again
            assert left["CUDA_VISIBLE_DEVICES"] == "2"
    with theirs.seat(3) as variables:
        assert variables["CUDA_VISIBLE_DEVICES"] == "0,1,2"


def test_two_ranks_share_where_lanes_do(tmp_path: Path) -> None:
    seats = Seats(on(tmp_path, "0", "1"), 4, patience=0.0)
    with seats.seat() as one, seats.seat(2) as two:
        assert (one["CUDA_VISIBLE_DEVICES"], two["CUDA_VISIBLE_DEVICES"]) == ("0", "1,0")


def test_who_waits_gets_the_seat_that_becomes_free(tmp_path: Path) -> None:
    seats, got = Seats(on(tmp_path, "0"), 1, patience=30.0), threading.Event()

    def wait() -> None:
        with seats.seat():
            got.set()

    with seats.seat():
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not got.wait(0.2)
    assert got.wait(10)
    waiting.join()


def test_a_machine_without_a_gpu_seats_nobody(tmp_path: Path) -> None:
    with pytest.raises(Unresolved, match="0 can be leased"), Seats(on(tmp_path), 2).seat():
        pass
    with (
        pytest.raises(Unresolved, match="2 GPUs are needed, and 1"),
        Seats(on(tmp_path, "0"), 2).seat(2),
    ):
        pass


def test_a_folder_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("")
    with pytest.raises(BadInput, match="cannot be opened"):
        on(tmp_path, "0").take()


@pytest.mark.parametrize(
    ("host", "environment", "gpus"),
    [
        ("cuda", {"CUDA_VISIBLE_DEVICES": "2, 3"}, ("2", "3")),
        ("cuda", {"CUDA_VISIBLE_DEVICES": ""}, ()),
        ("rocm", {"ROCR_VISIBLE_DEVICES": "1"}, ("0",)),
        ("rocm", {"CUDA_VISIBLE_DEVICES": "3,2"}, ("3", "2")),
        ("rocm", {"HIP_VISIBLE_DEVICES": "-1"}, ()),
        ("rocm", {}, tuple(map(str, range(8)))),
        ("cpu", {}, ()),
    ],
)
def test_the_gpus_of_a_machine(
    tmp_path: Path, host: str, environment: dict[str, str], gpus: tuple[str, ...]
) -> None:
    root = TREES["MI300X"].write(tmp_path / "root")
    assert gpu_leases.of_this_machine(Host(host), environment, root, tmp_path).gpus == gpus


def test_an_arm_on_an_mi300_sees_the_gpu_that_it_leased_and_no_other(tmp_path: Path) -> None:
    root, outer = TREES["MI300X"].write(tmp_path / "root"), {"ROCR_VISIBLE_DEVICES": "6,5,4"}
    seats = Seats(gpu_leases.of_this_machine(Host.ROCM, outer, root, tmp_path / "locks"), 1, patience=0.0)
    with seats.seat() as first, seats.seat(2) as more:
        seen = [hip_visible.of_this_machine({**outer, **one}, root) for one in (first, more)]
    assert [[each.gpu.node for each in one] for one in seen] == [[8], [7, 6]]
    assert first == {"HIP_VISIBLE_DEVICES": "0", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


def test_one_gpu_is_leased_once_whatever_number_each_run_has_for_it(tmp_path: Path) -> None:
    root = TREES["MI300X"].write(tmp_path / "root")
    all_of_them, fifth = (
        gpu_leases.of_this_machine(Host.ROCM, environment, root, tmp_path / "locks")
        for environment in ({}, {"ROCR_VISIBLE_DEVICES": "4"})
    )
    lease = fifth.take()
    assert lease is not None and lease.gpu == "0"
    held = {gpu for gpu, holder in all_of_them.holders().items() if holder}
    assert held == {"4"}
    lease.end()


def test_each_partition_of_a_card_is_leased_by_itself(tmp_path: Path) -> None:
    root = TREES["MI300X in CPX mode"].write(tmp_path / "root")
    known = gpu_leases.of_this_machine(Host.ROCM, {}, root, tmp_path / "locks")
    taken = [known.take() for _ in range(32)]
    assert len({lease.gpu for lease in taken if lease}) == 32 and known.take() is None
    for lease in taken:
        assert lease is not None
        lease.end()


def test_the_driver_counts_nvidia_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "count", lambda: 3)
    assert gpu_leases.of_this_machine(Host.CUDA, {}, folder=tmp_path).gpus == ("0", "1", "2")
