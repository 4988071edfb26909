"""The command, as a user types it, in a checkout of the toy upstream and its reproducers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.documents import schema
from harness.golden.form import digest
from harness.process.pool import Pool
from harness.tests.toyland import bench, checkout, upstream
from harness.tests.toyland.bench import bug
from harness.tests.toyland.checkout import Checkout, Ended

NAMES = ("pr101_stray_store", "pr104_short_indptr", "pr108_troubled_case", "pr109_needs_both_vendors")
STRAY = "oob-write into table by fill_kernel numel=3 first=3 last=11 count=9"
GOLDEN = "pr101_stray_store/kernel.cpu.json"
STARTED = 60.0
"""Seconds after which a command that should be running arms is given up."""


@pytest.fixture
def bare(tmp_path: Path, cache: Path) -> Checkout:
    """A checkout without goldens."""
    return checkout.lay_out(tmp_path / "checkout", cache, NAMES)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, cache: Path, kernel_pool: Pool) -> Path:
    """Goldens of #101 and #104 on the toy as it is."""
    one = bench.lay_out(tmp_path_factory.mktemp("stored"), cache, kernel_pool)
    for name in NAMES[:2]:
        one.record(bug(name))
    return one.goldens.folder


@pytest.fixture
def recorded(bare: Checkout, stored: Path) -> Checkout:
    """A checkout with the goldens of #101 and #104."""
    shutil.copytree(stored, bare.goldens)
    return bare


def one_line(done: Ended | subprocess.CompletedProcess[str]) -> str:
    """The error of a command that refused its input."""
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("refault: ")
    return line


# --- looking ---------------------------------------------------------------------------------------


def test_list_names_every_reproducer(bare: Checkout) -> None:
    done = bare.refault("list")
    assert done.returncode == 0 and done.stderr == ""
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["pr101", "pr104", "pr108", "pr109"]
    assert "kernel" in done.stdout and "fixed in 9.9.8" in done.stdout
    assert "#101: the table has one entry per page" in done.stdout


def test_show_tells_the_bug_and_its_revert_under_each_of_its_names(bare: Checkout) -> None:
    names = ("101", "#1001", "pr101", "PR101_stray_store")
    shown = bare.refault_each([["show", name] for name in names])
    assert {done.returncode for done in shown} == {0} and len({done.stdout for done in shown}) == 1
    assert "-    numel = pages * page_size\n+    numel = pages\n" in shown[0].stdout
    assert "PR #101, issue #1001" in shown[0].stdout and "page_size" in shown[0].stdout


# --- running ---------------------------------------------------------------------------------------


def test_run_writes_json_and_nothing_else_and_a_failing_verdict_ends_with_1(recorded: Checkout) -> None:
    lost = upstream.altered("numel = pages * page_size", "numel = pages")
    tree = upstream.write(recorded.root.with_name("lost"), lost)
    done = recorded.refault("run", "--json", "-", "--sglang", str(tree), "101", "104", "109")
    assert done.returncode == 1, done.stderr
    document = json.loads(done.stdout)
    assert schema.validate(document) == []
    verdicts = {result["pr"]: result["verdict"] for result in document["results"]}
    assert verdicts == {101: "REGRESSED", 104: "PASS", 109: "UNSUPPORTED"}
    fixed = document["results"][0]["arms"]["fixed"]
    assert fixed["faults"][0]["signature"] == STRAY
    assert fixed["attestation"]["entered"] == ["build_table"]
    assert document["sglang"]["version"] == upstream.VERSION and document["sglang"]["root"] == str(tree)
    assert "1 PASS, 1 UNSUPPORTED, 1 REGRESSED" in done.stderr and "Traceback" not in done.stderr


def test_repro_shows_both_arms_of_a_point_by_hand(bare: Checkout) -> None:
    target = bare.root / "result.json"
    point = ("--set", "tokens=5", "--set", "page_size=2")
    done = bare.refault("repro", "pr101_stray_store", *point, "--json", str(target))
    assert done.returncode == 0, done.stderr
    assert "PASS pr101_stray_store kernel cpu (#101): reverted arm faults: oob-write" in done.stdout
    assert "the table holds 6 entries; 5 are filled" in done.stdout
    (result,) = json.loads(target.read_text())["results"]
    assert result["verdict"] == "PASS" and result["params"] == {"tokens": 5, "page_size": 2}
    (fault,) = result["arms"]["reverted"]["faults"]
    assert (fault["numel"], fault["first"], fault["last"], fault["count"]) == (3, 3, 4, 2)


def test_a_number_alone_is_planned_run_and_closed(recorded: Checkout, tmp_path: Path) -> None:
    place = replace(recorded, cache=tmp_path / "cache")
    first, second = (place.refault("repro", *words) for words in (("1001",), ("#101", "--detail")))
    assert first.returncode == second.returncode == 0, first.stderr
    assert "  run      kernel  cpu  " in first.stderr and "no record yet" in first.stderr
    assert "; last time " in second.stderr and "pr101 kernel fixed ended after " in second.stderr
    lines = first.stdout.splitlines()
    assert lines[0].startswith("PASS kernel cpu, ") and f"  reverted {STRAY}" in lines
    assert "affected   declared: from 9.9.0 on, fixed in 9.9.8" in first.stdout
    assert "           measured: not yet; refault matrix pr101" in lines
    assert len(lines) < 24 and "attestation" not in first.stdout
    assert "attestation fixed" in second.stdout
    assert "PASS pr101_stray_store kernel cpu (#101)" in second.stdout


