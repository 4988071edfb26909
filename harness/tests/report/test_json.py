"""The JSON document: strict, complete, as its published schema says, and never lost at the end of a run."""

from __future__ import annotations

import json
import math
import os
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness import __version__
from harness.documents.schema import printed, validate
from harness.errors import BadInput
from harness.observation import Exit, Fault
from harness.report.json import check_writable, document, write
from harness.tests.samples import STRAY, TREE, arm, case, point, result
from harness.verdict import Arm, Evidence, Judgement, Verdict, judge

SGLANG = {"version": "0.5.15", "origin": "installed", "tree": TREE, "root": "/trees/toy"}
MACHINE = {"platform": "cpu", "features": ["torch"], "python": "3.11.4"}
PUBLISHED = Path(__file__).parents[3] / "docs" / "result.schema.json"


def whole(*cases: Evidence) -> dict[str, Any]:
    return document([result(judge(one), one) for one in cases], MACHINE, SGLANG)


def every_verdict() -> list[Evidence]:
    crash = Fault(kind="crash", message="SIGSEGV")
    return [
        case(),
        case(missing=("hip",), fixed=Arm(), reverted=Arm()),
        case(fixed=arm("fixed", point(16, STRAY), point(1))),
        case(reverted=arm("reverted", point(16, notes=("64 of 80",)), point(1))),
        case(
            reverted=arm("reverted", point(16, crash), exit=Exit(how="crash", signal="SIGSEGV")), golden=None
        ),
        case(stale="gone", reverted=Arm()),
        case(golden=None),
        case(fixed=arm("fixed", attestation=None, unresolved="lost", exit=Exit(how="lost"), log="/logs/x")),
        case(asked=("fixed",), reverted=Arm()),
        case(tree="other", fixed=arm("fixed", point(16, trace=()), point(1))),
    ]


def test_every_kind_of_result_is_as_the_schema_says() -> None:
    told = whole(*every_verdict())
    assert validate(json.loads(json.dumps(told, allow_nan=False))) == []
    assert {row["verdict"] for row in told["results"]} >= {"PASS", "STALE", "REGRESSED", "TOOTHLESS", None}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("results", 0, "verdict"), "GREEN"),
        (("results", 0, "reason"), "two\nlines"),
        (("results", 0, "extra"), 1),
        (("results", 0, "arms", "fixed", "outcome"), "fine"),
        (("results", 0, "arms", "reverted", "faults", 0, "kind"), "oops"),
        (("results", 0, "arms", "fixed", "digest"), "12"),
        (("results", 0, "arms", "third"), {}),
        (("machine",), {"platform": "cpu"}),
        (("refault",), 1),
    ],
)
def test_the_schema_refuses_what_is_no_result(path: tuple[Any, ...], value: Any) -> None:
    told = json.loads(json.dumps(whole(case())))
    place = told
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    assert len(validate(told)) == 1


def test_the_schema_wants_every_key_of_a_result() -> None:
    told = whole(case())["results"][0]
    for key in told:
        short = {name: value for name, value in told.items() if name != key}
        assert validate({**whole(), "results": [short]}) == [f"$.results[0]: '{key}' is a required property"]


def test_the_published_schema_is_the_one_in_force() -> None:
    assert PUBLISHED.read_text() == printed(), "print it anew: python -m harness.documents"


def test_the_head_names_the_versions() -> None:
    told = whole(case())
    assert told["refault"] == __version__
    assert (told["sglang"], told["machine"]) == (SGLANG, MACHINE)


def test_values_that_json_lacks_become_words() -> None:
    odd = point(16, results={"a": math.nan, "b": (math.inf, -math.inf)})
    told = whole(case(fixed=arm("fixed", odd, point(1)), golden=None))
    results = json.loads(json.dumps(told, allow_nan=False))["results"][0]["arms"]["fixed"]["results"]
    assert results == {"a": "NaN", "b": ["Infinity", "-Infinity"]}


def test_a_document_is_written_and_read_back(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    check_writable(target)
    assert not target.exists()
    written = whole(case())
    write(target, written)
    assert json.loads(target.read_text()) == json.loads(json.dumps(written))


def test_standard_output_carries_the_document_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    check_writable("-")
    write("-", whole(case()))
    told = capsys.readouterr()
    assert json.loads(told.out)["results"][0]["verdict"] == "PASS"
    assert told.err == ""


def test_a_check_leaves_an_existing_file_as_it_is(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    target.write_text("before")
    check_writable(target)
    assert target.read_text() == "before"


@pytest.mark.parametrize("name", ["absent/out.json", ".", "file/out.json"])
def test_an_unwritable_place_is_refused_before_and_after_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("no folder")
    target = tmp_path / name
    attempts: list[Callable[[], None]] = [lambda: check_writable(target), lambda: write(target, whole())]
    for attempt in attempts:
        with pytest.raises(BadInput, match="cannot be written") as error:
            attempt()
        assert str(target) in str(error.value)
        assert "\n" not in str(error.value)


def test_a_link_that_leads_nowhere_survives_the_check(tmp_path: Path) -> None:
    link = tmp_path / "out.json"
    link.symlink_to(tmp_path / "later.json")
    check_writable(link)
    assert link.is_symlink()
    assert not (tmp_path / "later.json").exists()


def test_a_pipe_is_not_opened_by_the_check(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    check_writable(tmp_path / "pipe")


def test_a_full_disk_is_bad_input() -> None:
    with pytest.raises(BadInput, match="No space left"):
        write(Path("/dev/full"), whole(case()))


def test_half_a_document_is_not_left_behind(tmp_path: Path) -> None:
    target, largest = tmp_path / "out.json", resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, largest[1]))
    try:
        with pytest.raises(BadInput, match="File too large"):
            write(target, whole(case()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, largest)
    assert not target.exists()


def test_a_row_without_arms_is_valid() -> None:
    row = replace(result(Judgement(Verdict.UNSUPPORTED, "lacks hip")), fixed=None, reverted=None)
    assert validate(document([row], MACHINE, SGLANG)) == []
