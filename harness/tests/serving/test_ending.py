"""What follows from an exit, a log and what the harness saw itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.observation import Exit, Fault
from harness.serving.causes import Causes
from harness.serving.ending import Found, conclude

HANG = Fault(kind="hang", message="no token for 30 s")
KILLED = Exit(how="crash", signal="SIGKILL")


def found(tmp_path: Path, text: str = "", exit_: Exit | None = None, **changes: object) -> Found:
    file = tmp_path / "server.log"
    file.write_text(text)
    return Found(exit=exit_, log=file, text=text, **changes)  # type: ignore[arg-type]


def signatures(one: Found) -> list[str]:
    faults, unresolved = conclude(one)
    assert unresolved is None
    return [fault.signature for fault in faults]


def test_a_server_that_was_stopped_is_clean(tmp_path: Path) -> None:
    assert signatures(found(tmp_path, "all is well\n")) == []


def test_an_end_nobody_can_name_is_a_crash_with_the_last_line(tmp_path: Path) -> None:
    assert signatures(found(tmp_path, "one\ntwo\n", KILLED)) == ["crash in server (SIGKILL; last line: two)"]
    silent = Exit(how="clean", code=0)
    assert signatures(found(tmp_path, "", silent)) == [
        "crash in server (ended by itself with code 0; last line:)"
    ]


def test_an_end_that_the_log_explains_is_one_fault(tmp_path: Path) -> None:
    text = "Fatal Python error: Aborted\n"
    assert signatures(found(tmp_path, text, KILLED)) == ["crash (Fatal Python error: Aborted)"]


def test_a_hang_is_what_was_seen_unless_a_process_is_gone(tmp_path: Path) -> None:
    assert signatures(found(tmp_path, trouble=(HANG,))) == ["hang (no token for 30 s)"]
    gone = found(tmp_path, trouble=(HANG,), lost=("scheduler",))
    assert signatures(gone) == ["crash in scheduler (ended while in service)"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"text": "OSError: [Errno 28] No space left on device\n"}, "the log is not whole: No space left"),
        ({"text": "x" * 99, "file_limit": 64}, "it reached the file-size limit of 64 bytes"),
        ({"exit_": KILLED, "kernel_kills": 1}, "the machine had no memory left"),
        ({"exit_": KILLED, "text": "[Errno 98] address already in use\n"}, "the server could not run"),
    ],
)
def test_what_the_machine_did_is_unresolved(tmp_path: Path, changes: dict[str, object], why: str) -> None:
    faults, unresolved = conclude(found(tmp_path, **changes))  # type: ignore[arg-type]
    assert faults == () and why in str(unresolved)


def test_a_busy_port_that_did_no_harm_is_nothing(tmp_path: Path) -> None:
    assert signatures(found(tmp_path, "retry: address already in use\n")) == []


def test_what_processes_report_counts_and_not_what_the_log_quotes(tmp_path: Path) -> None:
    quoted = "CUDA error: an illegal memory access was encountered\n"
    assert signatures(found(tmp_path, quoted, own=Causes())) == []
    own = Causes(faults=(Fault(kind="crash", process="detokenizer", message="Segfault"),))
    assert signatures(found(tmp_path, quoted, KILLED, own=own)) == ["crash in detokenizer (Segfault)"]


def test_an_end_that_was_only_printed_is_read_from_the_log(tmp_path: Path) -> None:
    text = "terminate called after throwing an instance of 'int'\n"
    assert signatures(found(tmp_path, text, KILLED, own=Causes())) == [f"crash ({text.strip()})"]
