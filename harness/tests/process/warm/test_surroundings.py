"""What is compared before a process is lent: what an import may depend on, by names to be told."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.process.warm import surroundings
from harness.process.warm.surroundings import UNREAD, Surroundings, search_path, unread

SCRIPT = """
import json, sys; sys.path[:] = json.loads(sys.argv[1])
from harness.process.warm.surroundings import Surroundings
print(json.dumps(dict(Surroundings.here().facts)))
"""


def _of_a_child(before: Callable[[], object] | None = None) -> Surroundings:
    """Of an interpreter like this one, which `before` alters ahead of its start."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(search_path())]
    how: dict[str, Any] = {"env": dict(os.environ), "preexec_fn": before, "stdout": subprocess.PIPE}
    return Surroundings(json.loads(subprocess.run(command, check=True, **how).stdout))


def test_two_processes_of_one_shell_have_them_alike() -> None:
    one = _of_a_child()
    assert Surroundings.here().difference(one) is None
    assert Surroundings.here().digest == one.digest


@pytest.mark.parametrize(
    ("before", "named"),
    [
        (lambda: os.nice(3), "nice value"),
        (lambda: os.umask(0o057), "process's Umask"),
        (lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}), "process's Cpus_allowed"),
        (lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 1)), "limit RLIMIT_CORE"),
    ],
)
def test_what_a_process_is_held_to_counts(before: Callable[[], object], named: str) -> None:
    if named.endswith("allowed") and len(os.sched_getaffinity(0)) == 1:
        pytest.skip("there is one processor alone")
    assert named in (Surroundings.here().difference(_of_a_child(before)) or "")


def test_every_variable_counts_but_for_a_few(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Surroundings.here()
    for name in UNREAD:
        monkeypatch.setenv(name, "other")
    assert here.difference(Surroundings.here()) is None
    assert set(unread().values()) == {"other"}
    for name in ("TERM", "HOME", "LANG", "TMPDIR", "LD_PRELOAD", "OMP_NUM_THREADS", "A_NEW_ONE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "other")
            assert here.difference(Surroundings.here()) == f"another variable {name}"


def test_values_of_variables_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "a secret of mine")
    assert "a secret of mine" not in json.dumps(dict(Surroundings.here().facts))


def test_where_modules_are_looked_for_and_the_folder_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = Surroundings.here()
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        assert here.difference(Surroundings.here()) == "another search path (sys.path)"
    monkeypatch.chdir(str(tmp_path))
    assert here.difference(Surroundings.here()) == "another current folder"


def test_another_version_or_checkout_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Surroundings.here()
    monkeypatch.setattr("harness.__version__", "9.9")
    assert here.difference(Surroundings.here()) == "another Refault"


def test_many_differences_are_told_in_brief() -> None:
    one, other = Surroundings({}), Surroundings({f"limit {n}": "1" for n in range(5)})
    assert one.difference(other) == "another limit 0, limit 1, limit 2 and 2 more"


def test_a_control_group_counts_by_what_it_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surroundings, "_CGROUPS", tmp_path)
    for window in ("one", "two"):
        (tmp_path / "user" / window).mkdir(parents=True)
        (tmp_path / "user" / window / "memory.max").write_text("max\n")
    (tmp_path / "user" / "pids.max").write_text("500\n")
    one, two = (dict(surroundings._limits_of(f"/user/{window}")) for window in ("one", "two"))
    assert one == two == {"pids.max of control group user": "500"}
    (tmp_path / "user" / "one" / "memory.max").write_text("4096\n")
    assert dict(surroundings._limits_of("/user/one")).keys() - two == {"memory.max of control group user/one"}


RECORDS = """
import importlib.util, json, os, sys
asked, kind = {}, type(os.environ)
found = kind.__getitem__
def records(self, name):
    frame = sys._getframe(1)
    while "_collections_abc" in frame.f_code.co_filename:
        frame = frame.f_back
    asked.setdefault(f"{frame.f_code.co_filename}:{frame.f_lineno}", set()).add(name)
    return found(self, name)
kind.__getitem__ = records
from harness.process import preload
there = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
failed = dict(preload.load(there, frozenset({"sglang"})))
print(json.dumps([len(sys.modules), sorted(failed), {at: sorted(names) for at, names in asked.items()}]))
"""
IMPORTED = (
    "harness.host.preload", "transformers", "transformers.models.auto.modeling_auto", "triton", "IPython",
    "compressed_tensors", "torch._dynamo", "torch._inductor.config", "torch.distributed", "aiohttp",
    "fastapi", "uvicorn", "openai", "pydantic", "rich.console", "tqdm", "zmq", "orjson", "scipy", "PIL",
    "xgrammar",
)  # fmt: skip
WHOLE = 30
"""Names that one line asks for are more only where it copies the environment."""


@pytest.mark.nightly
def test_no_import_asks_for_what_is_not_compared() -> None:
    environment = {**os.environ, **dict.fromkeys(UNREAD, "1"), "OPENBLAS_NUM_THREADS": "1"}
    environment |= {f"FILLER_{n}": "" for n in range(WHOLE)}
    command = [sys.executable, "-P", "-c", RECORDS, *IMPORTED]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    modules, failed, asked = json.loads(done.stdout.splitlines()[-1])
    assert modules > 2000 and "transformers" not in failed
    single = {at: names for at, names in asked.items() if len(names) < WHOLE}
    assert {"HOME", "TERM"} <= {name for names in single.values() for name in names}
    assert {at: UNREAD & set(names) for at, names in single.items() if UNREAD & set(names)} == {}
