"""The page as text: complete, self-contained, and safe against what results hold."""

from __future__ import annotations

import base64
import json
import re
import zlib
from pathlib import Path

import pytest

from harness.report import releases
from harness.report.html import Logs, Sources, page
from harness.tests.report import runs
from harness.tests.report.html.pages import Outline, made
from harness.tests.report.matrices import BUG, matrix_file
from harness.tests.report.runs import HOSTILE, judged, lost, passing, regressed, run, unsupported
from harness.tests.samples import arm, case, point


def test_it_nests_and_refers_to_nothing_but_itself_and_upstream() -> None:
    outline = Outline(made(run(passing(), regressed(), lost(), unsupported())))
    assert outline.open == []
    assert len(set(outline.ids)) == len(outline.ids)
    own = [one for one in outline.addresses if one.startswith("#")]
    assert set(own) - {"#verdicts"} <= {f"#{name}" for name in outline.ids}
    others = set(outline.addresses) - set(own)
    assert all(one.startswith("https://github.com/sgl-project/sglang/") for one in others)
    assert "@import" not in made(run(passing())) and "url(" not in made(run(passing()))


def test_what_results_hold_is_text() -> None:
    text = made(run(lost(reason=HOSTILE, reproducer=HOSTILE)))
    assert "<script>document.title" not in text and "&lt;script&gt;document.title" in text
    assert Outline(text).open == []


def test_failing_results_come_first() -> None:
    text = made(run(passing(), unsupported(), lost(), regressed()))
    assert re.findall(r'data-v="(\w+)"', text) == ["REGRESSED", "UNRESOLVED", "UNSUPPORTED", "PASS"]


def test_runs_of_one_tree_are_told_together() -> None:
    times = [f"2026-01-{day:02}T0{hour}:05:00+00:00" for day, hour in ((1, 1), (1, 2), (3, 4))]
    text = made(*(run(passing(), at=at) for at in times))
    assert text.count('class="run"') == 1 and "3 runs, 2026-01-01 01:05 to 2026-01-03 04:05 UTC" in text
    assert "2 runs, 2026-01-01 01:05 to 02:05 UTC" in made(*(run(passing(), at=at) for at in times[:2]))


def test_a_matrix_shows_what_was_measured_beside_what_is_declared(tmp_path: Path) -> None:
    (matrix,) = releases.split([matrix_file(tmp_path)], {BUG.id: BUG})[1]
    text = made(run(passing()), matrices=[matrix])
    assert Outline(text).open == []
    assert text.count("≠ declared fixed") == 1 and text.count("as declared") == 1
    assert "1 PASS, 1 of the matrix disagree" in text and '<p class="notice bad">≠ pr101' in text
    alone = made(matrices=[matrix])
    assert 'id="filters"' not in alone and "not measured" not in alone


def test_logs_are_found_below_the_folders_given_only(tmp_path: Path) -> None:
    (tmp_path / "runs" / "7-abc" / "1.fixed").mkdir(parents=True)
    log = tmp_path / "runs" / "7-abc" / "1.fixed" / "log.txt"
    log.write_text("\x1b[31mthe end of the log\x1b[0m")
    seen = case(fixed=arm("fixed", point(16), point(1), log="/elsewhere/7-abc/1.fixed/log.txt"))
    one = run(judged(seen))
    assert "not at hand" in made(one, sources=Sources(logs=Logs((tmp_path,))))
    assert "the end of the log" in made(one, sources=Sources(logs=Logs((tmp_path / "runs",))))


def test_a_path_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("secret words")
    seen = case(fixed=arm("fixed", point(16), point(1), log="runs/../secret.txt"))
    (tmp_path / "runs" / "a" / "secret.txt").symlink_to(tmp_path / "secret.txt")
    linked = case(fixed=arm("fixed", point(16), point(1), log="/x/a/secret.txt"))
    for evidence in (seen, linked):
        assert "secret words" not in made(
            run(judged(evidence)), sources=Sources(logs=Logs((tmp_path / "runs",)))
        )


def test_several_documents_make_one_page() -> None:
    other = run(passing(platform="rocm-gfx942"), machine={"platform": "rocm-gfx942", "features": []})
    text = made(run(passing()), other)
    assert "<option>rocm-gfx942</option>" in text and text.count('class="run"') == 2
    assert "<small>SGLang" not in text


def test_results_of_several_trees_say_which() -> None:
    older = run(passing(), sglang={"version": "9.9.8", "origin": "released", "tree": "d" * 64})
    text = made(run(passing()), older)
    assert "<small>SGLang 9.9.9</small>" in text and "<small>SGLang 9.9.8</small>" in text


def test_without_a_pass_it_is_not_shown_as_good() -> None:
    assert '<span class="bad badge">1 UNSUPPORTED</span>' in made(run(unsupported()))


def test_many_results_are_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PACKED_FROM", 3)
    monkeypatch.setattr(page, "PACK", 2)
    text = made(run(passing(), passing(), regressed()))
    packs = re.findall(r'class="pack" data-size="2">([^<]+)<', text)
    evidence = [one for pack in packs for one in json.loads(zlib.decompress(base64.b64decode(pack)))]
    assert len(packs) == 2 and len(evidence) == 3
    assert all("table holds 8 elements" in one for one in evidence)
    assert "table holds 8 elements" not in text


def test_runs_has_every_kind_of_result() -> None:
    made_of = (passing, regressed, lost, unsupported)
    words = {row["verdict"] for one in made_of for row in runs.told(one())["results"]}
    assert words == {"PASS", "REGRESSED", "UNRESOLVED", "UNSUPPORTED"}
