"""What the reports of a server's processes amount to."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness.observation import Fault
from harness.serving import evidence

RAISED = """\
Traceback (most recent call last):
  File "/a/sglang/srt/layers/toy.py", line 20, in forward
    raise IndexError("index 5")
IndexError: index 5
"""
SEGFAULT = "Fatal Python error: Segmentation fault\n\nCurrent thread 0x01 (most recent call first):\n"


def process(reports: Path, name: str, *told: dict[str, Any], native: str = "", at: float = 50.0) -> None:
    folder = reports / name
    folder.mkdir(parents=True)
    (folder / evidence.EVENTS).write_text("".join(json.dumps(one) + "\n" for one in told))
    (folder / evidence.NATIVE).write_text(native)
    os.utime(folder / evidence.NATIVE, (at, at))


def uncaught(at: float, text: str = RAISED, *, ends: bool = True) -> dict[str, Any]:
    return {"at": at, "event": "uncaught", "level": "ERROR", "origin": "o", "ends": ends, "text": text}


def record(at: float, text: str, level: str = "ERROR") -> dict[str, Any]:
    return {"at": at, "event": "record", "level": level, "origin": "o", "text": text}


def faults(reports: Path) -> list[str]:
    read = evidence.read(reports)
    assert read
    return [fault.signature for fault in read.faults]


def test_no_process_that_reports_is_told_from_one_without_faults(tmp_path: Path) -> None:
    assert evidence.read(tmp_path) is None
    process(tmp_path, "server.1")
    assert faults(tmp_path) == []


def test_the_folder_names_the_process(tmp_path: Path) -> None:
    process(tmp_path, "server.1")
    process(tmp_path, "detokenizer.2", uncaught(1.0))
    assert faults(tmp_path) == ["exception in detokenizer (IndexError in forward: index 5)"]


def test_a_native_end_comes_before_the_parent_s_word_of_it(tmp_path: Path) -> None:
    process(tmp_path, "server.1", record(60.0, "Subprocess scheduler_0 (pid=2) crashed with exit code -11."))
    process(tmp_path, "scheduler TP0.2", record(40.0, "Error in toy_parse: caught"), native=SEGFAULT)
    assert faults(tmp_path) == ["crash in scheduler (Fatal Python error: Segmentation fault)"]


def test_the_parent_s_word_stands_where_the_child_had_none(tmp_path: Path) -> None:
    process(tmp_path, "server.1", record(60.0, "Subprocess detokenizer (pid=2) crashed with exit code -9."))
    process(tmp_path, "detokenizer.2")
    assert faults(tmp_path) == ["crash in detokenizer (crashed with exit code -9)"]


def test_what_a_device_says_comes_before_the_exception_it_led_to(tmp_path: Path) -> None:
    said = "/a/T.cu:8: toy: block: [0,0,0], thread: [3,0,0] Assertion `i < n` failed.\n"
    met = RAISED.replace("IndexError: index 5", "RuntimeError: CUDA error: device-side assert triggered")
    process(tmp_path, "scheduler TP0.2", uncaught(1.0, met), native=said)
    assert faults(tmp_path) == ["device-fault in scheduler (Assertion `i < n` failed at T.cu:8)"]


def test_two_ranks_that_say_the_same_are_one_whoever_reports_first(tmp_path: Path) -> None:
    for first, reports in ((1, tmp_path / "a"), (2, tmp_path / "b")):
        process(reports, "scheduler TP0.1", uncaught(float(first)))
        process(reports, "scheduler TP1.2", uncaught(3.0 - first, RAISED.replace("index 5", "index 7")))
    assert faults(tmp_path / "a") == faults(tmp_path / "b")
    assert faults(tmp_path / "a") == ["exception in scheduler (IndexError in forward: index 5)"]


def test_a_shortage_counts_where_it_was_an_error(tmp_path: Path) -> None:
    process(tmp_path / "a", "server.1", record(1.0, "[Errno 98] address already in use", "WARNING"))
    process(tmp_path / "b", "server.1", record(1.0, "[Errno 98] address already in use"))
    warned, failed = evidence.read(tmp_path / "a"), evidence.read(tmp_path / "b")
    assert warned and failed
    assert (warned.lacking, failed.lacking) == (None, "[Errno 98] address already in use")


def test_a_line_that_was_being_written_is_none(tmp_path: Path) -> None:
    process(tmp_path, "server.1", uncaught(1.0))
    with (tmp_path / "server.1" / evidence.EVENTS).open("a") as file:
        file.write('{"at": 2.0, "ev')
    assert len(faults(tmp_path)) == 1


def test_native_text_is_shown_where_people_look(tmp_path: Path) -> None:
    process(tmp_path / "reports", "scheduler TP0.2", native="a native line\n")
    process(tmp_path / "reports", "server.1")
    (tmp_path / "server.log").write_text("all is well\n")
    evidence.show(tmp_path / "reports", tmp_path / "server.log")
    assert (tmp_path / "server.log").read_text() == (
        "all is well\n[the own stream of scheduler TP0.2]\na native line\n\n"
    )


def test_a_fault_of_another_process_is_not_renamed(tmp_path: Path) -> None:
    process(tmp_path, "server.1", record(1.0, "Rank 0 scheduler died during initialization (exit code: -9)"))
    read = evidence.read(tmp_path)
    assert read and read.faults == (
        Fault(kind="crash", process="scheduler", message="died during initialization (exit code: -9)"),
    )


def test_nothing_is_shown_beyond_the_file_size_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process(tmp_path / "reports", "scheduler TP0.2", native="a native line\n")
    log = tmp_path / "server.log"
    log.write_text("full\n")
    monkeypatch.setattr("resource.getrlimit", lambda _: (8, 8))
    evidence.show(tmp_path / "reports", log)
    assert log.read_text() == "full\n"