def test_a_plan_and_its_end_leave_standard_output_to_the_json(recorded: Checkout) -> None:
    done = recorded.refault("repro", "101", "--json", "-")
    assert schema.validate(json.loads(done.stdout)) == []
    assert "  run      kernel" in done.stderr and "by hand    refault show pr101" in done.stderr


def test_unresolved_alone_ends_with_3(bare: Checkout) -> None:
    done = bare.refault("repro", "108", "--set", "trouble=raise")
    assert done.returncode == 3
    assert "the case itself failed: ValueError: the case is wrong" in done.stdout


def test_unsupported_alone_ends_with_4(bare: Checkout) -> None:
    done = bare.refault("run", "109")
    assert done.returncode == 4 and "this machine lacks cuda, rocm" in done.stdout


# --- recording -------------------------------------------------------------------------------------


def test_record_writes_what_is_missing_and_replaces_only_when_told(recorded: Checkout, stored: Path) -> None:
    differing, missing = recorded.goldens / GOLDEN, recorded.goldens / "pr104_short_indptr/kernel.cpu.json"
    older = differing.read_text().replace('"BLOCK": 64', '"BLOCK": 32')
    older = older.replace(json.loads(older)["digest"], digest(json.loads(older)))
    differing.write_text(older)
    missing.unlink()
    done = recorded.refault("record", "101", "104", "109")
    assert done.returncode == 1, done.stdout
    words = re.findall(r"^(skipped|new|differs|same|refused|updated) ", done.stdout, re.MULTILINE)
    assert sorted(words) == ["differs", "new", "skipped"], done.stdout  # in the order in which they ended
    assert differing.read_text() == older and "record --update" in done.stdout
    new, known = (
        json.loads(path.read_text()) for path in (missing, stored / missing.relative_to(recorded.goldens))
    )
    assert new["arms"] == known["arms"] and new["provenance"]["sglang"] == upstream.VERSION
    assert new["provenance"]["command"] == "refault record pr104_short_indptr --tier kernel"
    done = recorded.refault("record", "101", "--update")
    assert done.returncode == 0 and '"BLOCK": 64' in differing.read_text()
    assert 0 < done.stdout.index('"BLOCK": 64') < done.stdout.index("updated")


DRAFT = 'symptom="stray store"'


def test_record_refuses_a_draft_that_is_not_filled_in(bare: Checkout) -> None:
    module = bare.root / "reproducers" / "pr101_stray_store.py"
    assert DRAFT in module.read_text()
    module.write_text(module.read_text().replace(DRAFT, 'symptom="TODO: what a user saw"'))
    told = one_line(bare.refault("record", "101"))
    assert re.search(r"pr101_stray_store\.py:\d+: a to-do mark is left \(TODO: what a user saw\)", told)
    assert not bare.goldens.exists()


# --- bad input -------------------------------------------------------------------------------------


BAD = [
    ("repro 102", "no reproducer is called '102': did you mean pr10"),
    ("show nonsense", "no reproducer is called 'nonsense': see `refault list`"),
    ("repro 101 --set tokns=3", "takes no 'tokns': did you mean tokens?"),
    ("repro 101 --set tokens=three", "--set tokens=three: 'three' is no whole number"),
    ("repro 101 --set page_size=0", "0 is no whole number of at least 1"),
    ("repro 101 --set tokens", "--set tokens: write name=value"),
    ("repro 108 --set trouble=none", "'none' is not one of raise, misuse"),
    ("run --tier server", "no case in tier server: pr101 has kernel"),
    ("run --sglang golden", "'golden' is no such path: give 'installed'"),
    ("run --sglang reproducers", "reproducers holds no sglang/"),
    ("run --json nowhere/result.json", "nowhere/result.json: cannot be written"),
    ("run --json reproducers", "reproducers: cannot be written"),
    ("run --html nowhere/page.html", "nowhere/page.html: cannot be written"),
    (
        "run --html reproducers",
        "reproducers: cannot be written (Is a directory): give --html a writable file",
    ),
    ("run --sglang=", "'' is no such path: give 'installed'"),
    ("report reproducers", "reproducers: is a folder: give a regular file"),
    ("run -n 0", "'-n'"),
    ("serve 101", "no case in tier server: pr101 has kernel"),
    ("repro 101 --keep", "--keep: pr101 has no server"),
    ("repro 101 --repeat 0", "'--repeat'"),
    ("walk", "No such command 'walk'"),
]


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> dict[str, Ended]:
    place = checkout.lay_out(tmp_path_factory.mktemp("refused") / "checkout", cache, NAMES)
    typed = [words for words, _ in BAD]
    return dict(zip(typed, place.refault_each([words.split() for words in typed]), strict=True))


