"""What a process of a server reports of itself, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness.serving.evidence import EVENTS, NATIVE

BEGIN = """
import json, logging, os, sys, threading
from pathlib import Path
from harness.tiers.server import error_streams, log_events
folder = Path(sys.argv[1])
error_streams.part(folder)
def write(line):
    with (folder / "events.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\\n")
log_events.report(write)
logging.basicConfig(level="INFO")
toy = logging.getLogger("toy")
"""


def run(tmp_path: Path, code: str) -> tuple[list[dict[str, Any]], str, str]:
    """The events, the process's own stream, and the shared log."""
    log = tmp_path / "server.log"
    with log.open("ab") as output:
        subprocess.run(
            [sys.executable, "-c", BEGIN + code, str(tmp_path)],
            stdout=output,
            stderr=output,
            timeout=60,
            env={**os.environ},
        )
    file = tmp_path / EVENTS
    events = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    return events, (tmp_path / NATIVE).read_text(), log.read_text()


def test_python_writes_to_the_shared_log_and_native_code_to_its_own(tmp_path: Path) -> None:
    code = "print('of python'); toy.info('a record'); sys.stdout.flush(); os.write(2, b'of native code')"
    events, native, shared = run(tmp_path, code)
    assert (events, native) == ([], "of native code")
    assert shared == "of python\nINFO:toy:a record\n"


def test_a_segfault_s_dump_is_in_the_process_s_own_stream(tmp_path: Path) -> None:
    code = "import faulthandler, ctypes; faulthandler.enable(); ctypes.string_at(0)"
    _, native, shared = run(tmp_path, code)
    assert native.startswith("Fatal Python error: Segmentation fault")
    assert "Fatal" not in shared


def test_a_child_gets_a_stream_of_its_own_and_the_same_log(tmp_path: Path) -> None:
    code = """
import subprocess
if os.fork() == 0:
    own = folder / "child"
    own.mkdir()
    error_streams.take(own)
    os.write(2, b"of the child")
    print("the child says", flush=True)
    os._exit(0)
os.wait()
os.write(2, b"of the parent")
"""
    _, native, shared = run(tmp_path, code)
    assert native == "of the parent"
    assert (tmp_path / "child" / NATIVE).read_text() == "of the child"
    assert shared == "the child says\n"


def test_what_nobody_caught_is_reported_and_still_printed(tmp_path: Path) -> None:
    (event,), _, shared = run(tmp_path, "def toy_run(): raise KeyError('x')\ntoy_run()")
    assert (event["event"], event["origin"], event["ends"]) == ("uncaught", "sys.excepthook", True)
    assert event["text"].endswith("KeyError: 'x'\n") and "KeyError: 'x'" in shared


def test_a_thread_s_exception_ends_no_process(tmp_path: Path) -> None:
    code = "t = threading.Thread(target=lambda: 1 / 0, name='toy'); t.start(); t.join()"
    (event,), _, _ = run(tmp_path, code)
    assert (event["origin"], event["ends"]) == ("thread toy", False)


def test_a_process_s_end_by_an_exception_is_reported(tmp_path: Path) -> None:
    code = """
import multiprocessing
def work(): raise ValueError("in a child")
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
"""
    (event,), _, _ = run(tmp_path, code)
    assert event["origin"] == "multiprocessing" and "in a child" in event["text"]


def test_records_keep_level_and_origin_and_information_is_left_out(tmp_path: Path) -> None:
    code = """
def toy_warn(): toy.warning("a %s", "warning")
toy.info("CUDA error: a prompt may say anything")
toy_warn()
"""
    (event,), _, _ = run(tmp_path, code)
    assert (event["event"], event["level"], event["origin"]) == ("record", "WARNING", "toy:toy_warn")
    assert event["text"] == "a warning"


def test_a_caught_exception_has_no_traceback_and_one_given_up_on_has(tmp_path: Path) -> None:
    code = """
import traceback
try:
    raise ValueError("caught")
except ValueError as error:
    toy.error("Error in toy_parse: %s", error, exc_info=True)
try:
    raise ValueError("given up")
except ValueError:
    toy.error(f"Scheduler hit an exception: {traceback.format_exc()}")
"""
    (caught, given_up), _, _ = run(tmp_path, code)
    assert caught["text"] == "Error in toy_parse: caught"
    assert given_up["text"].startswith("Scheduler hit an exception: Traceback (most recent call last):\n")
    assert given_up["text"].endswith("ValueError: given up\n")


def test_arguments_that_do_not_fit_are_logging_s_own_matter(tmp_path: Path) -> None:
    (event,), _, _ = run(tmp_path, "toy.error('%d and %d', 'x')")
    assert event["text"] == "%d and %d"
