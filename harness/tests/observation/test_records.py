"""Faults, attestations, points and observations: their words, and their JSON back and forth."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.facts import FaultKind
from harness.observation import Attestation, Exit, Fault, Module, Observation, Point, Sighting

words = st.text("abc_[.]", min_size=1, max_size=6)
numbers = st.integers(-(1 << 40), 1 << 40)
faults = st.builds(
    Fault,
    kind=st.sampled_from(sorted(FaultKind)),
    **{name: st.none() | words for name in ("buffer", "kernel", "process", "message")},
    **{name: st.none() | numbers for name in ("numel", "first", "last", "count", "needed")},
)
values = st.none() | st.booleans() | numbers | words
facts = st.dictionaries(words, values | st.lists(values, max_size=2), max_size=2)
points = st.builds(
    Point,
    params=facts,
    faults=st.lists(faults, max_size=1).map(tuple),
    findings=st.lists(faults, max_size=1).map(tuple),
    results=facts,
    compared=facts,
    notes=st.lists(words, max_size=1).map(tuple),
    trace=st.lists(facts, max_size=2).map(tuple),
)
a_few = settings(max_examples=40, deadline=None)


# --- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "signature"),
    [
        (
            Fault(kind="oob-write", buffer="table", kernel="fill", numel=16, first=16, last=255, count=240),
            "oob-write into table by fill numel=16 first=16 last=255 count=240",
        ),
        (Fault(kind="oob-read", buffer="k", numel=4, first=-1), "oob-read from k numel=4 first=-1"),
        (Fault(kind="short-buffer", buffer="p", numel=0, needed=7), "short-buffer p numel=0 needed=7"),
        (Fault(kind="crash", process="scheduler", message="SIGSEGV"), "crash in scheduler (SIGSEGV)"),
        (Fault(kind="leak"), "leak"),
    ],
)
def test_signatures_read_as_sentences(fault: Fault, signature: str) -> None:
    assert fault.signature == signature


@given(faults, faults)
def test_signatures_tell_faults_apart(one: Fault, other: Fault) -> None:
    """Up to words that run into each other, which buffer and kernel names do not."""
    if one != other:
        named = [replace(fault, buffer="b", kernel="k", process="p", message="m") for fault in (one, other)]
        assert (named[0].signature == named[1].signature) == (named[0] == named[1])


@given(faults)
def test_a_fault_survives_its_json_which_leaves_out_what_is_unknown(fault: Fault) -> None:
    data = json.loads(json.dumps(fault.to_json()))
    assert Fault.from_json(data) == fault
    known = {field.name for field in fields(Fault) if getattr(fault, field.name) is not None}
    assert set(data) == known | {"signature"}


# --- points ----------------------------------------------------------------------------------------


@a_few
@given(points)
def test_a_point_survives_its_json_with_its_digest(point: Point) -> None:
    again = Point.from_json(json.loads(json.dumps(point.to_json())))
    assert again == point and again.digest == point.digest
    assert again.outcome == ("fault" if point.faults else "clean")


CHANGES: dict[str, Any] = {
    "params": {"n": 2},
    "faults": (Fault(kind="nan"),),
    "findings": (Fault(kind="nan"),),
    "results": {"n": 2},
    "compared": {"n": 2},
    "trace": ({"event": "phase"},),
}


@pytest.mark.parametrize("name", CHANGES)
@a_few
@given(points)
def test_every_change_of_behaviour_changes_the_digest(name: str, point: Point) -> None:
    changed = replace(point, **{name: CHANGES[name]})
    assert (changed.digest == point.digest) == (getattr(point, name) == CHANGES[name])


@a_few
@given(points, st.lists(words).map(tuple))
def test_notes_are_for_people_and_change_no_digest(point: Point, notes: tuple[str, ...]) -> None:
    assert replace(point, notes=notes).digest == point.digest


# --- attestation -----------------------------------------------------------------------------------

MODULE = Module(name="toy.pages", path="toy/pages.py", sha256="a" * 64)
PROOF = Attestation(tree="t", root="/r", modules=(MODULE,), entered=("fill", "grow"), patches=("p",))
WANTED = {"toy.pages": "a" * 64}


def test_a_proof_is_accepted_if_one_of_the_functions_was_entered() -> None:
    assert PROOF.problem(WANTED, ("fill",)) is None
    assert PROOF.problem(WANTED, ("fill", "never")) is None


@pytest.mark.parametrize(
    ("wanted", "functions", "problem"),
    [
        ({"toy.other": "a" * 64}, ("fill",), "toy.other was never loaded"),
        ({**WANTED, "toy.other": "a" * 64}, ("fill",), "toy.other was never loaded"),
        ({"toy.pages": "b" * 64}, ("fill",), "toy.pages was loaded as aaaaaaaaaaaa, not bbbbbbbbbbbb"),
        (WANTED, ("never", "once"), "none of never, once was entered"),
    ],
)
def test_what_is_wrong_with_a_proof(wanted: dict[str, str], functions: tuple[str, ...], problem: str) -> None:
    assert PROOF.problem(wanted, functions) == problem


def test_an_attestation_survives_its_json() -> None:
    assert Attestation.from_json(json.loads(json.dumps(PROOF.to_json()))) == PROOF


# --- observations ----------------------------------------------------------------------------------


def test_an_observation_shows_its_main_point_and_lists_the_others() -> None:
    fault = Fault(kind="nan", buffer="out")
    first, second = Point(params={"n": 1}, faults=(fault,)), Point(params={"n": 2})
    data = Observation(arm="fixed", exit=Exit(how="clean", code=0), points=(first, second)).to_json()
    assert data["outcome"] == "fault" and data["faults"][0]["signature"] == "nan out"
    assert data["digest"] == first.digest and "params" not in data
    assert [point["params"] for point in data["points"]] == [{"n": 2}]
    assert data["exit"] == {"how": "clean", "code": 0}


def test_an_observation_without_points_has_an_empty_one() -> None:
    nothing = Observation(arm="fixed", exit=Exit(how="lost"), unresolved="it was lost")
    assert nothing.main == Point(params={}) and nothing.to_json()["unresolved"] == "it was lost"


def test_where_a_fault_was_seen_identifies_nothing_and_is_kept() -> None:
    bare = Fault(kind="oob-read", buffer="pool", kernel="k")
    seen = replace(bare, seen=Sighting(place="k:3", first=0, last=4, requests=("r0",), mode="EXTEND"))
    assert (seen, hash(seen), seen.signature) == (bare, hash(bare), bare.signature)
    assert Fault.from_json(json.loads(json.dumps(seen.to_json()))).seen == seen.seen
    assert Point(params={}, faults=(seen,)).digest == Point(params={}, faults=(bare,)).digest
