"""Every pattern on a real line, and what must not be taken for a fault."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.facts import FaultKind
from harness.serving import logs, signs
from harness.tests.serving.samples import SAMPLES, Sample
from harness.tests.serving.shapes import SHAPES

FAULTS = [sample for sample in (*SAMPLES, *SHAPES) if sample.kind]
LACKING = [sample for sample in (*SAMPLES, *SHAPES) if not sample.kind]
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
    assert [sign.pattern.pattern for sign in signs.SIGNS if not _is_seen(sign)] == []


def _is_seen(sign: signs.Sign) -> bool:
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
        "[2026-01-01 00:00:00] Port 24000 is already in use, trying port 24001",
        "[2026-01-01 00:00:00] Receive: obj=GenerateReqInput(rid='a', text='CUDA error: misaligned address')",
        "[2026-01-01 00:00:00] Scheduler watchdog timeout (self.watchdog_timeout=1, self.soft=True)",
        "[W304 05:06:07.1 socket.cpp:8] [c10d] The server socket has failed to bind: Address already in use",
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
    assert {fault.kind for fault in logs.read(text).faults} <= set(FaultKind)


@given(st.integers(0, len(RAISED)))
def test_a_traceback_that_breaks_off_is_no_harm(at: int) -> None:
    assert {fault.kind for fault in logs.read(RAISED[:at]).faults} <= {"exception"}


def test_a_long_log_of_long_lines_is_read_in_no_time() -> None:
    text = ("x" * 999 + "\n") * 2000 + ("a line of a log, with some words: 12 of 34\n") * 20000 + RAISED
    began = time.process_time()
    assert len(logs.read(text).faults) == 1
    assert time.process_time() - began < 3


HANDLED = """\
[2026-01-01 00:00:00] Error in toy_parse: no toy
Traceback (most recent call last):
  File "/a/sglang/srt/function_call/toy.py", line 3, in toy_parse
    return toy[text]
KeyError: 'no toy'
[2026-01-01 00:00:01 TP0] Decode batch, #running-req: 1
"""
SEGFAULT = "Fatal Python error: Segmentation fault\n\nCurrent thread 0x01 (most recent call first):\n"


def test_a_handled_exception_is_no_fault_and_hides_none() -> None:
    assert logs.read(HANDLED) == logs.Reading()
    (fault,) = logs.read(HANDLED + SEGFAULT).faults
    assert (fault.kind, fault.message) == ("crash", "Fatal Python error: Segmentation fault")


def test_a_soft_watchdog_hides_no_crash() -> None:
    soft = "[2026-01-01 00:00:00] Scheduler watchdog timeout (self.watchdog_timeout=1, self.soft=True)\n"
    assert [fault.kind for fault in logs.read(soft + SEGFAULT).faults] == ["crash"]


def test_a_failed_request_hides_no_crash_of_the_server() -> None:
    failed = RAISED.replace(
        " TP0] Scheduler hit an exception: ", "] ERROR:    Exception in ASGI application\n"
    )
    read = logs.read(failed + SEGFAULT).faults
    assert [(fault.kind, fault.process) for fault in read] == [("exception", "server"), ("crash", None)]


def test_a_port_that_was_looked_for_again_overrules_no_fault() -> None:
    retry = "[2026-01-01 00:00:00] Port 24000 is already in use, trying port 24001\n"
    reading = logs.read(retry + RAISED)
    assert reading.lacking is None
    assert [fault.kind for fault in reading.faults] == ["exception"]


def test_a_full_segment_of_shared_memory_is_no_full_disk() -> None:
    reading = logs.read("OSError: [Errno 28] No space left on device: '/dev/shm/toy'\n")
    assert reading.storage is None
    assert reading.lacking


def test_groups_are_read_for_what_they_hold() -> None:
    group = """\
