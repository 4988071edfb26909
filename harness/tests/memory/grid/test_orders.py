"""What depends on the order of programs is held against all orders that their accesses can come in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.memory.grid import orders
from harness.memory.grid.orders import Deeds, Step, Store, near
from harness.memory.grid.records import Access
from harness.tests.memory.grid.interleavings import interleavings

SIZE = 8
"""Bytes of memory."""


class Do(NamedTuple):
    """An access: its width in bytes, the unit of that width in each lane, what is stored (None: a load)."""

    width: int
    units: tuple[int, ...]
    values: tuple[int, ...] | None

    def places(self, lane: int) -> range:
        return range(self.units[lane] * self.width, (self.units[lane] + 1) * self.width)


Programs = Sequence[Sequence[Do]]


def _accesses() -> st.SearchStrategy[Do]:
    def of(width: int) -> st.SearchStrategy[Do]:
        units = st.lists(st.integers(0, SIZE // width - 1), max_size=2, unique=True).map(tuple)
        values = st.sampled_from([0, 1, 1 << (8 * width - 1)])
        stored = units.flatmap(lambda at: st.tuples(*[values] * len(at)).map(lambda to: Do(width, at, to)))
        return st.one_of(units.map(lambda at: Do(width, at, None)), stored)

    return st.sampled_from([1, 2, 4]).flatmap(of)


PROGRAMS = st.one_of(
    st.lists(st.lists(_accesses(), max_size=3), min_size=2, max_size=2),
    st.lists(st.lists(_accesses(), max_size=2), min_size=3, max_size=3),
)


def _apply(memory: bytearray, access: Do) -> bytes:
    """What a load finds."""
    found = b"".join(bytes(memory[at] for at in access.places(lane)) for lane in range(len(access.units)))
    for lane, value in enumerate(access.values or ()):
        memory[access.places(lane).start : access.places(lane).stop] = value.to_bytes(access.width, "little")
    return found


def _expected(programs: Programs) -> set[int]:
    """The bytes that are loaded or left otherwise in some interleaving."""
    seen: dict[tuple[object, ...], set[int]] = {}
    for turns in interleavings([len(program) for program in programs]):
        memory, done = bytearray(SIZE), [0] * len(programs)
        for program in turns:
            access = programs[program][done[program]]
            found = _apply(memory, access)
            if access.values is None:
                places = [at for lane in range(len(access.units)) for at in access.places(lane)]
                for lane_byte, (at, byte) in enumerate(zip(places, found, strict=True)):
                    seen.setdefault((program, done[program], lane_byte, at), set()).add(byte)
            done[program] += 1
        for at, byte in enumerate(memory):
            seen.setdefault((at,), set()).add(byte)
    return {int(str(key[-1])) for key, values in seen.items() if len(values) > 1}


def _steps(programs: Programs, order: Sequence[int]) -> list[Step]:
    """The accesses of programs that run whole, one after another."""
    memory, steps = bytearray(SIZE), []
    for program in order:
        for access in programs[program]:
            before = bytes(memory)
            found = _apply(memory, access)
            if access.units:
                steps.append(_step(program, access, before if program else found))
    return steps


def _step(program: int, access: Do, before: bytes) -> Step:
    """As the interpreter has it: one lane more, which does nothing. `before` is all of memory, but of the
    first program what its lanes overwrite."""
    lanes = np.array([*[True] * len(access.units), False])
    addresses = np.array([*access.units, 1 << 40], dtype=np.uint64) * np.uint64(access.width)
    low, high = min(access.units) * access.width, (max(access.units) + 1) * access.width
    done = Access((), addresses, lanes, access.width, access.values is not None, low, high)
    if access.values is None:
        return Step(done, program)
    kind = f"<u{access.width}"
    values = np.array([*access.values, 7], dtype=kind)
    lane_by_lane = np.append(np.frombuffer(before, dtype=kind), np.zeros(1, dtype=kind))
    return Step(done, program, Store(1, values, before[low:high] if program else lane_by_lane))


def _near(steps: Sequence[Step]) -> Iterator[list[Step]]:
    programs = np.array([step.program for step in steps])
    for places in near([step.access for step in steps], programs):
        yield [steps[at] for at in places]


def _hold(steps: Sequence[Step], expected: set[int]) -> None:
    """The units found are those of the bytes expected, and each has two programs that clash there."""
    missing = set(expected)
    for group in _near(steps):
        span = range(min(one.access.low for one in group), max(one.access.high for one in group))
        if (deeds := Deeds.of(group)) is None:
            continue
        units = deeds.dependent().tolist()
        assert units == sorted({at // deeds.size for at in expected if at in span})
        missing -= set(span)
        for unit in units:
            one, other = (group[at] for at in deeds.clash(unit))
            assert one.program != other.program and one.access.writes
    assert not missing


@settings(max_examples=400, deadline=None)
@given(PROGRAMS)
def test_what_hangs_on_the_order_is_what_some_interleaving_shows(programs: Programs) -> None:
    expected = _expected(programs)
    for order in permutations(range(len(programs))):
        _hold(_steps(programs, order), expected)


@given(PROGRAMS)
def test_it_makes_no_difference_how_far_memory_reaches(programs: Programs) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orders, "LARGEST", 0)
        _hold(_steps(programs, range(len(programs))), _expected(programs))


def test_of_different_floats_the_bits_count() -> None:
    stores = [Do(4, (1,), (value,)) for value in (0x7FC00000, 0x7FC00001)]  # two NaNs
    deeds = Deeds.of(_steps([[stores[0]], [stores[1]]], [0, 1]))
    assert deeds and deeds.dependent().tolist() == [1]


def test_accesses_that_are_not_aligned_are_looked_at_by_bytes() -> None:
    one, other = (Do(4, (0,), (value,)) for value in (0x01010101, 0x02020202))
    steps = _steps([[one], [other]], [0, 1])
    done = steps[1].access
    moved = done._replace(addresses=done.addresses + np.uint64(3), low=3, high=7)
    deeds = Deeds.of([steps[0], steps[1]._replace(access=moved)])
    assert deeds and deeds.size == 1 and deeds.dependent().tolist() == [3]


def test_steps_that_are_apart_are_not_looked_at() -> None:
    programs = [[Do(4, (0,), None), Do(4, (0,), (1,))], [Do(4, (1,), None), Do(4, (1,), (2,))]]
    assert not list(_near(_steps(programs, [0, 1])))
    both = [[Do(1, (3,), None)], [Do(1, (3,), None)]]
    assert not list(_near(_steps(both, [0, 1])))
