"""Shared memory is attributed to the processes that were seen to use it, and to nobody else's."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.serving.segments import FOLDER, Segments, left_behind

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="this machine has no /dev/shm")


@pytest.fixture
def segment() -> Iterator[Path]:
    path = FOLDER / f"refault_test_{uuid.uuid4().hex}x"
    yield path
    path.unlink(missing_ok=True)


def test_what_a_process_held_open_is_its_own(segment: Path) -> None:
    segments = Segments()
    with segment.open("w", encoding="utf-8"):
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
    with segment.open("w", encoding="utf-8"):
        segments.look([os.getpid()])
    assert segments.remove() == ()


def test_a_process_that_has_ended_is_no_error() -> None:
    segments = Segments()
    segments.look([2**22 - 1])
    assert segments.mine() == ()


def test_upstream_s_own_are_left_behind_once_nobody_here_uses_them_but_no_server_s_to_remove() -> None:
    seen = Segments()
    name = f"sglang_test_{uuid.uuid4().hex}.shm"
    try:
        with (FOLDER / name).open("w"):
            assert name not in left_behind()
        assert name in left_behind()
        seen.look([os.getpid()])
        assert seen.remove() == () and (FOLDER / name).exists()  # a neighbour's, for all this server knows
    finally:
        (FOLDER / name).unlink()


def test_a_new_segment_is_news_until_the_next_look(segment: Path) -> None:
    segments = Segments()
    segment.touch()
    assert segments.has_news
    segments.look([])
    assert segment.name not in segments.mine()
