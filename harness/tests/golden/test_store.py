"""Goldens on disk: read and refused, recorded, and orphaned."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BadInput, GoldenError
from harness.facts import CPU, CaseKey, Platform, Tier
from harness.golden import Golden, GoldenStore
from harness.golden.form import digest
from harness.tests.golden.samples import stored
from harness.tests.samples import LAUNCH, STRAY, arm, case, golden, point

KEY = CaseKey("pr1_pages", Tier.KERNEL, CPU)


@pytest.fixture
def store(tmp_path: Path) -> GoldenStore:
    return GoldenStore(tmp_path / "golden")


def rewritten(store: GoldenStore, **facts: Any) -> Path:
    """The stored golden with some top-level facts changed behind the store's back, and its digest right."""
    path = store.save(stored())
    data = {**json.loads(path.read_text()), **facts}
    path.write_text(json.dumps({**data, "digest": digest(data)}))
    return path


# --- reading -------------------------------------------------------------------------------------


def test_a_saved_golden_is_read_back(store: GoldenStore) -> None:
    path = store.save(stored())
    assert path == store.folder / "pr1_pages" / "kernel.cpu.json"
    assert store.load(KEY) == stored()
    assert os.listdir(path.parent) == [path.name]


def test_a_golden_that_is_not_there_is_none(store: GoldenStore) -> None:
    assert store.load(KEY) is None


def _point_with(**facts: Any) -> dict[str, Any]:
    data = json.loads(stored().text)["arms"]
    data["reverted"]["points"][0].update(facts)
    return {"arms": data}


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"golden": 1}, "format 1, but this version reads 2"),
        ({"golden": None}, "format None"),
        ({"arms": {}}, "arms.fixed is missing"),
        ({"arms": []}, "unreadable"),
        ({"arms": {"fixed": {"points": "x"}, "reverted": {"points": []}}}, "unreadable"),
        ({"tolerance": {"absolute": -1, "relative": 0, "reason": "x"}}, "is -1, less than 0"),
        ({"tolerance": {}}, "unreadable"),
        ({"reproducer": "pr2_other"}, "is the golden of pr2_other kernel cpu"),
        ({"tier": "server"}, "is the golden of pr1_pages server cpu"),
        ({"platform": "cuda-sm90"}, "is the golden of pr1_pages kernel cuda-sm90"),
        ({"platform": "sm90"}, "'sm90' is not like cpu, cuda, cuda-sm90, rocm, rocm-gfx942; did you mean"),
        ({"tier": "kernal"}, "'kernal' is not one of codegen, kernel, server; did you mean 'kernel'?"),
        (_point_with(outcome="clean"), "contradicts itself"),
        (_point_with(faults=[{**STRAY.to_json(), "count": 5}]), "contradicts itself"),
    ],
)
def test_a_wrong_or_foreign_golden_is_refused_in_one_line(
    store: GoldenStore, facts: dict[str, Any], told: str
) -> None:
    path = rewritten(store, **facts)
    with pytest.raises(GoldenError) as error:
        store.load(KEY)
    assert told in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_bytes_that_are_no_golden_are_refused_in_one_line(store: GoldenStore, content: bytes) -> None:
    store.save(stored()).write_bytes(content)
    with pytest.raises(GoldenError, match="unreadable") as error:
        store.load(KEY)
    assert "\n" not in str(error.value)
    assert "refault record" in str(error.value)


@pytest.mark.parametrize("content", [b"[]", b"3", b"null"])
def test_json_that_is_no_golden_is_of_no_format(store: GoldenStore, content: bytes) -> None:
    store.save(stored()).write_bytes(content)
    with pytest.raises(GoldenError, match="has format None"):
        store.load(KEY)


def test_a_folder_in_the_place_of_a_golden_is_refused(store: GoldenStore) -> None:
    store.path(KEY).mkdir(parents=True)
    with pytest.raises(GoldenError, match="is a folder"):
        store.load(KEY)


@pytest.mark.parametrize("part", ["..", "a/b", "", ".hidden", "a b"])
def test_identities_cannot_leave_the_folder(store: GoldenStore, part: str) -> None:
    with pytest.raises(GoldenError, match="cannot be part"):
        store.path(CaseKey(part, Tier.KERNEL, CPU))


def test_an_unwritable_place_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "golden").write_text("a file where the folder should be")
    with pytest.raises(BadInput, match="cannot be written"):
        GoldenStore(tmp_path / "golden").save(stored())


