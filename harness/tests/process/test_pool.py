"""Arms in a pool: how each way to end is told apart, what an arm is given, and what it cannot reach."""

import dataclasses
import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BadInput, Unresolved
from harness.observation import Exit
from harness.process.descendants import descendants
from harness.process.job import Environment, Job
from harness.process.pool import Pool
from harness.tests.process.conftest import PLAIN, Start

MakeJob = Callable[..., Job]


# --- endings ---------------------------------------------------------------------------------


def test_a_result_comes_back_and_is_kept_for_people(run: Start, tmp_path: Path) -> None:
    ended = run("returns", page_size=16)
    assert ended.exit == Exit(how="clean", code=0)
    assert ended.result == {"payload": {"page_size": 16}, "folder": str(tmp_path / "arm")}
    assert json.loads((tmp_path / "arm" / "result.json").read_text()) == ended.result
    assert (ended.error, ended.leftovers) == (None, ())
    assert 0 < ended.seconds < 5


def test_an_exception_comes_with_its_traceback(run: Start) -> None:
    ended = run("raises")
    assert ended.exit == Exit(how="exception", code=1, message="ValueError: page_size must be 16")
    assert ended.error and ended.error["type"] == "ValueError"
    assert 'raise ValueError("page_size must be 16")' in ended.error["traceback"]
    assert ended.error["traceback"] == ended.log.read_text()
    assert ended.result is None


@pytest.mark.parametrize(
    ("entry", "number"),
    [("segfaults", signal.SIGSEGV), ("aborts", signal.SIGABRT), ("kills_itself", signal.SIGKILL)],
)
def test_a_crash_names_its_signal(run: Start, entry: str, number: signal.Signals) -> None:
    ended = run(entry)
    assert ended.exit == Exit(how="crash", signal=number.name)


def test_a_crash_leaves_the_python_stack_in_the_log(run: Start) -> None:
    assert "in segfaults" in run("segfaults").log.read_text()


@pytest.mark.parametrize(
    ("entry", "code", "message"),
    [
        ("system_exits", 3, "SystemExit: 3"),
        ("system_exits", 0, "SystemExit: 0"),
        ("ends_silently", 0, "ended with exit code 0 and without a result"),
        ("ends_silently", 7, "ended with exit code 7 and without a result"),
    ],
)
def test_ending_without_a_result_is_never_clean(run: Start, entry: str, code: int, message: str) -> None:
    assert run(entry, code=code).exit == Exit(how="exception", code=code, message=message)


@pytest.mark.parametrize(
    ("entry", "word"), [("returns_a_set", "not JSON serializable"), ("returns_a_list", "not a dict")]
)
def test_a_result_that_is_no_json_object_is_an_exception(run: Start, entry: str, word: str) -> None:
    ended = run(entry)
    assert (ended.exit.how, ended.result) == ("exception", None)
    assert word in (ended.exit.message or "")


@pytest.mark.parametrize("entry", ["harness.tests.process.arms:nowhere", "no_such_module:entry"])
def test_an_entry_that_is_not_there_is_an_exception(pool: Pool, job: MakeJob, entry: str) -> None:
    ended = pool.submit(dataclasses.replace(job("returns"), entry=entry)).result(timeout=30)
    assert ended.exit.how == "exception"


def test_a_result_that_cannot_be_kept_counts_all_the_same(
    run: Start, caplog: pytest.LogCaptureFixture
) -> None:
    ended = run("makes_its_folder_unwritable")
    assert (ended.exit.how, ended.result) == ("clean", {"said": True})
    assert "result.json cannot be kept" in caplog.text


# --- time ------------------------------------------------------------------------------------


def test_a_time_out_keeps_the_stack_and_the_log(run: Start) -> None:
    ended = run("sleeps", seconds=0.4)
    assert ended.exit == Exit(how="time-out", message="no answer within 0.4 s")
    assert "_a_function_seen_in_the_stack" in ended.log.read_text()
    assert 0.4 <= ended.seconds < 1.5


@pytest.mark.parametrize("entry", ["stops_itself", "ignores_everything"])
def test_no_arm_escapes_its_time_limit(run: Start, entry: str) -> None:
    ended = run(entry, seconds=0.4)
    assert ended.exit.how == "time-out"
    assert ("stopped by a signal" in (ended.exit.message or "")) == (entry == "stops_itself")


# --- what an arm is given and leaves ---------------------------------------------------------