[2026-01-01 00:00:00] ERROR:    Exception in ASGI application
  + Exception Group Traceback (most recent call last):
  |   File "/b/starlette/toy.py", line 1, in toy
  |     yield
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/a/sglang/srt/entrypoints/toy.py", line 2, in toy_stream
    |     next(toy)
    | KeyError: 'rid'
    +------------------------------------
"""
    assert [(fault.process, fault.message) for fault in logs.read(group).faults] == [
        ("server", "KeyError in toy_stream: 'rid'")
    ]


@pytest.mark.parametrize(
    "prefix",
    [
        "[rank3]: ",
        "[default0]:",
        "sglang-1  | ",
        "(ToyEngine pid=7, ip=10.0.0.1) ",
        "[pod/toy-0/main] ",
        "2026-03-04T05:06:07.000000001Z ",
        "2026-03-04T05:06:07.000000001Z stderr F ",
        "\x1b[36m(ToyWorker pid=7)\x1b[0m ",
        "\x1b[31m",
        "[1,0]<stderr>:",
        "3: ",
    ],
)
def test_what_launchers_put_before_each_line_changes_nothing(prefix: str) -> None:
    prefixed = "".join(prefix + line for line in RAISED.splitlines(keepends=True))
    assert logs.read(prefixed).faults == logs.read(RAISED).faults


def test_docker_keeps_lines_as_json() -> None:
    packed = "".join(
        json.dumps({"log": line + "\n"}, separators=(",", ":")) + "\n" for line in RAISED.splitlines()
    )
    assert logs.read(packed).faults == logs.read(RAISED).faults


def test_labelled_ranks_may_interleave() -> None:
    first = ["[rank0]: " + line for line in RAISED.splitlines()]
    second = ["[rank1]: " + line.replace("IndexError", "KeyError") for line in RAISED.splitlines()]
    mixed = "\n".join(line for pair in zip(first, second, strict=True) for line in pair)
    told = [fault.message for fault in logs.read(mixed).faults]
    assert told == [
        "IndexError in forward: index 5 is out of bounds",
        "KeyError in forward: index 5 is out of bounds",
    ]


def test_a_line_behind_a_progress_bar_is_read() -> None:
    bar = "  0%|   | 0/4 [00:00<?, ?it/s]\rCapturing batches (bs=1): 50%|##   | 2/4 [00:00<00:00, 3.3it/s]"
    (fault,) = logs.read(f"{bar}{RAISED}").faults
    assert fault.process == "scheduler"


def test_text_far_behind_in_a_line_is_read() -> None:
    (fault,) = logs.read("x" * 9000 + " CUDA error: misaligned address\n").faults
    assert fault.message == "CUDA error: misaligned address"


def test_the_line_above_does_not_name_the_process() -> None:
    above = "[2026-01-01 00:00:00 TP0] Decode batch, #running-req: 1\n"
    (fault,) = logs.read(above + "CUDA error: misaligned address\n").faults
    assert fault.process is None


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_leaks_of_two_ranks_are_one_whoever_writes_first(order: tuple[int, int]) -> None:
    lines = [
        f"[2026-01-01 00:00:00 TP{rank}] toy_pool memory leak detected! free={9 - rank}\n" for rank in order
    ]
    (fault,) = logs.read("".join(lines)).faults
    assert fault.message == "toy_pool memory leak detected! free=9"


def test_a_traceback_that_ends_in_a_kill_is_no_exception_of_that_name() -> None:
    broken = "".join(RAISED.splitlines(keepends=True)[:-1]) + "Killed\n"
    assert [fault.signature for fault in logs.read(broken).faults] == ["crash (Killed)"]


def test_a_parent_that_tells_of_a_death_adds_nothing_to_what_explains_it() -> None:
    parent = next(shape for shape in SHAPES if shape.name == "parent-loses-a-scheduler-as-it-starts")
    assert logs.read(RAISED + QUIT + parent.log).faults == logs.read(RAISED).faults