# --- recording -----------------------------------------------------------------------------------


def changed() -> Golden:
    smaller = replace(STRAY, last=9, count=2)
    return golden(case(golden=None, reverted=arm("reverted", point(16, smaller), point(1))))


def test_recording_writes_what_is_missing(store: GoldenStore) -> None:
    recorded = store.record(stored())
    assert recorded.status == "new"
    assert recorded.path.read_text() == stored().text


def test_recording_the_same_behaviour_again_leaves_the_file(store: GoldenStore) -> None:
    path = store.save(stored())
    before = path.read_bytes()
    later = replace(stored(), provenance={**stored().provenance, "recorded": "2030-01-01"})
    assert store.record(later, update=True).status == "same"
    assert path.read_bytes() == before


@pytest.mark.parametrize(("factor", "status"), [(1 + 1e-7, "same"), (1 + 1e-3, "differs")])
@pytest.mark.parametrize("where", ["results", "trace"])
def test_floats_are_recorded_anew_only_beyond_their_tolerance(
    store: GoldenStore, factor: float, status: str, where: str
) -> None:
    """The last digits are the processor's."""
    path = store.save(stored())
    before = path.read_bytes()
    assert store.record(with_floats(stored(), where, 0.5 * factor)).status == status
    assert path.read_bytes() == before


def test_a_written_float_is_compared_to_the_bit(store: GoldenStore) -> None:
    store.save(stored())
    closer = replace(stored().tolerance, absolute=stored().tolerance.absolute * 0.9)
    assert store.record(replace(stored(), tolerance=closer)).status == "differs"


def with_floats(whole: Golden, where: str, value: float) -> Golden:
    """The golden with another float in what its fixed arm's default point computed or wrote."""
    default, *others = whole.arms["fixed"]
    own: dict[str, Any] = {
        "results": {**default.point.results, "scale": value},
        "trace": (default.point.trace[0], {**LAUNCH, "wrote": {"rms": value, "shape": [4]}}),
    }
    moved = replace(default, point=replace(default.point, **{where: own[where]}))
    return replace(whole, arms={**whole.arms, "fixed": (moved, *others)})


def test_another_tree_is_worth_recording(store: GoldenStore) -> None:
    store.save(stored())
    later = replace(stored(), provenance={**stored().provenance, "tree": "d" * 64})
    assert store.record(later).status == "differs"


def test_without_update_nothing_existing_is_touched(store: GoldenStore) -> None:
    path = store.save(stored())
    recorded = store.record(changed())
    assert recorded.status == "differs"
    assert re.search(r'^\+ *{"buffer": "table", "count": 2,', recorded.diff, re.MULTILINE)
    assert path.read_text() == stored().text


def test_an_update_shows_the_difference_before_it_writes(store: GoldenStore) -> None:
    path = store.save(stored())
    shown: list[tuple[str, str]] = []
    recorded = store.record(changed(), update=True, show=lambda diff: shown.append((diff, path.read_text())))
    assert recorded.status == "updated"
    assert shown == [(recorded.diff, stored().text)]
    assert path.read_text() == changed().text


def test_a_foreign_golden_is_not_overwritten_even_by_an_update(store: GoldenStore) -> None:
    path = rewritten(store, reproducer="pr2_other")
    with pytest.raises(GoldenError, match="pr2_other"):
        store.record(stored(), update=True)
    assert "pr2_other" in path.read_text()


# --- orphans -------------------------------------------------------------------------------------


def test_files_that_no_reproducer_owns_are_orphans(store: GoldenStore) -> None:
    owned = store.save(stored())
    other = store.save(replace(stored(), key=replace(KEY, platform=Platform.parse("cuda-sm90"))))
    assert store.orphans({("pr1_pages", Tier.KERNEL)}) == []
    (owned.parent / ".kernel.cpu.json.12").write_text("a draft")
    violation = [
        store.folder / "notes.txt",
        owned.parent / "kernel.json",
        owned.parent / "a" / "kernel.cpu.json",
    ]
    for path in violation:
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    assert store.orphans({("pr1_pages", Tier.KERNEL)}) == sorted(violation)
    assert store.orphans({("pr1_pages", Tier.SERVER)}) == sorted([*violation, owned, other])
    assert store.orphans(()) == sorted([*violation, owned, other])


def test_no_folder_has_no_orphans(store: GoldenStore) -> None:
    assert store.orphans(()) == []
