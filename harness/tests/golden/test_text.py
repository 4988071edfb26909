"""The text of goldens: stable, and with differences that can be read."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.golden import Golden, GoldenPoint
from harness.observation import Fault, Point
from harness.observation.compare import one_line
from harness.tests.golden.samples import stored
from harness.tests.samples import arm, case, golden, point

words = st.text(alphabet='abc é\n"{}', max_size=5)
numbers = st.none() | st.integers(-9, 99)
names = st.text(alphabet='abc é"{}', max_size=5)
violations = st.builds(
    Fault, kind=st.sampled_from(["nan", "oob-write"]), buffer=st.none() | names, first=numbers
)
scalars = st.booleans() | st.integers() | st.floats() | words
grids = st.lists(st.integers(0, 9), max_size=3)
events = st.fixed_dictionaries({"event": words, "grid": grids, "x": scalars})
points = st.builds(
    Point,
    params=st.dictionaries(st.sampled_from("abc"), st.integers() | st.tuples(st.integers()), max_size=2),
    faults=st.lists(violations, max_size=2).map(tuple),
    findings=st.lists(violations, max_size=1).map(tuple),
    results=st.dictionaries(words, scalars | st.lists(scalars, max_size=3), max_size=3),
    trace=st.lists(events, max_size=3).map(tuple),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(points, min_size=1, max_size=3, unique_by=lambda point: one_line(point.params)))
def test_text_round_trips_and_is_stable(shown: list[Point]) -> None:
    kept = tuple(GoldenPoint.of(one, keep_trace=not index) for index, one in enumerate(shown))
    first = replace(stored(), arms={"fixed": kept, "reverted": kept})
    again = Golden.from_json(json.loads(first.text))
    assert again == first
    assert again.text == first.text


def test_each_event_and_fault_has_a_line_of_its_own() -> None:
    lines = stored().text.splitlines()
    assert sum(line.strip().startswith('{"event": ') or '"event": "launch"' in line for line in lines) == 4
    assert sum('"kind": "oob-write"' in line for line in lines) == 1
    assert stored().text.endswith("}\n")


def test_a_changed_event_changes_one_line() -> None:
    changed = point(16, trace=({"event": "phase", "name": "other"}, *point(16).trace[1:]))
    other = golden(case(golden=None, fixed=arm("fixed", changed, point(1))))
    before, after = stored().text.splitlines(), other.text.splitlines()
    parted = [new for old, new in zip(before, after, strict=True) if old != new]
    assert len(parted) == 3  # the event, the point's digest, and the file's
    assert any('"name": "other"' in line for line in parted)
