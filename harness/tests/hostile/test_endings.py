"""One thing does not end everything: the incidental warns, a case fails by itself, a signal keeps results."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import history
from harness.commands import running
from harness.documents.schema import validate
from harness.errors import BadInput, Unresolved
from harness.facts import CPU, CaseKey, Tier
from harness.history import store
from harness.suite import Request, Suite, planning
from harness.tests.hostile import endings
from harness.tests.test_cli import processes_of
from harness.tests.toyland import checkout
from harness.tests.toyland.bench import Bench, bug
from harness.tests.toyland.checkout import Checkout, Ended, Typed
from harness.verdict import Verdict

ABSENT = "pr109_needs_both_vendors"
"""Its cases lack a feature here: the whole of a command runs, and no arm."""
POLICY = '[[require]]\nplatform = "cpu"\ntiers = ["kernel"]\nreproducers = ["109"]\n'

# --- a history that cannot be used ------------------------------------------------------------------------


def _another(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE moz_places (id INTEGER)")
        file.execute("PRAGMA user_version = 2")


def _newer(path: Path) -> None:
    with history.opened(path):
        pass
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 9")


def _odd_rows(path: Path) -> None:
    with history.opened(path):
        pass
    with sqlite3.connect(path) as file:
        file.execute(
            "INSERT INTO runs VALUES (1, 'd', 'someday', '1', '9', 'path', 't', 'no json', 'r', 'b')"
        )
        told = (1, "r", "kernel", "cpu", "{}", "MAYBE", "told", 1.0, 1.0, 0, 1, 1.0, 0, 1, "sworn")
        file.execute(f"INSERT INTO verdicts VALUES ({', '.join('?' * len(told))})", told)


def _half_journal(path: Path) -> None:
    """A write-ahead log whose database was replaced."""
    with history.opened(path):
        pass
    path.write_bytes(path.read_bytes()[:700])
    path.with_name(path.name + "-wal").write_bytes(b"\x37\x7f\x06\x82" + b"\1" * 300)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 41)


def _view(path: Path) -> None:
    """Rows without an end."""
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE runs (id)")
        endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
        file.execute(f"CREATE VIEW verdicts AS {endless}")
        file.execute("PRAGMA user_version = 2")


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "garbage": (lambda path: path.write_bytes(os.urandom(5000)), "not a database"),
    "text": (lambda path: path.write_text("SQLite format 3"), "not a database"),
    "newer": (_newer, "is of format 9"),
    "another program's": (_another, "another program's, with a table 'moz_places'"),
    "folder": (lambda path: path.mkdir(), "no regular file"),
    "fifo": (os.mkfifo, "no regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "no regular file"),
    "loop": (lambda path: path.symlink_to(path.name), "symbolic links"),
    "dangling": (lambda path: path.symlink_to("nowhere/at/all"), "No such file"),
    "sparse": (_sparse, "more than"),
    "half a journal": (_half_journal, "history cannot be used"),
    "endless view": (_view, "another program's"),
}
WHOLE = ("sound", "odd rows", "garbage", "newer", "fifo", "another program's")
"""The histories that every command meets; the others meet one that stands for them."""
READS = ("repro", "report")
"""The commands that read the store too: those meet rows that only a reader does."""
COMMANDS: dict[str, tuple[list[str], int]] = {
    "run": (["run", "109", "--json", "out.json"], 4),
    "repro": (["repro", "109", "--json", "out.json", "--html", "out.html"], 4),
    "gate": (["gate", "--policy", "policy.toml", "--report", "gate"], 1),
    "report": (["report", "results.json", "--markdown", "out.md"], 0),
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Checkout:
    found = checkout.lay_out(tmp_path_factory.mktemp("endings") / "checkout", cache, (ABSENT,))
    (found.root / "policy.toml").write_text(POLICY)
    (first,) = endings.each(found, [Typed(["run", "--json", "results.json"])])
    assert first.returncode == 4
    return found


@pytest.fixture(scope="module")
def ran(
    place: Checkout, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], tuple[Ended, Any]]:
    """Every command on every history, a sound one among them, and the documents that they left."""
    typed: dict[tuple[str, str], Typed] = {}
    for name in ("sound", "odd rows", *SPOILT):
        for command, (words, _) in COMMANDS.items():
            if name not in WHOLE and command != "run":
                continue
            own = tmp_path_factory.mktemp("own")
            make = _odd_rows if name == "odd rows" else SPOILT[name][0] if name in SPOILT else None
            if make:
                make(own / "history.sqlite")
            moved = [
                str(own / word) if word.startswith(("out", "gate")) and word != "gate" else word
                for word in words
            ]
            moved[-1] = str(own / "gate") if command == "gate" else moved[-1]
            typed[name, command] = Typed(moved, {"REFAULT_CACHE": str(own)})
    done = dict(zip(typed, endings.each(place, list(typed.values())), strict=True))
    return {key: (one, _left(Path(typed[key].variables["REFAULT_CACHE"]))) for key, one in done.items()}


def _left(folder: Path) -> Any:
    """The documents in a folder without what tells one run from the next."""
    found = {}
    for path in sorted([*folder.glob("out.json"), *folder.glob("gate/*.json")]):
        found[path.name] = json.loads(path.read_text())
        for name in ("at", "run", "digest"):
            found[path.name].pop(name, None)
    return found


@pytest.mark.parametrize(
    ("name", "command"),
    [(name, command) for name in SPOILT for command in COMMANDS if name in WHOLE or command == "run"],
)
def test_a_history_that_cannot_be_used_is_one_warning(
    name: str, command: str, ran: dict[tuple[str, str], tuple[Ended, Any]]
) -> None:
    (done, left), (sound, wanted) = ran[name, command], ran["sound", command]
    assert (
        (done.returncode, done.stdout)
        == (sound.returncode, sound.stdout)
        == (COMMANDS[command][1], sound.stdout)
    )
    assert left == wanted and (left or command == "report")
    warnings = [line for line in done.stderr.splitlines() if "warning" in line]
    assert len(warnings) == 1 and SPOILT[name][1] in warnings[0], done.stderr
    assert warnings[0].startswith("refault: warning: ") and "delete it and rebuild it" in warnings[0]
    assert "Traceback" not in done.stderr and "warning" not in sound.stderr


@pytest.mark.parametrize("command", READS)
def test_rows_that_are_no_results_are_a_warning(
    command: str, ran: dict[tuple[str, str], tuple[Ended, Any]]
) -> None:
    done, left = ran["odd rows", command]
    assert done.returncode == COMMANDS[command][1] and left == ran["sound", command][1]
    assert "a row is no result" in done.stderr


def test_the_history_that_was_asked_for_itself_is_refused(place: Checkout, tmp_path: Path) -> None:
    typed = []
    for name, (make, _) in SPOILT.items():
        path = tmp_path / name
        make(path)
        typed.append(Typed(["history", "--store", str(path)]))
        if name not in WHOLE:
            continue
        typed.append(
            Typed(["report", "results.json", "--history", str(path), "--markdown", str(tmp_path / "x.md")])
        )
    for one, done in zip(typed, endings.each(place, typed), strict=True):
        assert done.returncode == 2 and done.stderr.count("\n") == 1, (one, done)
        assert done.stderr.startswith("refault: ") or "Usage" not in done.stderr


def test_a_lock_is_waited_for_and_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "PATIENCE", 0.2)
    path = tmp_path / "h.sqlite"
    with history.opened(path):
        pass
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    since = time.monotonic()
    with pytest.raises(BadInput, match="database is locked"), history.opened(path) as kept:
        kept.series()
    assert time.monotonic() - since < 10
    holder.close()


def test_work_on_a_store_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "WORK", -1.0)
    monkeypatch.setattr(store, "_STEPS", 1)
    with pytest.raises(BadInput, match="interrupted"), history.opened(tmp_path / "h.sqlite"):
        pass


# --- the other files of the cache ---------------------------------------------------------------------------

CACHED: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "measured garbage": ("matrix.json", lambda path: path.write_bytes(b"\xff\x00{"), "matrix.json"),
    "measured deep": ("matrix.json", lambda path: path.write_text("[" * 200_000), "nested deeper"),
    "measured fifo": ("matrix.json", os.mkfifo, "is a FIFO"),
    "measured odd": (
        "matrix.json",
        lambda path: path.write_text('{"pr109_needs_both_vendors": 3}'),
        "matrix.json",
    ),
}


def test_other_files_of_the_cache_warn_too(place: Checkout, tmp_path: Path) -> None:
    typed = []
    for name, (file, make, _) in CACHED.items():
        own = tmp_path / name
        own.mkdir()
        make(own / file)
        typed.append(Typed(["repro", "109"], {"REFAULT_CACHE": str(own)}))
    for (_, _, told), done in zip(CACHED.values(), endings.each(place, typed), strict=True):
        (warning,) = [line for line in done.stderr.splitlines() if "warning" in line]
        assert done.returncode == 4 and told in warning and warning.isprintable()


# --- a case fails by itself ---------------------------------------------------------------------------------


def judged(fresh: Bench, names: Sequence[str]) -> dict[str, tuple[Verdict | None, str]]:
    requests = [Request(reproducer=bug(name), tier=Tier.KERNEL) for name in names]
    found = Suite(fresh.setting, pool=fresh.pool).run(requests)
    return {one.result.reproducer: (one.result.verdict, one.result.reason) for one in found}


@pytest.mark.parametrize(
    "error", [RuntimeError("boom\nsecond"), Unresolved("lost"), BadInput("no such file"), RecursionError("x"),
     OSError(28, "No space left on device")]
)  # fmt: skip
def test_a_case_that_cannot_be_planned_leaves_the_others_alone(
    error: Exception, fresh: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planning.plan

    def spoilt(request: Request, *rest: Any) -> Any:
        if request.reproducer.id == "pr101_stray_store":
            raise error
        return plan(request, *rest)

    monkeypatch.setattr(planning, "plan", spoilt)
    found = judged(fresh, ("pr101_stray_store", "pr104_short_indptr"))
    verdict, reason = found["pr101_stray_store"]
    assert verdict is Verdict.UNRESOLVED and reason.isprintable() and str(error).split("\n")[0] in reason
    assert found["pr104_short_indptr"][0] is Verdict.UNRECORDED


def test_a_bad_golden_hides_no_lost_fix(fresh: Bench) -> None:
    golden = fresh.goldens.path(CaseKey("pr104_short_indptr", Tier.KERNEL, CPU))
    golden.parent.mkdir(parents=True)
    golden.write_text("{")
    verdict, reason = judged(fresh, ["pr104_short_indptr"])["pr104_short_indptr"]
    assert verdict is Verdict.UNRESOLVED and str(golden) in reason and "record" in reason
    pages = (fresh.tree.root / "sglang/pages.py").read_text().replace("batch + 1", "batch")
    lost = fresh.on(pages)
    assert judged(lost, ["pr104_short_indptr"])["pr104_short_indptr"][0] is Verdict.REGRESSED


# --- signals ------------------------------------------------------------------------------------------------

GATE = POLICY.replace('["109"]', '["104", "106"]')
STOPPED = {
    "run": (["run", "--json", "out.json"], "out.json"),
    "gate": (["gate", "--policy", "policy.toml", "--report", "gate", "-n", "1"], "gate/results.json"),
}


@pytest.fixture
def slow(tmp_path: Path, cache: Path) -> Checkout:
    """A checkout whose second case takes a minute."""
    place = checkout.lay_out(tmp_path / "checkout", cache, ("pr104_short_indptr", "pr106_endless_drain"))
    endless = place.root / "reproducers/pr106_endless_drain.py"
    endless.write_text(endless.read_text().replace("seconds=2.5", "seconds=60.0"))
    (place.root / "policy.toml").write_text(GATE)
    return place


def _heed() -> None:
    """What these tests were started with may ignore SIGHUP, as `nohup` does."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def started(place: Checkout, words: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """The command, once its first case was judged."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = place.command(*words)
    process = subprocess.Popen(
        command, cwd=place.root, env=place.environment, start_new_session=True, preexec_fn=_heed, **pipes
    )
    with process:
        assert process.stderr and process.stderr.readline().startswith("[1/2] pr104_short_indptr")
        yield process
        process.kill()


