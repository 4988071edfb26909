"""The portability matrix: its rows, what it compares, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ci.portable import __main__ as portable
from ci.portable import machine, places, rows, signatures


def document(verdict: str = "PASS", last: int = 9) -> dict[str, Any]:
    fault = {"kind": "oob-read", "signature": f"oob-read from k numel=4 last={last}"}
    arm = {"faults": [fault], "findings": [], "points": []}
    arms = {"fixed": None, "reverted": arm}
    return {
        "results": [
            {
                "reproducer": "pr1_x",
                "tier": "kernel",
                "platform": "cpu",
                "params": {"n": 1},
                "verdict": verdict,
                "arms": arms,
            }
        ]
    }


def seen(tmp_path: Path, **given: Any) -> Any:
    file = tmp_path / "results.json"
    file.write_text(json.dumps(document(**given)))
    return signatures.read(file)


def test_one_byte_of_a_signature_is_a_difference(tmp_path: Path) -> None:
    base = seen(tmp_path)
    assert signatures.differences(base, seen(tmp_path)) == []
    (line,) = signatures.differences(base, seen(tmp_path, last=8))
    assert "last=9" in line and "last=8" in line and "pr1_x kernel cpu reverted" in line
    (line,) = signatures.differences(base, seen(tmp_path, verdict="CHANGED"))
    assert "'PASS'" in line and "'CHANGED'" in line
    assert len(signatures.differences(base, {})) == 2  # an arm without findings has none to lose


def test_half_a_document_is_none(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text('{"results": [')
    with pytest.raises(ValueError):
        signatures.read(file)


def test_names_are_unique_and_every_place_can_be_made() -> None:
    for name in ("x86_64", "aarch64", "riscv64"):
        every = rows.rows(name)
        assert every[0].name == rows.BASE
        assert len({row.name for row in every}) == len(every)
        assert {row.place for row in every} == set(places._MADE)


def test_a_second_name_of_a_kernel_is_not_run_again() -> None:
    kernel = machine.blas_kernel("HASWELL")
    row = rows.Row(name="blas-haswell", about="", core="HASWELL")
    with pytest.raises(machine.Absent, match=f"HASWELL is {kernel}"):
        machine.check(row, {kernel: "blas-zen"})
    assert kernel in machine.check(row, {})


@pytest.mark.parametrize(("changed", "lacks"), [({"locale": "xx_YY"}, "no locale xx_YY")])
def test_what_the_machine_lacks_is_told(changed: dict[str, Any], lacks: str) -> None:
    with pytest.raises(machine.Absent, match=lacks):
        machine.check(rows.Row(name="x", about="", **changed), {})


def test_an_unknown_row_is_refused_in_one_line() -> None:
    command = [sys.executable, "-m", "ci.portable", "--rows", "blas-abacus"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "blas-abacus" in done.stderr


def matrix(monkeypatch: pytest.MonkeyPatch, shows: Any, *words: str) -> int:
    """The exit code of a matrix whose rows show what `shows` gives for a row's name."""
    monkeypatch.setattr(portable, "_seen", lambda row, *_: shows(row.name))
    monkeypatch.setattr(sys, "argv", ["portable", *words])
    return int(portable.main())


def told(out: Path) -> list[tuple[str, str]]:
    return [(row["row"], row["word"]) for row in json.loads((out / "portable.json").read_text())]


def test_nothing_is_held_against_a_first_row_that_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = ({"pr1_x kernel cpu verdict": ("CHANGED",)}, "kernel: ended with 1")
    words = ("--out", str(tmp_path), "--rows", "hash-1", "threads-7")
    assert matrix(monkeypatch, lambda _: failing, *words) == 1
    assert told(tmp_path) == [("base", "failed")]


def test_a_row_that_differs_fails_the_matrix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("--out", str(tmp_path), "--rows", "hash-1", "threads-7")

    def shows(row: str) -> Any:
        verdict = "CHANGED" if row == "hash-1" else "PASS"
        return {"pr1_x kernel cpu verdict": (verdict,)}, ""

    assert matrix(monkeypatch, shows, *words) == 1
    assert sorted(told(tmp_path)) == [("base", "same"), ("hash-1", "differs"), ("threads-7", "same")]


def test_an_interrupted_matrix_keeps_the_rows_that_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def shows(row: str) -> Any:
        if row != "base":
            raise KeyboardInterrupt
        return {"pr1_x kernel cpu verdict": ("PASS",)}, ""

    assert matrix(monkeypatch, shows, "--out", str(tmp_path), "--rows", "hash-1") == 130
    assert told(tmp_path) == [("base", "same")] and "1 rows" in capsys.readouterr().err


@pytest.mark.nightly
def test_a_stack_that_cannot_be_made_fails_its_row_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    none = tmp_path / "none.txt"
    words = ("--out", str(tmp_path), "--rows", "base", "--stack", str(none))
    shows = {"pr1_x kernel cpu verdict": ("PASS",)}, ""
    assert matrix(monkeypatch, lambda _: shows, *words) == 1
    assert told(tmp_path) == [("base", "same"), ("stack-none", "failed")]
    assert str(none) in capsys.readouterr().out
