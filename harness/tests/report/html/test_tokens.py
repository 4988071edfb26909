"""Tokens of both arms laid under each other."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from harness.report.html.tokens import BEFORE, COLUMNS, NEAR, Column, align, answered, differing
from harness.tests.report.runs import answering

TOKENS = st.lists(st.integers(0, 5), max_size=30)


def test_a_replaced_token_stands_under_its_counterpart() -> None:
    assert align([1, 2, 3], [1, 9, 3]) == [Column(1, 1), Column(2, 9), Column(3, 3)]


def test_a_missing_token_leaves_a_gap() -> None:
    assert align([1, 2, 3], [1, 3]) == [Column(1, 1), Column(2, None), Column(3, 3)]


@given(TOKENS, TOKENS)
def test_both_sequences_can_be_read_back(one: list[int], other: list[int]) -> None:
    columns = align(one, other)
    assert [column.fixed for column in columns if column.fixed is not None] == one
    assert [column.reverted for column in columns if column.reverted is not None] == other


@given(TOKENS)
def test_equal_sequences_differ_nowhere(tokens: list[int]) -> None:
    assert not any(column.differs for column in align(tokens, tokens))
    assert differing(answering({"r00": tokens}), answering({"r00": tokens})) == []


def test_the_first_difference_is_found_and_what_is_alike_before_it_is_counted() -> None:
    fixed = answering({"r00": [7] * 3, "r01": list(range(100))})
    reverted = answering({"r00": [7] * 3, "r01": [*range(20), 99, *range(21, 100)]})
    (one,) = differing(fixed, reverted)
    assert (one.request, one.first, one.skipped) == ("r01", 20, 20 - BEFORE)
    assert len(one.columns) == COLUMNS and one.skipped + COLUMNS + one.left == 100
    assert one.logprobs is None and answered(fixed) == 2


def test_log_probabilities_alone_make_a_difference() -> None:
    (one,) = differing(answering({"r00": [1, 2]}), answering({"r00": [1, 2]}, logprob=-0.25))
    assert one.first is None and one.columns == () and one.skipped == 2
    assert one.logprobs == "log-probabilities differ by up to 0.25, at token 0"


def test_noise_in_log_probabilities_is_no_difference() -> None:
    near = answering({"r00": [1, 2]}, logprob=-0.5 + NEAR / 2)
    assert differing(answering({"r00": [1, 2]}), near) == []


def test_a_log_probability_that_is_no_number_is_told() -> None:
    (one,) = differing(answering({"r00": [1]}), answering({"r00": [1]}, logprob=math.nan))
    assert one.logprobs == "a log-probability of token 0 is not finite"


def test_after_the_first_other_token_log_probabilities_say_nothing() -> None:
    fixed, reverted = answering({"r00": [1, 2]}), answering({"r00": [3, 2]}, logprob=-0.25)
    (one,) = differing(fixed, reverted)
    assert one.first == 0 and one.logprobs is None


def test_a_point_that_faults_has_its_answers_among_what_was_compared() -> None:
    fixed, reverted = answering({"r00": [1]}), answering({"r00": [2]})
    faulty = replace(reverted, results={}, compared=reverted.results)
    assert [one.first for one in differing(fixed, faulty)] == [0]


def test_a_request_that_one_arm_lacks_is_not_compared() -> None:
    assert differing(answering({"r00": [1]}), answering({"r01": [2]})) == []