@pytest.mark.parametrize(
    ("command", "number"),
    [
        ("run", signal.SIGTERM),
        ("gate", signal.SIGINT),
        pytest.param("run", signal.SIGHUP, marks=pytest.mark.nightly),
        pytest.param("gate", signal.SIGTERM, marks=pytest.mark.nightly),
    ],
)
def test_what_was_judged_is_written_whatever_ends_the_run(
    command: str, number: signal.Signals, slow: Checkout
) -> None:
    words, file = STOPPED[command]
    for process in started(slow, words):
        process.send_signal(number)
        process.send_signal(signal.SIGTERM)  # asked twice: it is written all the same
        _, err = process.communicate(timeout=60)
        assert process.returncode in (128 + number, 128 + signal.SIGTERM), err
        assert "Traceback" not in err and "itself failed" not in err
    document = json.loads((slow.root / file).read_text())
    assert validate(document) == []
    assert document["partial"]["wanted"] == 2 and document["partial"]["ended_by"].startswith("SIG")
    assert [one["reproducer"] for one in document["results"]] == ["pr104_short_indptr"]
    assert not (slow.root / "gate/decision.json").exists()
    assert processes_of(slow) == []


@pytest.mark.parametrize(("name", "code"), [("TERM", 143), ("HUP", 129), ("INT", 130)])
def test_a_signal_before_anything_was_judged_has_its_code(name: str, code: int, slow: Checkout) -> None:
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = slow.command("repro", "106", "--json", "out.json")
    process = subprocess.Popen(command, cwd=slow.root, env=slow.environment, preexec_fn=_heed, **pipes)
    assert process.stderr and process.stderr.readline().startswith("#106")  # it has begun
    process.send_signal(getattr(signal, f"SIG{name}"))
    out, err = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in err and "PASS" not in out


def test_the_runs_of_a_repeated_case_are_summed_as_far_as_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    def runs(request: Request, suite: Suite, most: int) -> Iterator[Any]:
        yield from ("first", "second")
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "repeated", runs)
    monkeypatch.setattr(running, "summed", list)
    nothing: Any = None
    found: Iterator[Any] = running._repeated([nothing], nothing, 9)
    assert next(found) == ["first", "second"]
    with pytest.raises(KeyboardInterrupt):
        next(found)


def test_what_nohup_wants_ignored_stays_ignored(place: Checkout) -> None:
    shell = "trap '' HUP; kill -HUP $$; exec \"$@\""
    done = subprocess.run(
        ["sh", "-c", shell, "sh", *place.command("list")], cwd=place.root, env=place.environment, timeout=60
    )
    assert done.returncode == 0 and shutil.which("sh")
