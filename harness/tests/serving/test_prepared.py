"""A first process that was forked ahead runs what a fresh interpreter would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.process import descendants

STARTS = """
import json, os, sys, time
from harness.serving.prepared import Prepared
os.environ["LEFT"] = "over"
sys.path.append("/nowhere")
prepared = Prepared.here()
kept = open(sys.argv[2])  # a descriptor that is none of its business
output = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
process = prepared.start(("python", "-P", "-m", "program", *sys.argv[4:]), json.loads(sys.argv[3]), output)
print(json.dumps({"pid": process.pid, "code": process.wait(20)}))
prepared.discard()
"""
TELLS = """
import json, os, signal, sys
print(json.dumps({
    "name": __name__, "argv": sys.argv, "environment": dict(os.environ), "session": os.getsid(0),
    "pid": os.getpid(), "path": sys.path[:1], "main": sys.modules["__main__"].__file__,
    "files": sorted(map(int, os.listdir("/proc/self/fd"))),
    "pipe": signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN,
    "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
}))
"""
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""numpy starts others as it is imported, and they do not survive a fork."""
Run = Callable[..., tuple[dict[str, Any], str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a program in a prepared process; what its starter says, and what it wrote."""

    def program(source: str, *words: str, **variables: str) -> tuple[dict[str, Any], str]:
        (tmp_path / "program.py").write_text(textwrap.dedent(source))
        own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), **variables}
        log = tmp_path / "log"
        command = [sys.executable, "-P", "-c", STARTS, str(log), __file__, json.dumps(own), *words]
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": os.getcwd()}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), log.read_text()

    return program


def test_it_is_as_a_fresh_interpreter(run: Run, tmp_path: Path) -> None:
    started, written = run(TELLS, "--port", "1", TOLD="yes")
    told: Mapping[str, Any] = json.loads(written)
    assert (told["name"], told["argv"]) == ("__main__", [str(tmp_path / "program.py"), "--port", "1"])
    assert told["main"] == str(tmp_path / "program.py") and told["path"] == [str(tmp_path)]
    assert told["environment"] == {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "TOLD": "yes"}
    assert told["session"] == told["pid"] == started["pid"]
    assert told["files"][:3] == [0, 1, 2] and len(told["files"]) == 4  # with the folder that is listed
    assert told["pipe"] and told["interrupt"] and started["code"] == 0


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        ("raise SystemExit(7)", 7, ""),
        ("raise SystemExit", 0, ""),
        ("raise SystemExit('no port')", 1, "no port\n"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
        ("import atexit; atexit.register(print, 'last')", 0, "last\n"),
        ("import threading, time; threading.Thread(target=lambda: (time.sleep(0.2), print('later'))).start()",
         0, "later\n"),
    ],
)  # fmt: skip
def test_it_ends_as_one(source: str, code: int, said: str, run: Run) -> None:
    started, written = run(source)
    assert (started["code"], written) == (code, said)


def test_it_can_be_named_by_upstream(run: Run) -> None:
    source = """
    import setproctitle
    setproctitle.setproctitle("sglang::scheduler")
    print(open("/proc/self/cmdline").read().rstrip(chr(0)))
    """
    assert run(source)[1] == "sglang::scheduler\n"


def test_what_it_does_not_catch_is_printed(run: Run) -> None:
    started, written = run("def start():\n    raise ValueError('port is taken')\nstart()")
    assert started["code"] == 1
    assert written.startswith("Traceback (most recent call last):\n")
    assert written.endswith("ValueError: port is taken\n") and "in start" in written


def test_one_that_is_never_started_ends_with_its_starter(tmp_path: Path) -> None:
    code = "import os, sys, time; from harness.serving.prepared import Prepared; one = Prepared.here()\n"
    code += "print(one._pid, flush=True); time.sleep(600)"
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert descendants.look_up(pid) is not None
        starter.kill()
    deadline = time.monotonic() + 10
    while (found := descendants.look_up(pid)) and not found.ended and time.monotonic() < deadline:
        time.sleep(0.01)
    assert found is None or found.ended


def test_none_is_forked_from_a_process_with_threads(tmp_path: Path) -> None:
    code = "import threading, time; threading.Thread(target=time.sleep, args=(5,), daemon=True).start()\n"
    code += "from harness.serving.prepared import Prepared; assert Prepared.here() is None"
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": os.getcwd()}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
