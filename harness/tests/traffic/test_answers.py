"""Where two sets of answers part."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.tests.traffic.samples import answer
from harness.traffic.answers import against, compare, differ, distance, faults, not_a_number

NAN = float("nan")
tokens = st.lists(st.integers(3, 9), min_size=1, max_size=6)


def test_equal_answers() -> None:
    here = [answer("a", 4, 5), answer("b", 6)]
    found = compare(here, here, atol=0.0)
    assert found.is_equal and found.compared == 2 and found.first is None and found.distance == 0.0


def test_the_first_differing_request_and_token_are_named() -> None:
    here = [answer("a", 4, 5, 6), answer("b", 4, 5, 6), answer("c", 1)]
    there = [answer("a", 4, 5, 6), answer("b", 4, 8, 6), answer("c", 2)]
    found = compare(here, there, atol=1e-3)
    assert found.differing == ("b", "c")
    assert str(found.first) == "b: token 1 is 5, not 8, log-probabilities 0.3 apart"


def test_log_probabilities_have_a_tolerance() -> None:
    here, there = answer("a", 4, 5), answer("a", 4, 5, logprobs=(-0.4, -0.51))
    assert differ(here, there, atol=0.02) is None
    assert differ(here, there, atol=0.0, rtol=0.02) is None
    difference = differ(here, there, atol=1e-3)
    assert difference is not None and difference.token == 1 and difference.distance == pytest.approx(0.01)


def test_no_number_is_equal_to_itself_alone() -> None:
    one, other = answer("a", 4, logprobs=(NAN,)), answer("a", 4)
    assert differ(one, one, atol=1.0) is None
    difference = differ(one, other, atol=1e9)
    assert difference is not None and difference.distance == math.inf
    assert not_a_number([one, other]) == ("a",)


def test_a_shorter_answer_differs_where_it_ends() -> None:
    difference = differ(answer("a", 4, 5, trouble="lost"), answer("a", 4, 5, 6), atol=1.0)
    assert difference is not None
    assert (difference.token, difference.here, difference.there) == (2, "the end (lost)", "the end (length)")


def test_an_answer_that_is_not_whole_differs_even_from_itself() -> None:
    broken = answer("a", 4, trouble="hang", finish=None)
    assert differ(broken, broken, atol=1.0) is not None


def test_what_we_gave_up_is_left_out() -> None:
    given_up = answer("a", 4, given_up=True, finish="abort")
    found = compare([given_up, answer("b", 5)], [answer("a", 9), answer("b", 5)], atol=0.0)
    assert found.is_equal and found.compared == 1


def test_answers_to_other_prompts_are_not_compared() -> None:
    with pytest.raises(ValueError, match="different prompts"):
        compare([answer("a", 4)], [answer("a", 4, prompt=(9,))], atol=0.0)


def test_distances_count_up_to_the_first_differing_token() -> None:
    here = answer("a", 4, 5, 6, logprobs=(-1.0, -2.0, -3.0))
    there = answer("a", 4, 9, 6, logprobs=(-1.5, -9.0, -9.0))
    assert distance(here, there) == 0.5


def test_a_reference_is_a_set_of_answers() -> None:
    here = [answer("a", 4, 5), answer("b", 6)]
    wanted = against(here, {"a": ((4, 5), (-0.4, -0.5)), "b": ((7,), (-0.7,))})
    assert compare(here, wanted, atol=1e-6).differing == ("b",)


def test_a_hang_is_one_fault_however_many_requests_it_took() -> None:
    hung = [answer("a", trouble="hang"), answer("b", trouble="hang"), answer("c", 5)]
    assert [fault.signature for fault in faults(hung, 30)] == ["hang (no token for 30 s)"]
    assert faults(hung[2:], 30) == ()


@given(tokens, tokens)
def test_comparing_is_symmetric_and_finds_every_difference(one: list[int], other: list[int]) -> None:
    here, there = answer("a", *one), answer("a", *other)
    assert (differ(here, there, atol=1e-6) is None) == (one == other)
    forth, back = differ(here, there, atol=1e-6), differ(there, here, atol=1e-6)
    assert (forth and forth.token) == (back and back.token)


def test_json_has_no_empty_fields() -> None:
    assert set(answer("a", 4).to_json()) == {"rid", "prompt_ids", "tokens", "logprobs", "finish", "status"}
    assert compare([answer("a", 4)], [answer("a", 5)], 0.0).to_json()["first"]["token"] == 0