def test_an_arm_is_on_its_own(pool: Pool, job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    described = dataclasses.replace(job("describes_itself"), variables={"ONLY_HERE": "yes"})
    seen: dict[str, Any] = pool.submit(described).result(timeout=30).result or {}
    assert seen["session"] == seen["pid"] != os.getsid(0)
    assert seen["environment"]["ONLY_HERE"] == "yes"
    assert seen["cwd"] == os.getcwd()
    assert seen["interrupt"] and seen["threads"] == 1
    files = dict(sorted(seen["files"].items(), key=lambda item: int(item[0])))
    assert list(files.values())[:3] == ["/dev/null", str(described.files.log), str(described.files.log)]
    others = [path for path in list(files.values())[3:] if "/fd" not in path]
    assert len([path for path in others if path.startswith("socket:")]) == 1  # to the pool
    assert {path for path in others if not path.startswith("socket:")} <= {str(described.files.log)}
    assert "decimal" in seen["modules"] and "harness.process.pool" not in seen["modules"]


def test_variables_of_one_arm_do_not_reach_the_next(pool: Pool, job: MakeJob) -> None:
    pool.submit(dataclasses.replace(job("returns"), variables={"ONLY_HERE": "yes"})).result(timeout=30)
    seen = pool.submit(job("describes_itself", name="next")).result(timeout=30).result or {}
    assert "ONLY_HERE" not in seen["environment"]


def test_state_of_one_arm_does_not_reach_the_next(run: Start) -> None:
    assert [run("marks_a_module").result, run("marks_a_module").result] == [
        {"found": False},
        {"found": False},
    ]


def test_two_arms_start_from_the_same_state(run: Start) -> None:
    first, second = (run("describes_itself").result or {} for _ in range(2))
    assert first["modules"] == second["modules"]
    assert first["environment"]["PYTHONHASHSEED"] == os.environ.get("PYTHONHASHSEED", "0")


def test_temporary_files_go_with_the_arm(run: Start) -> None:
    ended = run("leaves_temporary_files")
    path = Path((ended.result or {})["path"])
    assert "refault-" in str(path) and not path.parent.exists()


def test_output_goes_to_the_log_alone(run: Start, capfd: pytest.CaptureFixture[str]) -> None:
    ended = run("writes", kilobytes=2000)
    text = ended.log.read_text()
    assert text.count("\n") == 2002
    assert text.endswith("the last line\nalso to stderr\n")
    assert capfd.readouterr() == ("", "")


def test_a_folder_used_before_gives_nothing_of_the_earlier_arm(run: Start) -> None:
    assert run("returns").exit.how == "clean"
    ended = run("ends_silently", code=0)
    assert (ended.exit.how, ended.result) == ("exception", None)


# --- leftovers -------------------------------------------------------------------------------


@pytest.mark.parametrize("crash", [False, True])
def test_what_an_arm_leaves_behind_is_ended_and_named(run: Start, tmp_path: Path, crash: bool) -> None:
    ended = run("leaves_daemons", crash=crash)
    assert ended.exit.how == ("crash" if crash else "clean")
    assert ended.leftovers == ("refault-arm", "refault-arm", "sleep")
    assert not any(_is_alive(tmp_path / "arm" / name) for name in ("plain", "daemon"))


def test_a_time_out_ends_what_the_arm_started_too(run: Start, tmp_path: Path) -> None:
    ended = run("leaves_daemons", seconds=0.8, sleep=60)
    assert ended.exit.how == "time-out"
    assert len(ended.leftovers) == 3
    assert not any(_is_alive(tmp_path / "arm" / name) for name in ("plain", "daemon"))


def test_a_child_that_ends_by_itself_is_no_leftover(run: Start) -> None:
    assert run("leaves_a_child_that_ends_soon").leftovers == ()


@pytest.mark.parametrize("raises", [False, True])
def test_a_fork_does_not_speak_for_the_arm(run: Start, raises: bool) -> None:
    ended = run("forks_into_the_harness", raises=raises)
    assert (ended.exit.how, ended.result) == ("clean", {"who": "the arm"})
    assert not (ended.log.parent / "error.json").exists()
    assert ("in the fork" in ended.log.read_text()) == raises


def test_what_forks_faster_than_it_can_be_listed_is_ended(run: Start) -> None:
    ended = run("runs_away")
    assert ended.exit.how == "clean"
    assert not _processes_in_session((ended.result or {})["session"])


def _is_alive(pid_file: Path) -> bool:
    return Path(f"/proc/{int(pid_file.read_text(encoding='utf-8'))}").exists()


def _processes_in_session(session: int) -> list[str]:
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.getsid(int(entry)) == session:
                found.append(entry)
        except ProcessLookupError:
            continue
    return found


# --- the pool itself -------------------------------------------------------------------------


def test_lanes_bound_what_runs_at_once(job: MakeJob) -> None:
    with Pool(lanes=2) as pool:
        futures = [pool.submit(job("sleeps", name=f"arm{n}", seconds=5)) for n in range(4)]
        futures += [pool.submit(job("returns", name="last"))]
        folders = [job("sleeps", name=f"arm{n}").folder for n in range(4)]
        _wait_for(lambda: sum((folder / "running").exists() for folder in folders) == 2)
        time.sleep(0.2)
        assert [(folder / "running").exists() for folder in folders] == [True, True, False, False]
    assert [future.cancelled() for future in futures] == [False, False, True, True, True]
    assert {futures[0].result().exit.how, futures[1].result().exit.how} == {"lost"}


@pytest.mark.parametrize(
    ("first", "order"),
    [(False, ["long", "middle", "short", "again"]), (True, ["short", "middle", "long", "again"])],
)
def test_what_takes_long_comes_first_or_last_and_a_further_turn_behind_it(
    job: MakeJob, first: bool, order: list[str]
) -> None:
    efforts = {"short": (0, 1.0), "again": (1, 9.0), "long": (0, 3.0), "middle": (0, 2.0)}
    ended: list[str] = []
    with Pool(lanes=1, first=first) as pool:
        ahead = pool.submit(job("sleeps", name="ahead", seconds=1))
        _wait_for((job("sleeps", name="ahead").folder / "running").exists)
        for name, (turn, effort) in efforts.items():
            asked = dataclasses.replace(job("returns", name=name), turn=turn, effort=effort)
            pool.submit(asked).add_done_callback(lambda _, name=name: ended.append(name))  # type: ignore[misc]
        ahead.result(timeout=30)
        _wait_for(lambda: len(ended) == len(efforts))
    assert ended == order


def test_closing_is_quick_and_final(job: MakeJob) -> None:
    pool = Pool(lanes=1)
    running = pool.submit(job("sleeps", name="running", seconds=600))
    waiting = pool.submit(job("returns", name="waiting"))
    _wait_for((job("sleeps", name="running").folder / "running").exists)
    started = time.monotonic()
    pool.close()
    pool.close()
    assert time.monotonic() - started < 1
    assert running.result(timeout=0).exit == Exit(how="lost", message="the pool was closed")
    with pytest.raises(CancelledError):
        waiting.result(timeout=0)
    with pytest.raises(Unresolved, match="closed"):
        pool.submit(job("returns"))


def test_an_interrupt_leaves_the_pool_at_once(job: MakeJob) -> None:
    started = [0.0]
    with pytest.raises(KeyboardInterrupt), Pool(lanes=1) as pool:
        future = pool.submit(job("sleeps", seconds=600))
        _wait_for((job("sleeps").folder / "running").exists)
        started[0] = time.monotonic()
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()
        future.result(timeout=30)
    assert time.monotonic() - started[0] < 1


def test_nothing_leaks(job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = (_open_files(), threading.active_count(), _children())
    with Pool(lanes=2) as pool:
        futures = [pool.submit(job("returns", name=f"arm{n}")) for n in range(4)]
        futures += [pool.submit(job("sleeps", name="slow", seconds=0.2))]
        assert [future.result(timeout=30).exit.how for future in futures] == ["clean"] * 4 + ["time-out"]
        assert list(tmp_path.glob("refault-*"))
    assert (_open_files(), threading.active_count(), _children()) == before
    assert not list(tmp_path.glob("refault-*"))


def test_each_environment_has_its_own_interpreter(job: MakeJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INHERITED", "1")
    variants = {
        "one": Environment(variables={"MODE": "a"}),
        "two": Environment(variables={"INHERITED": None}),
    }
    with Pool(lanes=2) as pool:
        futures = {
            name: pool.submit(
                dataclasses.replace(job("describes_itself", name=name), environment=environment)
            )
            for name, environment in variants.items()
        }
        seen = {
            name: (future.result(timeout=30).result or {})["environment"] for name, future in futures.items()
        }
    assert (seen["one"]["MODE"], seen["one"]["INHERITED"]) == ("a", "1")
    assert "MODE" not in seen["two"] and "INHERITED" not in seen["two"]


def test_a_pool_needs_a_lane() -> None:
    with pytest.raises(BadInput, match="at least 1"):
        Pool(lanes=0)


# --- preloading ------------------------------------------------------------------------------


def test_what_one_arm_imports_the_next_one_finds(job: MakeJob) -> None:
    mine = Environment(preload=("no_such_module_x", "json"), arm_only=frozenset({"harness"}))
    with Pool(lanes=1) as pool:
        first, second = (
            pool.submit(
                dataclasses.replace(job("imports", name=name, modules=["colorsys"]), environment=mine)
            ).result(30)
            for name in ("first", "second")
        )
        assert (first.result, second.result) == (
            {"already": {"colorsys": False}},
            {"already": {"colorsys": True}},
        )
        assert "colorsys" in first.imported and not any(name.startswith("harness") for name in first.imported)
        assert second.imported == ()
        assert pool.learned(mine)[0] == "json" and "colorsys" in pool.learned(mine)
        assert "no_such_module_x" not in pool.learned(mine)
        assert any(note.startswith("no_such_module_x not preloaded") for note in pool.notes)
        assert not pool.threaded


def test_without_learning_arms_import_for_themselves(run: Start) -> None:
    ended = [run("imports", modules=["colorsys"]) for _ in range(2)]
    assert [each.result for each in ended] == [{"already": {"colorsys": False}}] * 2


def test_numpy_leaves_the_fork_server_with_one_thread(job: MakeJob) -> None:
    with Pool(lanes=1) as pool:
        used = dataclasses.replace(job("describes_itself"), environment=Environment(preload=("numpy",)))
        ended = pool.submit(used).result(timeout=30)
        assert "numpy" in (ended.result or {})["modules"]
        assert (pool.threaded, pool.notes) == (False, ())


def test_threads_in_a_fork_server_are_reported(
    job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m_with_thread.py").write_text(
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    with Pool(lanes=1) as pool:
        used = dataclasses.replace(job("returns"), environment=Environment(preload=("m_with_thread",)))
        assert pool.submit(used).result(timeout=30).exit.how == "clean"
        assert pool.threaded
        assert any("m_with_thread started a thread" in note for note in pool.notes)


def test_what_a_module_leaves_as_it_is_imported_goes_with_the_pool(
    job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch's inductor makes the folder of its cache."""
    text = "import os, tempfile; os.makedirs(os.path.join(tempfile.gettempdir(), 'cache_of_a_module'))"
    (tmp_path / "m_caching.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    with Pool(lanes=1) as pool:
        used = dataclasses.replace(job("returns"), environment=Environment(preload=("m_caching",)))
        assert pool.submit(used).result(timeout=30).exit.how == "clean"
        assert [path.parent.name[:8] for path in tmp_path.rglob("cache_of_a_module")] == ["refault-"]
    assert list(tmp_path.rglob("cache_of_a_module")) == []


# --- the machinery fails ---------------------------------------------------------------------


@pytest.mark.parametrize("source", ["import ctypes; ctypes.string_at(0)", "import os; os._exit(1)"])
def test_a_module_that_ends_the_fork_server_costs_one_arm(
    job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    (tmp_path / "m_deadly.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    deadly = Environment(preload=("m_deadly",))
    with Pool(lanes=1) as pool:
        ended = [
            pool.submit(dataclasses.replace(job("returns"), environment=deadly)).result(30) for _ in range(2)
        ]
    assert [each.exit.how for each in ended] == ["lost", "clean"]
    assert "fork server ended" in (ended[0].exit.message or "")


def test_an_import_that_hangs_is_given_up(
    job: MakeJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m_hangs.py").write_text("import time; time.sleep(600)")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Pool(lanes=1, start_seconds=0.8) as pool:
        used = dataclasses.replace(job("returns"), environment=Environment(preload=("m_hangs",)))
        ended = pool.submit(used).result(timeout=30)
        assert ended.exit.how == "lost" and "within 0.8 s" in (ended.exit.message or "")
        assert pool.submit(used).result(timeout=30).exit.how == "clean"


def test_a_place_that_cannot_be_written_is_unresolved(pool: Pool, job: MakeJob, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unresolved, match="could not be run"):
        pool.submit(dataclasses.replace(job("returns"), folder=tmp_path / "file" / "arm")).result(timeout=30)


def test_warming_starts_the_one_fork_server_that_arms_use(job: MakeJob) -> None:
    before = _fork_servers()
    with Pool(lanes=1) as pool:
        pool.warm(PLAIN)
        _wait_for(lambda: _fork_servers() == before + 1)
        assert pool.submit(job("returns")).result(timeout=30).exit.how == "clean"
        assert _fork_servers() == before + 1


def _fork_servers() -> int:
    return sum(process.name == "refault-fork-server"[:15] for process in descendants(os.getpid()))


def _wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def _children() -> int:
    return len(descendants(os.getpid()))


def test_a_pool_that_cannot_be_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFAULT_PROTECTION", "none such")
    before = {one.pid for one in descendants(os.getpid())}
    with pytest.raises(BadInput, match="none such"):
        Pool(lanes=1)
    assert {one.pid for one in descendants(os.getpid())} == before
