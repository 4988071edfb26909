"""Shared memory is attributed to the processes that were seen to use it, and to nobody else's."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.serving.segments import FOLDER, Segments

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="this machine has no /dev/shm")


@pytest.fixture
def segment() -> Iterator[Path]:
    path = FOLDER / f"refault_test_{uuid.uuid4().hex}x"
    yield path
    path.unlink(missing_ok=True)


def test_what_a_process_held_open_is_its_own(segment: Path) -> None:
    segments = Segments()
    with segment.open("w"):
        segments.look([os.getpid()])
    assert segments.mine() == (segment.name,)
    assert segments.remove() == (segment.name,)
    assert not segment.exists()


def test_what_carries_the_pid_of_a_process_is_its_own(segment: Path) -> None:
    named = segment.with_name(f"{segment.name}_{os.getpid()}_1")
    segments = Segments()
    named.touch()
    try:
        segments.look([os.getpid()])
        assert segments.remove() == (named.name,)
    finally:
        named.unlink(missing_ok=True)


def test_what_others_made_stays(segment: Path) -> None:
    segments = Segments()
    segment.touch()
    segments.look([os.getpid()])
    assert segments.remove() == ()
    assert segment.exists()


def test_what_was_there_before_stays(segment: Path) -> None:
    segment.touch()
    segments = Segments()
    with segment.open("w"):
        segments.look([os.getpid()])
    assert segments.remove() == ()


def test_a_process_that_has_ended_is_no_error() -> None:
    segments = Segments()
    segments.look([2**22 - 1])
    assert segments.mine() == ()


def test_upstream_s_own_are_found_by_their_name_once_nobody_uses_them() -> None:
    seen = Segments()
    name = f"sglang_test_{os.getpid()}x.shm"
    with (FOLDER / name).open("w"):
        assert name not in seen.orphans()
    assert seen.orphans() == (name,)
    assert Segments().orphans() == ()  # it was there before that server
    assert name in seen.remove() and not (FOLDER / name).exists()
