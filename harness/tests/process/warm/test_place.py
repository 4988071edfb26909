"""The folder of a warm process: one at a time, nobody else's, and nothing of a dead one in the way."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import BadInput
from harness.process.warm.place import Place, peer

TAKES = """
import sys, time
from pathlib import Path
from harness.process.warm.place import Place
place = Place(Path(sys.argv[1]))
place.take()
listening = place.listen()
print("taken", flush=True)
time.sleep(60)
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "warm")


def _taken(place: Place) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", TAKES, str(place.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "taken\n"
    return process


def test_nobody_is_there_at_first(place: Place) -> None:
    assert (place.connect(), place.holder(), place.problem()) == (None, None, None)
    assert not place.folder.exists()  # asking makes nothing


def test_one_is_found_and_known_by_its_user(place: Place) -> None:
    with _taken(place) as process:
        link = place.connect()
        assert link is not None and peer(link) == (process.pid, os.getuid())
        link.close()
        assert place.holder() == process.pid
        assert place.folder.stat().st_mode & 0o777 == 0o700
        process.kill()


def test_a_second_is_refused_by_name(place: Place) -> None:
    with _taken(place) as process:
        with pytest.raises(BadInput, match=rf"runs already for this cache \(process {process.pid}\): end it"):
            place.take()
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_dead_one_left_is_cleared_away(place: Place, number: int) -> None:
    with _taken(place) as process:
        process.send_signal(number)
    assert (place.folder / "socket").exists()
    assert place.connect() is None and place.holder() is None
    assert not (place.folder / "socket").exists()
    with _taken(place) as process:
        process.kill()
    place.take()
    place.listen().close()


def test_one_that_is_not_ready_yet_is_not_cleared_away(place: Place) -> None:
    with _taken(place) as process:
        (place.folder / "socket").rename(place.folder / "away")
        assert place.connect() is None and place.holder() == process.pid
        process.kill()


def test_a_long_path_is_none_too_long(tmp_path: Path) -> None:
    place = Place(tmp_path / ("long" * 50) / "warm")
    with _taken(place) as process:
        link = place.connect()
        assert link is not None
        link.close()
        process.kill()


def test_a_folder_that_others_can_enter_is_not_trusted(place: Place) -> None:
    place.folder.mkdir(mode=0o700)
    assert place.problem() is None
    place.folder.chmod(0o750)
    assert place.problem() == "is not a folder of yours alone"
    with pytest.raises(BadInput, match="is not a folder of yours alone: remove it, or set REFAULT_CACHE"):
        place.take()


def test_neither_is_a_link(place: Place, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    place.folder.symlink_to(tmp_path / "elsewhere")
    assert place.problem() == "is not a folder of yours alone"
    with pytest.raises(OSError):
        place.connect()


def test_a_place_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="set REFAULT_CACHE to another place"):
        Place(tmp_path / "file" / "warm").take()
