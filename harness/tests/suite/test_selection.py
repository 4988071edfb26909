"""From typed words to cases and points."""

from __future__ import annotations

import pytest

from harness.errors import BadInput
from harness.facts import Tier
from harness.suite import selection
from harness.tests.toyland.bench import bug

STORE, SLOT = bug("pr101_stray_store"), bug("pr102_wrong_slot")
KNOWN = (STORE, SLOT)


def test_all_cases_without_names_and_each_once_with_them() -> None:
    assert [one.reproducer for one in selection.select([], [], KNOWN)] == [STORE, SLOT]
    assert [one.reproducer for one in selection.select(["101", "pr101", "1001"], [], KNOWN)] == [STORE]


def test_a_tier_without_cases_is_refused_and_says_what_there_is() -> None:
    assert [one.tier for one in selection.select([], [Tier.KERNEL, Tier.SERVER], KNOWN)] == [
        Tier.KERNEL,
        Tier.KERNEL,
    ]
    with pytest.raises(BadInput, match="no case in tier server: pr101 has kernel; pr102 has kernel"):
        selection.select([], [Tier.SERVER], KNOWN)


def test_without_settings_a_case_runs_at_its_own_points() -> None:
    (request,) = selection.one(STORE, [], [], None)
    assert request.overrides is None and request.asked == ("fixed", "reverted")
    assert request.points == [{"tokens": 12, "page_size": 4}, {"tokens": 12, "page_size": 1}]


def test_settings_make_one_point() -> None:
    (request,) = selection.one(STORE, [], ["tokens=7"], "reverted")
    assert request.points == [{"tokens": 7, "page_size": 4}] and request.asked == ("reverted",)
    (request,) = selection.one(SLOT, [], ["slots=6,8,7"], "fixed")
    assert request.points == [{"slots": (6, 8, 7)}] and request.asked == ("fixed",)


def test_the_last_of_two_settings_of_one_name_counts() -> None:
    (request,) = selection.one(STORE, [], ["tokens=7", "tokens=8"], None)
    assert request.points[0]["tokens"] == 8


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("tokens", "--set tokens: write name=value"),
        (
            "page=3",
            r"--set page=3: pr101 takes no 'page': did you mean page_size\? it takes tokens, page_size",
        ),
        ("zzz=3", "pr101 takes no 'zzz': it takes tokens, page_size"),
        ("tokens=", "--set tokens=: '' is no whole number"),
        ("tokens=1.5", "'1.5' is no whole number"),
        ("tokens=-4", "-4 is no whole number of at least 1"),
    ],
)
def test_a_bad_setting_names_itself_and_the_remedy(setting: str, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        selection.one(STORE, [], [setting], None)


@pytest.mark.parametrize("value", ["", "6,", "6,x", "0", "6;7"])
def test_a_bad_list_is_refused(value: str) -> None:
    with pytest.raises(BadInput, match=f"--set slots={value}: "):
        selection.one(SLOT, [], [f"slots={value}"], None)