@pytest.mark.parametrize(("words", "told"), BAD)
def test_bad_input_is_one_line(words: str, told: str, refused: dict[str, Ended]) -> None:
    assert told in one_line(refused[words])


def _unreadable(place: Checkout) -> Path:
    path = place.goldens / GOLDEN
    path.write_text(path.read_text()[:100])
    return path


def _foreign(place: Checkout) -> Path:
    path = place.goldens / GOLDEN
    return Path(shutil.copy(place.goldens / "pr104_short_indptr/kernel.cpu.json", path))


def _orphan(place: Checkout) -> Path:
    return Path(shutil.copytree(place.goldens / "pr101_stray_store", place.goldens / "pr7_gone"))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_unreadable, "unreadable"),
        pytest.param(_foreign, "is the golden of pr104_short_indptr", marks=pytest.mark.nightly),
    ],
)
def test_a_bad_golden_ends_its_own_case_and_is_wrong_to_doctor(
    spoil: Any, told: str, recorded: Checkout
) -> None:
    path = spoil(recorded)
    ran, done = recorded.refault_each([["run", "101", "104", "--json", "r.json"], ["doctor"]])
    first, second = json.loads((recorded.root / "r.json").read_text())["results"]
    assert (ran.returncode, first["verdict"], second["verdict"]) == (3, "UNRESOLVED", "PASS")
    assert told in first["reason"] and str(path) in first["reason"]
    _is_wrong_to_doctor(done, path)


def test_an_orphan_is_one_line_and_wrong_to_doctor(recorded: Checkout) -> None:
    path = _orphan(recorded)
    ran, done = recorded.refault_each([["run"], ["doctor"]])
    line = one_line(ran)
    assert "no reproducer owns this golden" in line and str(path) in line
    _is_wrong_to_doctor(done, path)


def _is_wrong_to_doctor(done: Ended, path: Path) -> None:
    assert done.returncode == 1 and str(path) in done.stdout
    assert [row.split()[1] for row in done.stdout.splitlines() if row.startswith("WRONG")] == ["goldens"]


def test_doctor_is_content_with_a_sound_checkout(recorded: Checkout) -> None:
    done = recorded.refault("doctor")
    assert done.returncode == 0, done.stdout
    assert f"{upstream.VERSION} at {recorded.root}" in done.stdout
    assert "lacks  pr109" in done.stdout and "rocm" in done.stdout
    assert "2 of 3 for cpu" in done.stdout


def test_an_unwritable_cache_is_one_line(bare: Checkout) -> None:
    in_the_way = replace(bare, cache=bare.root / "reproducers/__init__.py")
    assert "set REFAULT_CACHE" in one_line(in_the_way.refault("run", "109"))


# --- being stopped ---------------------------------------------------------------------------------


@pytest.fixture
def underway(tmp_path: Path, cache: Path) -> Iterator[tuple[Checkout, subprocess.Popen[str]]]:
    """A run that has judged its first case, and whose second hangs for a minute."""
    names = ("pr104_short_indptr", "pr106_endless_drain")
    place = checkout.lay_out(tmp_path / "checkout", cache, names)
    slow = place.root / "reproducers/pr106_endless_drain.py"
    slow.write_text(slow.read_text().replace("seconds=2.5", "seconds=60.0"))
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = place.command("run", "--json", "result.json")
    process = subprocess.Popen(
        command, cwd=place.root, env=place.environment, start_new_session=True, **pipes
    )
    with process:
        assert process.stderr and process.stderr.readline().startswith("[1/2] pr104_short_indptr")
        wait_until(
            lambda: len(processes_of(place)) >= 5, STARTED
        )  # parent, supervisor, fork server, watchdog, arm
        yield place, process
        process.kill()


def processes_of(place: Checkout) -> list[str]:
    """The names of every process that was started for this checkout."""
    mark = f"PYTHONPATH={place.environment['PYTHONPATH']}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "comm").read_text().strip())
        except OSError:
            continue  # it has ended meanwhile, or is a zombie
    return found


def wait_until(holds: Any, seconds: float) -> float:
    """Seconds until it held; fails if it did not in time."""
    since = time.monotonic()
    while not holds():
        assert time.monotonic() - since < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - since


def test_ctrl_c_leaves_a_partial_table_and_no_process(
    underway: tuple[Checkout, subprocess.Popen[str]],
) -> None:
    place, process = underway
    since = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: the whole group
    out, err = process.communicate(timeout=20)
    assert time.monotonic() - since < 3
    assert process.returncode == 130
    assert "1 UNRECORDED; partial: 1 of 2 were not run" in out and "Traceback" not in err
    assert processes_of(place) == []
    document = json.loads((place.root / "result.json").read_text())
    assert schema.validate(document) == [] and len(document["results"]) == 1


def test_sigkill_of_the_parent_leaves_no_process(underway: tuple[Checkout, subprocess.Popen[str]]) -> None:
    place, process = underway
    process.kill()
    process.wait()
    wait_until(lambda: processes_of(place) == [], 1.0)
