"""`refault report` and `refault history`, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from harness import catalogue
from harness.cli import app
from harness.commands import report
from harness.errors import BadInput
from harness.tests.report.matrices import matrix_file
from harness.tests.report.runs import passing, regressed, told


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFAULT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def results(name: str, *rows: object, day: int = 1) -> str:
    data = told(*rows, at=f"2026-01-{day:02}T00:00:00+00:00")  # type: ignore[arg-type]
    Path(name).write_text(json.dumps(data), encoding="utf-8")
    return name


def refault(*words: str) -> Result:
    done = CliRunner().invoke(app, words, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done


def test_every_form_is_written() -> None:
    refault(
        "report", results("r.json", passing(), regressed()),
        "--html", "r.html", "--junit", "r.xml", "--markdown", "r.md",
    )  # fmt: skip
    assert Path("r.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert ElementTree.parse("r.xml").getroot().tag == "testsuites"
    assert Path("r.md").read_text(encoding="utf-8").startswith("# Refault: 1 REGRESSED, 1 PASS")


def test_without_a_form_it_is_shown_here() -> None:
    shown = refault("report", results("r.json", passing(), regressed())).stdout
    assert "1 PASS, 1 REGRESSED" in shown and "fixed arm faults" in shown


def test_two_files_make_one_report() -> None:
    shown = refault("report", results("a.json", passing()), results("b.json", regressed(), day=2)).stdout
    assert "1 PASS, 1 REGRESSED" in shown


def test_a_matrix_becomes_tables_beside_the_verdicts() -> None:
    matrix = str(matrix_file(Path()))
    refault("report", results("r.json", passing()), matrix, "--html", "r.html", "--markdown", "r.md")
    assert 'id="matrix1"' in Path("r.html").read_text(encoding="utf-8")
    assert "# Releases, measured on cpu" in Path("r.md").read_text(encoding="utf-8")
    shown = refault("report", matrix).stdout
    assert "DISAGREES pr101_stray_store" in shown and "declared fixed" in shown


def test_what_is_no_results_file_is_refused() -> None:
    Path("r.json").write_text("{}", encoding="utf-8")
    with pytest.raises(BadInput, match=r"r\.json: holds no results"):
        refault("report", "r.json", "--html", "r.html")
    assert not Path("r.html").exists()


def test_a_place_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(BadInput, match="cannot be written"):
        refault("report", results("r.json", passing()), "--html", "nowhere/r.html")


def test_nothing_is_written_where_one_place_of_several_cannot_be() -> None:
    with pytest.raises(BadInput, match="give --junit a writable file"):
        refault("report", results("r.json", passing()), "--html", "r.html", "--junit", "nowhere/r.xml")
    assert not Path("r.html").exists()


def test_a_history_is_filled_shown_and_named() -> None:
    files = [results(f"{day}.json", passing() if day < 3 else regressed(), day=day) for day in (1, 2, 3)]
    done = refault("history", "--import", *files)
    assert "3 runs taken, 0 known already" in done.stderr
    assert "✓✓✗  REGRESSED on 2026-01-03" in done.stdout
    assert (
        "MOVED pr1_pages kernel cpu (release 9.9.9, tree cccccccc on cpu): PASS became REGRESSED"
        in done.stdout
    )
    assert "3 known already" in refault("history", "--import", *files).stderr
    document = json.loads(refault("history", "--json", "-").stdout)
    assert [night["verdict"] for night in document["series"][0]["runs"]] == ["PASS", "PASS", "REGRESSED"]
    assert document["series"][0]["changed"].startswith("2026-01-03")


def test_a_report_shows_the_trend_of_the_history() -> None:
    files = [results(f"{day}.json", passing(), day=day) for day in (1, 2)]
    refault("history", "--import", *files, "--store", "nights.sqlite")
    refault("report", files[-1], "--html", "r.html", "--history", "nights.sqlite")
    assert "PASS in all 2 runs kept" in Path("r.html").read_text(encoding="utf-8")


def test_a_run_that_ended_is_kept_and_has_its_page() -> None:
    ended = told(passing())
    report.finished(ended, Path("r.html"), catalogue.read())
    assert "results shown" in Path("r.html").read_text(encoding="utf-8")
    Path("r.json").write_text(json.dumps(ended), encoding="utf-8")
    assert "0 runs taken, 1 known already" in refault("history", "--import", "r.json").stderr


def test_a_platform_can_be_chosen() -> None:
    file = results("r.json", passing(), passing(platform="rocm-gfx942"))
    shown = refault("history", "--import", file, "--platform", "rocm-gfx942").stdout
    assert "kernel rocm-gfx942 " in shown and "kernel cpu " not in shown


@pytest.mark.parametrize("words", [["history"], ["history", "--import"]])
def test_a_history_of_nothing_is_refused(words: list[str]) -> None:
    with pytest.raises(BadInput, match=r"no history yet|no results file"):
        refault(*words)


def test_a_store_that_is_not_there_is_refused() -> None:
    with pytest.raises(BadInput, match=r"gone\.sqlite: there is no such history"):
        refault("report", results("r.json", passing()), "--markdown", "r.md", "--history", "gone.sqlite")
