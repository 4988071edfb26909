"""What the renewal of the pins says of a run, and what it would record."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ci import renew
from ci.renew import Word
from harness.errors import BadInput
from harness.tests.samples import case, point, replaced, result
from harness.tests.toyland import checkout, upstream
from harness.verdict import Evidence, Judgement, Verdict, judge


def row(verdict: str = "PASS", *drift: str, **facts: Any) -> dict[str, Any]:
    own = {"reproducer": "pr1_pages", "tier": "kernel", "platform": "cpu", "reason": "as it was"}
    return {**own, "verdict": verdict, "drift": list(drift), **facts}


@pytest.mark.parametrize(
    ("found", "word", "told"),
    [
        (row(), Word.SAME, ""),
        (row("PASS", "a kernel has another name", "and another"), Word.DRIFTED, "a kernel has another name"),
        (row("STALE"), Word.STALE, "as it was"),
        (row("REGRESSED", "names differ too"), Word.QUESTION, "as it was"),
        (row("CHANGED"), Word.QUESTION, "as it was"),
        (row("UNFIXED"), Word.UNFIXED, "as it was"),
        (row("UNRESOLVED"), Word.QUESTION, "as it was"),
        (row("UNRECORDED"), Word.QUESTION, "as it was"),
        (row("UNSUPPORTED"), Word.NOT_HERE, "as it was"),
        (row(retired={"since": "2", "on": "1", "reason": "gone"}), Word.OWN_RELEASE, "as it was"),
        (row("TOOTHLESS", retired={"since": "2", "on": "1", "reason": "gone"}), Word.QUESTION, "as it was"),
    ],
)
def test_what_became_of_a_case(found: dict[str, Any], word: Word, told: str) -> None:
    outcome = renew.outcome(found)
    assert (outcome.word, outcome.told) == (word, told)
    assert outcome.is_open == (word in (Word.STALE, Word.QUESTION, Word.UNFIXED))


def judged(evidence: Evidence) -> dict[str, Any]:
    """A result as `--json` writes it."""
    return result(judge(evidence), evidence).to_json()


def test_a_result_of_another_tree_is_drift_only_where_nothing_that_binds_differs() -> None:
    assert renew.outcome(judged(case(tree="newer"))).word is Word.SAME
    renamed = tuple(point(size, trace=({"event": "phase", "name": "other"},)) for size in (16, 1))
    drifted = replaced(case(tree="newer"), "fixed", points=renamed)
    assert renew.outcome(judged(drifted)).word is Word.DRIFTED
    valued = replaced(case(tree="newer"), "fixed", points=(point(16, results={"scale": 0.75}), point(1)))
    assert renew.outcome(judged(valued)).word is Word.QUESTION


def test_only_what_holds_on_every_platform_is_recorded() -> None:
    rows = [
        row(),
        row(reproducer="pr2_rows", tier="codegen", platform="rocm-gfx942"),
        row("CHANGED", reproducer="pr2_rows", tier="codegen", platform="rocm-gfx950"),
        row("UNSUPPORTED", reproducer="pr3_gpu", platform="cuda"),
        row("PASS", "drifted", reproducer="pr4_steps"),
        row("STALE", reproducer="pr5_stale"),
    ]
    assert renew.recordable([renew.outcome(one) for one in rows]) == [
        ("pr1_pages", "kernel"),
        ("pr4_steps", "kernel"),
    ]


def test_the_pins_name_one_release() -> None:
    text = "# upstream\nnumpy==2.3.5\nsglang==0.5.15\n"
    assert renew.pinned(text, "0.5.23") == "# upstream\nnumpy==2.3.5\nsglang==0.5.23\n"
    assert renew.pinned(renew.UPSTREAM.read_text(), "9.9.9").count("sglang==9.9.9") == 1
    with pytest.raises(BadInput, match="exactly one line sglang=="):
        renew.pinned("numpy==2.3.5\n", "0.5.23")


def test_what_upstream_asks_for_otherwise_is_listed() -> None:
    metadata = (
        "Name: sglang\nRequires-Dist: torch==2.14.1\nRequires-Dist: numpy\nRequires-Dist: openai==2.6.1\n"
        "Requires-Dist: cutlass[cu13]==4.8.0\nRequires-Dist: av==16.1.0; sys_platform == 'linux'\n"
    )
    pins = "torch==2.13.0\nopenai==2.6.1\nnumpy==2.3.5\nav==1.0\n"
    assert list(renew.asked(metadata, pins)) == ["torch: upstream asks for 2.14.1, pinned is 2.13.0"]


def test_goldens_of_another_release_are_told(tmp_path: Path) -> None:
    for name, release in (("kernel.cpu", "0.5.23"), ("server.cuda-sm90", "0.5.15")):
        (tmp_path / f"{name}.json").write_text(json.dumps({"provenance": {"sglang": release}}))
    assert list(renew.kept_goldens(tmp_path, "0.5.23")) == ["server.cuda-sm90.json: of 0.5.15"]


def test_the_report_has_a_line_for_each_case() -> None:
    outcomes = [renew.outcome(row()), renew.outcome(row("STALE", reason="`a` | found 0 times"))]
    lines = list(renew.report("0.5.23", outcomes, ["torch: …"], []))
    assert lines[0] == "# SGLang 0.5.23"
    assert "| pr1_pages kernel cpu | same |  |" in lines
    assert "| pr1_pages kernel cpu | revert no longer matches | a \\| found 0 times |" in lines
    assert lines[-3:] == ["## Goldens of other releases", "", "- none"]


def test_an_environment_that_is_there_is_never_written_into(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is there already"):
        renew.make(tmp_path, tmp_path / "pins.txt", "python3")


def test_a_command_that_fails_is_one_line() -> None:
    with pytest.raises(BadInput, match=r"ended with 3: no such pin$"):
        renew._run(["python3", "-c", "print('no such pin'); raise SystemExit(3)"])


def test_a_verdict_that_the_table_has_is_known() -> None:
    for verdict in Verdict:
        told = result(Judgement(verdict, "because"), case()).to_json()
        assert renew.outcome(told).word in Word


# --- from new pins to goldens, on the toy ------------------------------------------------------------

BUGS = ("pr101_stray_store", "pr102_wrong_slot", "pr104_short_indptr")
NEWER = {
    "moved = slots - window": "moved = slots - (window + 0)",  # no edit matches it any more
    "batch + 1, dtype=torch.int32": "batch + 1 - 1, dtype=torch.int32",  # the fix is lost
    "(1,)](table, tokens, BLOCK=64)": "(1,)](table, tokens, BLOCK=32)",  # a step of the trace
}


def goldens(folder: Path) -> Mapping[str, str]:
    return {path.parent.name: path.read_text() for path in folder.rglob("*.json")}


@pytest.mark.nightly
def test_what_only_drifted_is_recorded_and_what_changed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toys = checkout.lay_out(tmp_path / "checkout", tmp_path / "cache", BUGS)
    assert toys.refault("record", timeout=600).returncode == 0
    before, pages = goldens(toys.goldens), upstream.PAGES
    for old, new in NEWER.items():
        assert pages.count(old) == 1
        pages = pages.replace(old, new)
    (toys.root / "sglang/pages.py").write_text(pages)
    monkeypatch.setattr(renew, "ROOT", toys.root)
    monkeypatch.setattr(renew, "UPSTREAM", toys.root / "upstream.txt")
    monkeypatch.setattr(renew, "TABLES", {})
    monkeypatch.setenv("REFAULT_CACHE", str(toys.cache))
    outcomes = renew._judged(Path(sys.executable), tmp_path, ("kernel",), 1)
    words = {one.reproducer: one.word for one in outcomes}
    assert words == dict(zip(BUGS, (Word.DRIFTED, Word.STALE, Word.QUESTION), strict=True))
    renew._write(Path(sys.executable), "sglang==9.9.10\n", outcomes)
    after = goldens(toys.goldens)
    assert [name for name in before if after[name] != before[name]] == [BUGS[0]]
    assert renew.UPSTREAM.read_text() == "sglang==9.9.10\n"
    assert "updated" in capsys.readouterr().out
    (again, *_) = renew._judged(Path(sys.executable), tmp_path, ("kernel",), 1)
    assert again.word is Word.SAME
