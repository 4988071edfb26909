"""What dead runs left is found and removed; what anything alive holds is not."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.process import scratch
from harness.serving import leftovers
from harness.serving.leftovers import Leftovers
from harness.serving.segments import FOLDER


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The folder of a run whose processes have all ended."""
    folder = scratch.new(tmp_path)
    os.close(scratch.make(folder))
    return folder


@pytest.fixture
def segment() -> Iterator[Path]:
    if not FOLDER.is_dir():
        pytest.skip("this machine has no /dev/shm")
    path = FOLDER / f"sglang_refault_test_{uuid.uuid4().hex}"
    path.touch()
    yield path
    path.unlink(missing_ok=True)


def test_a_dead_runs_folder_is_found_and_removed(killed: Path, tmp_path: Path) -> None:
    left = Leftovers(folders=leftovers.found(tmp_path).folders)
    assert left.folders == (killed,)
    left.remove()
    assert not killed.exists() and leftovers.found(tmp_path).folders == ()


def test_its_list_of_shared_memory_goes_with_it(killed: Path, segment: Path) -> None:
    scratch.note(killed, [segment.name])
    Leftovers(folders=(killed,)).remove()
    assert not segment.exists() and not killed.exists()


def test_a_living_runs_folder_stays(tmp_path: Path) -> None:
    folder = scratch.new(tmp_path)
    held = scratch.make(folder)
    assert leftovers.found(tmp_path).folders == ()
    os.close(held)
    assert leftovers.found(tmp_path).folders == (folder,)


def test_a_segment_is_left_over_once_nobody_has_it_open(segment: Path, tmp_path: Path) -> None:
    with segment.open(encoding="utf-8"):
        assert segment.name not in leftovers.found(tmp_path).segments
    assert segment.name in leftovers.found(tmp_path).segments
    Leftovers(segments=(segment.name, "sglang_gone_meanwhile")).remove()
    assert not segment.exists()
