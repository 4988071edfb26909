"""The page as text: complete, self-contained, and safe against what results hold."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.documents import Document
from harness.golden import GoldenStore
from harness.history import opened
from harness.observation import Fault
from harness.report import releases
from harness.report.html import Logs, Sources, page, render
from harness.report.releases import Releases
from harness.tests.report import runs
from harness.tests.report.matrices import BUG, matrix_file
from harness.tests.report.runs import HOSTILE, answering, judged, lost, passing, regressed, run, unsupported
from harness.tests.samples import arm, case, golden, point
from harness.tests.toyland.bench import bug

RATE = {"faults": 1, "runs": 4, "low": 0.1, "high": 0.9}
VOID = {"meta", "link", "input", "br", "wbr", "img"}


class Outline(HTMLParser):
    """Checks that elements nest, and gathers every address that the page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def made(*documents: Document, sources: Sources | None = None, matrices: Sequence[Releases] = ()) -> str:
    return render(documents, sources or Sources(), matrices)


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


def test_the_fault_is_drawn_with_its_numbers() -> None:
    text = made(run(passing()))
    told = "table holds 8 elements; fill writes 4 elements outside it, at indices 8 to 11"
    assert f'aria-label="{told}"' in text
    assert "<b>stray</b><span>8 … 11</span><span>4 elements</span>" in text


def test_a_signature_is_not_called_a_fault() -> None:
    seen = Fault(kind="signature", buffer="result", kernel="k", count=1)
    one = judged(case(reverted=arm("reverted", point(16, seen), point(1))))
    text = made(run(replace(one, evidence="signature")))
    assert '<span class="badge bad">signature</span>' in text
    assert '<span class="badge bad">fault</span>' not in text
    assert "No signature at the default point." in text


def test_tokens_stand_under_each_other() -> None:
    fixed, reverted = answering({"r00": [5, 6, 7]}), answering({"r00": [5, 9, 7]}, Fault(kind="wrong-value"))
    evidence = case(fixed=arm("fixed", fixed), reverted=arm("reverted", reverted), golden=None)
    text = made(run(judged(evidence, tier="server")))
    assert "1 of 1 requests differ between the arms" in text
    assert '<span class="token differs"><span>6</span><span>≠ 9</span></span>' in text


def test_the_golden_and_the_difference_from_it(tmp_path: Path) -> None:
    store = GoldenStore(tmp_path)
    store.save(golden(case()))
    sources = Sources(goldens=store)
    assert "as golden; recorded on this very tree" in made(run(passing()), sources=sources)
    changed = judged(case(reverted=arm("reverted", point(16), point(1))))
    text = made(run(changed), sources=sources)
    assert "2 differences from the golden" in text
    assert "<td><code>reverted, default point</code></td><td><code>outcome</code></td>" in text


def test_a_golden_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    store = GoldenStore(tmp_path)
    store.save(golden(case())).write_text("{")
    assert "unreadable" in made(run(passing()), sources=Sources(goldens=store))


def test_the_reproducer_and_how_to_run_it_again() -> None:
    subject = bug("pr101_stray_store")
    assert subject.kernel is not None
    one = passing(reproducer=subject.id, pr=101, params=subject.kernel.default)
    text = made(run(one), sources=Sources(subjects={subject.id: subject}))
    assert f"symptom: {subject.bug.symptom}" in text
    assert "refault repro 101 --tier kernel</code>" in text


def test_what_was_chosen_by_hand_is_in_the_command() -> None:
    subject = bug("pr101_stray_store")
    assert subject.kernel is not None
    known = Sources(subjects={subject.id: subject})
    again = "refault repro 101 --tier kernel"
    default = subject.kernel.default
    name = next(iter(default))
    for one, more in (
        (passing(params=default), ""),
        (passing(params={**default, name: 3}), f" --set {name}=3"),
        (passing(params=default, rates={"fixed": RATE, "reverted": RATE}), " --repeat 4"),
        (replace(passing(params=default), verdict=None, reverted=None), " --arm fixed"),
    ):
        text = made(run(replace(one, reproducer=subject.id, pr=101)), sources=known)
        assert f"<code>{again}{more}</code>" in text


def test_the_trend_and_what_moved(tmp_path: Path) -> None:
    nights = [
        run(made_of(), at=f"2026-01-0{day}T00:00:00+00:00")
        for day, made_of in enumerate([passing, passing, regressed], 1)
    ]
    with opened(tmp_path / "h") as store:
        for one in nights:
            store.append(one)
        history = store.series()
    text = made(nights[-1], sources=Sources(history=history))
    assert "2026-01-03: REGRESSED, 9.9.9" in text
    assert "REGRESSED since 2026-01-03 (9.9.9)" in text
    assert '<p class="notice">▲ pr1_pages kernel cpu: PASS became REGRESSED' in text
    assert ">✓✓✗</span>" in text


def test_the_trend_is_of_the_same_point_and_track(tmp_path: Path) -> None:
    of_main = {"version": "9.9.9.dev1+g1", "origin": "path", "tree": "e" * 64}
    others = [
        run(passing(params={"pages": 3}), at="2026-01-01T00:00:00+00:00"),
        run(passing(), at="2026-01-02T00:00:00+00:00", sglang=of_main),
    ]
    with opened(tmp_path / "h") as store:
        for one in others:
            store.append(one)
        history = store.series()
    assert 'class="trend"' not in made(run(passing()), sources=Sources(history=history))
    text = made(others[1], sources=Sources(history=history))
    assert "development trees, this run is the first that is kept" in text and "2026-01-01" not in text


def test_runs_of_one_tree_are_told_together() -> None:
    times = [f"2026-01-{day:02}T0{hour}:05:00+00:00" for day, hour in ((1, 1), (1, 2), (3, 4))]
    text = made(*(run(passing(), at=at) for at in times))
    assert text.count('class="run"') == 1 and "3 runs, 2026-01-01 01:05 to 2026-01-03 04:05 UTC" in text
    assert "2 runs, 2026-01-01 01:05 to 02:05 UTC" in made(*(run(passing(), at=at) for at in times[:2]))


def test_a_servers_fault_is_drawn_from_the_first_stray_that_was_noted() -> None:
    fault = Fault(kind="oob-read", buffer="pool", kernel="k", process="scheduler")
    notes = (
        "oob-read from pool by k2 numel=1 first=9 last=9 count=1 in scheduler",
        "oob-read from pool by k numel=8 first=8 last=11 count=4 in scheduler, EXTEND of r0",
    )
    seen = arm("reverted", replace(point(16, fault), notes=notes), point(1))
    text = made(run(judged(case(reverted=seen), tier="server")))
    assert "pool holds 8 elements; k reads 4 elements outside it, at indices 8 to 11: the first" in text
    bare = arm("reverted", point(16, fault), point(1))
    assert "pool holds 8" not in made(run(judged(case(reverted=bare), tier="server")))


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
    other = run(passing(platform="rocm-gfx942"), machine={"platform": "rocm-gfx942"})
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
