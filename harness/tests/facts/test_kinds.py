"""What each kind of fault carries, and how faults are told apart, compared and recognised."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.facts import EXTENT, CodegenCase, FaultKind, Platform, Raised, faults, watch
from harness.observation import Fault, Naming, Sighting, parted

STRAY = Fault(kind="oob-write", buffer="table", kernel="fill", numel=8, first=8, last=11, count=4)
KINDS = st.sampled_from(FaultKind)


@given(KINDS)
def test_a_kind_is_of_one_sort(kind: FaultKind) -> None:
    assert kind.violations <= kind.is_of_memory
    assert kind.is_of_memory + kind.is_of_values + kind.ends <= 1
    assert bool(kind.preposition) <= kind.violations


def test_what_an_accelerator_reports_is_what_the_oracle_sees_of_memory() -> None:
    of_memory = {kind.value for kind in FaultKind if kind.is_of_memory}
    assert of_memory == {"oob-write", "oob-read", "index-range", "short-buffer"}


def test_another_kind_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'oob-write'"):
        Fault(kind="oob-wrte")


def test_an_extent_is_the_same_numbers_everywhere() -> None:
    assert tuple(STRAY.extent) == EXTENT and STRAY.extent["last"] == 11
    extent: dict[str, Any] = STRAY.extent
    assert Sighting(**extent).to_json() == {"numel": 8, "first": 8, "last": 11, "count": 4}
    bare = STRAY.unmeasured()
    assert set(bare.extent.values()) == {None} and (bare.buffer, bare.kernel) == ("table", "fill")


@given(st.lists(st.builds(Fault, kind=KINDS, buffer=st.sampled_from(["table", "pool", None])), max_size=9))
def test_faults_are_watched_or_beside(seen: list[Fault]) -> None:
    judged, beside = parted(seen, watch("oob-write", buffers=["table"]))
    assert sorted((*judged, *beside), key=str) == sorted(seen, key=str)
    assert all(one.sort.ends or (one.kind, one.buffer) == ("oob-write", "table") for one in judged)
    assert not any(one.sort.ends or (one.kind, one.buffer) == ("oob-write", "table") for one in beside)


@pytest.mark.parametrize(("platform", "judged"), [("rocm-gfx942", True), ("cuda-sm90", False)])
def test_a_control_s_signatures_are_beside(platform: str, judged: bool) -> None:
    case = CodegenCase(call=lambda lab: {}, imports=(), targets=("rocm-gfx942",), controls=("cuda-sm90",))
    watched = case.watch_on(Platform.parse(platform))
    assert watched.judges("signature", "out") is judged
    assert watched.judges("exception", None)


ERROR = "RuntimeError in Pool.grow: index 4 is out of bounds"


@pytest.mark.parametrize(
    ("naming", "told"),
    [
        (Naming.ALL, f"exception by fill ({ERROR})"),
        (Naming.TYPES, "exception (RuntimeError)"),
        (Naming.NONE, "exception"),
    ],
)
def test_as_much_of_a_fault_s_names_counts_as_is_asked(naming: Naming, told: str) -> None:
    assert Fault(kind="exception", kernel="fill", message=ERROR).told(naming) == told


def test_the_message_of_another_kind_counts_with_the_types() -> None:
    one = Fault(kind="device-fault", kernel="fill", message="illegal access: in fill")
    assert one.told(Naming.TYPES) == "device-fault (illegal access: in fill)"
    assert one.told(Naming.NONE) == "device-fault"


@pytest.mark.parametrize(
    ("wanted", "kernels", "shown"),
    [
        (faults("oob-write"), True, True),
        (faults("oob-write", buffer="table", kernel="fill"), True, True),
        (faults("oob-write", kernel="other"), True, False),
        (faults("oob-write", kernel="other"), False, True),
        (faults("oob-write", buffer="pool"), False, False),
        (faults("oob-read"), True, False),
    ],
)
def test_a_fault_is_the_declared_bug_or_not(wanted: object, kernels: bool, shown: bool) -> None:
    assert STRAY.shows(wanted, kernels=kernels) is shown  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("of", "says", "shown"),
    [("RuntimeError", "index 4", True), ("KeyError", None, False), ("RuntimeError", "index 5", False)],
)
def test_a_declared_exception_is_known_by_its_type_and_its_words(of: str, says: str, shown: bool) -> None:
    assert Fault(kind="exception", message=ERROR).shows(faults("exception", of=of, says=says)) is shown


@given(
    st.from_regex(r"[A-Z][a-z]+Error", fullmatch=True),
    st.sampled_from([(), ("Pool.grow",), ("a.<locals>.b",)]),
    st.text(max_size=20),
)
def test_an_exception_is_read_as_it_is_told(kind: str, through: tuple[str, ...], words: str) -> None:
    one = Raised(type=kind, message=words, through=through)
    assert Raised.told(one.text) == one


def test_a_race_is_judged_where_a_case_watches_it_and_a_finding_elsewhere() -> None:
    race = Fault(kind="race", buffer="table", kernel="fill", numel=8, first=2, last=3, count=2)
    assert parted([STRAY, race], watch("race")) == ((race,), (STRAY,))
    assert parted([STRAY, race], watch("oob-write")) == ((STRAY,), (race,))
    assert faults("race", buffer="table") and race.signature.startswith("race table by fill numel=8 first=2")
