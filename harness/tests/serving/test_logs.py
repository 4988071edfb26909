"""Every pattern on a real line, and what must not be taken for a fault."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.facts.checks import FAULT_KINDS
from harness.serving import logs
from harness.tests.serving.samples import SAMPLES, Sample

FAULTS = [sample for sample in SAMPLES if sample.kind]
LACKING = [sample for sample in SAMPLES if not sample.kind]
RAISED = """\
[2026-01-01 00:00:00 TP0] Scheduler hit an exception: Traceback (most recent call last):
  File "/a/sglang/srt/managers/scheduler.py", line 10, in run_scheduler_process
    scheduler.run()
  File "/a/sglang/srt/layers/attention/toy.py", line 20, in forward
    raise IndexError("index 5 is out of bounds")
IndexError: index 5 is out of bounds
"""
QUIT = "[2026-01-01 00:00:01] Received sigquit from a child process. It usually means the child failed.\n"


@pytest.mark.parametrize("sample", FAULTS, ids=lambda sample: sample.name)
def test_a_known_line_is_the_fault_it_tells_of(sample: Sample) -> None:
    reading = logs.read("noise before\n" + sample.log + "noise after\n")
    assert [(fault.kind, fault.process, fault.message) for fault in reading.faults] == [
        (sample.kind, sample.process, sample.message)
    ]
    assert reading.lacking is None


@pytest.mark.parametrize("sample", LACKING, ids=lambda sample: sample.name)
def test_what_the_machine_lacks_is_no_fault_of_the_code(sample: Sample) -> None:
    reading = logs.read(sample.log)
    assert reading.faults == ()
    assert reading.lacking
    assert sample.message in reading.lacking


def test_every_pattern_has_a_sample() -> None:
    assert [sign.pattern.pattern for sign in logs.SIGNS if not _is_seen(sign)] == []


def _is_seen(sign: logs.Sign) -> bool:
    return any(sign.match(line) for sample in FAULTS for line in sample.log.splitlines())


def test_a_traceback_names_upstreams_function_and_the_process() -> None:
    (fault,) = logs.read(RAISED + QUIT).faults
    assert fault.kind == "exception"
    assert fault.process == "scheduler"
    assert fault.message == "IndexError in forward: index 5 is out of bounds"


def test_a_traceback_through_a_library_names_upstreams_deepest_function() -> None:
    deeper = RAISED.replace('    raise IndexError("index 5 is out of bounds")\n', "    torch.add(a, b)\n")
    deeper = deeper.replace(
        "IndexError: ", '  File "/a/site-packages/torch/x.py", line 1, in add\n    f()\nIndexError: '
    )
    (fault,) = logs.read(deeper).faults
    assert fault.message == "IndexError in forward: index 5 is out of bounds"


def test_other_processes_may_write_into_a_traceback() -> None:
    lines = RAISED.splitlines(keepends=True)
    mixed = "".join([*lines[:3], "[2026-01-01 00:00:00] INFO: a request\n", *lines[3:]])
    assert logs.read(mixed).faults == logs.read(RAISED).faults


def test_of_a_chain_the_unhandled_exception_counts() -> None:
    chain = (
        RAISED
        + "\nDuring handling of the above exception, another exception occurred:\n\n"
        + RAISED.replace("IndexError", "KeyError").partition(": ")[2]
    )
    (fault,) = logs.read(chain).faults
    assert fault.message == "KeyError in forward: index 5 is out of bounds"


def test_of_what_tritons_interpreter_wraps_the_inner_counts() -> None:
    wrapping = 'Traceback (most recent call last):\n  File "/b/triton/i.py", line 1, in run\n    f()\n'
    chain = (
        f"{RAISED}\nThe above exception was the direct cause of the following exception:\n\n"
        f"{wrapping}triton.runtime.errors.InterpreterError: IndexError('index 5')\n"
    )
    (fault,) = logs.read(chain).faults
    assert fault.message == "IndexError in forward: index 5 is out of bounds"


def test_two_ranks_that_say_the_same_are_one_fault() -> None:
    assert len(logs.read(RAISED + RAISED.replace("TP0", "TP1")).faults) == 1


def test_what_follows_from_a_fault_is_not_another() -> None:
    device = next(sample for sample in SAMPLES if sample.name == "hsa-memory-fault")
    after = "Fatal Python error: Aborted\n" + RAISED
    assert [fault.kind for fault in logs.read(device.log + after).faults] == ["device-fault"]
    peer = RAISED.replace("index 5 is out of bounds", "Connection closed by peer").replace("TP0", "TP1")
    assert len(logs.read(RAISED + peer).faults) == 1


def test_a_crash_after_a_warning_of_a_leak_is_told_as_well() -> None:
    leak = next(sample for sample in SAMPLES if sample.name == "leak-as-a-warning")
    kinds = [fault.kind for fault in logs.read(leak.log + "Fatal Python error: Aborted\n").faults]
    assert kinds == ["leak", "crash"]


@pytest.mark.parametrize(
    "line",
    [
        "[2026-01-01 00:00:00] server_args=ServerArgs(watchdog_timeout=300, enable_nan_detection=False)",
        "[2026-01-01 00:00:00 TP0] Watchdog initialized.",
        "[2026-01-01 00:00:00] Ignore import error when loading x: No module named 'vllm'",
        "[2026-01-01 00:00:00] support for flash attention is not available",
        "[2026-01-01 00:00:00] The server is fired up and ready to roll!",
    ],
)
def test_harmless_lines(line: str) -> None:
    assert logs.read(line) == logs.Reading()


def test_our_own_aborts_are_no_faults() -> None:
    said = "Request is disconnected from the client side (type 3). Abort request obj.rid='r0-001'"
    assert logs.read(RAISED.replace("index 5 is out of bounds", said)).faults == ()


def test_a_server_that_asked_itself_too_early_is_well() -> None:
    """Seen of 0.5.23, started with its warm-up left out."""
    pool = "HTTPConnectionPool(host='127.0.0.1', port=24225)"
    refused = "/freeze_gc (Caused by NewConnectionError('[Errno 111] Connection refused'))"
    early = f"requests.exceptions.ConnectionError: {pool}: Max retries exceeded with url: {refused}"
    assert logs.read(RAISED.replace("IndexError: index 5 is out of bounds", early)).faults == ()
    other = early.replace("freeze_gc", "generate")
    assert logs.read(RAISED.replace("IndexError: index 5 is out of bounds", other)).faults


def test_a_module_that_is_not_there_counts_where_it_was_raised() -> None:
    missing = RAISED.replace(
        "IndexError: index 5 is out of bounds", "ModuleNotFoundError: No module named 'x'"
    )
    assert logs.read(missing).faults == ()
    assert "No module named 'x'" in str(logs.read(missing).lacking)
    ours = missing.replace("'x'", "'sglang.srt.x'")
    assert [fault.kind for fault in logs.read(ours).faults] == ["exception"]


def test_a_full_disk_is_told_apart() -> None:
    assert logs.read("OSError: [Errno 27] File too large\n").storage
    assert logs.read("OSError: [Errno 28] No space left on device\n").storage


def test_the_last_lines() -> None:
    assert logs.last_lines("a\n\nb\nc\n", 2) == "b\nc"
    assert logs.last_lines("", 2) == ""


@given(st.text(max_size=300) | st.lists(st.sampled_from(RAISED.splitlines()), max_size=12).map("\n".join))
def test_any_text_can_be_read(text: str) -> None:
    assert {fault.kind for fault in logs.read(text).faults} <= FAULT_KINDS


@given(st.integers(0, len(RAISED)))
def test_a_traceback_that_breaks_off_is_no_harm(at: int) -> None:
    assert {fault.kind for fault in logs.read(RAISED[:at]).faults} <= {"exception"}


def test_a_long_log_of_long_lines_is_read_in_no_time() -> None:
    text = ("x" * 999 + "\n") * 2000 + ("a line of a log, with some words: 12 of 34\n") * 20000 + RAISED
    began = time.process_time()
    assert len(logs.read(text).faults) == 1
    assert time.process_time() - began < 3
